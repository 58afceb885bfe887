"""Calibration of people who do not exist, and the profile it is written into."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from standins.crowd import as_people, crowd, sample, unit

from doorguard.core.threshold import EXTRAPOLATED, MEASURED, ThresholdTable, comparison_fmr
from doorguard.errors import ConfigError, ModelError, ModelMismatchError, UsageError
from doorguard.lab.calibrate import FMRS, Calibration, calibrate, calibration_json, calibration_text
from doorguard.lab.people import People
from doorguard.lab.profile_file import Origin, write_profile
from doorguard.vision.profile import MODELS, load_profile, shipped_profile

PEOPLE = 460
ORIGIN = Origin("crowd", date(2026, 11, 23), "doorguard calibrate --root crowd --out x.profile.json")


@pytest.fixture(scope="module")
def people() -> People:
    return as_people(crowd([2] * PEOPLE))


@pytest.fixture(scope="module")
def found(people: People) -> Calibration:
    return calibrate(people.persons)


def strangers(people: People) -> np.ndarray:
    first = np.array([person.usable[0] for person in people.persons], dtype=np.float64)
    distances = 2.0 - 2.0 * first @ first.T
    return np.sort(distances[np.triu_indices(len(first), 1)])


def test_measured_tau_is_the_largest_with_no_more_false_matches(found: Calibration, people: People) -> None:
    every = strangers(people)
    measured = [entry for entry in found.entries if entry.kind == MEASURED]
    assert [entry.fmr for entry in measured] == [1e-2, 3e-3, 1e-3, 3e-4]
    for entry in measured:
        allowed = int(entry.fmr * len(every))
        assert (every <= entry.tau).sum() <= allowed
        assert every[allowed - 1] - 1.1e-4 < entry.tau <= every[allowed - 1]
        assert entry.impostor_comparisons == len(every) == PEOPLE * (PEOPLE - 1) // 2


def test_rates_nobody_can_count_are_extrapolated_and_reach_one_in_ten_million(found: Calibration) -> None:
    assert [entry.fmr for entry in found.entries] == list(FMRS)
    assert {entry.kind for entry in found.entries[4:]} == {EXTRAPOLATED}
    assert found.entries[-1].fmr == 1e-7
    # Cosines of unrelated directions in 128 dimensions are near normal, deviation 1/sqrt(128).
    assert found.entries[-1].tau == pytest.approx(2 - 2 * 5.2 / np.sqrt(128), abs=0.1)


def test_target_below_the_table_is_refused(found: Calibration) -> None:
    with pytest.raises(ConfigError, match=r"raise match\.target_false_accepts"):
        found.table.at(comparison_fmr(1e-6, agree=1, frames=5, templates=10), templates=10)


def test_bound_lies_above_the_rate_and_widens_where_less_was_seen(found: Calibration) -> None:
    ratios = [(entry.fmr_high or 0.0) / entry.fmr for entry in found.entries]
    assert all(ratio >= 1.0 for ratio in ratios)
    assert 1.02 < ratios[0] < 1.3
    assert ratios[-1] > 2 * ratios[0]


def test_calibration_is_the_same_twice(people: People, found: Calibration) -> None:
    assert calibrate(people.persons).entries == found.entries


def test_without_bounds_the_rest_is_the_same(people: People, found: Calibration) -> None:
    bare = calibrate(people.persons, bounds=False)
    assert bare.entries == tuple(replace(entry, fmr_high=None) for entry in found.entries)


def test_picture_without_a_face_is_a_miss(people: People, found: Calibration) -> None:
    samples = crowd([2] * PEOPLE)
    samples[0][1] = sample("p000", 2, None)
    worse = calibrate(as_people(samples).persons, bounds=False)
    assert worse.entries[0].fnmr == pytest.approx(found.entries[0].fnmr + 1 / PEOPLE, abs=1e-4)


def test_one_person_under_two_names_is_reported_and_counted(found: Calibration) -> None:
    samples = crowd([2] * PEOPLE)
    assert samples[0][0].encoding is not None
    samples[7][0] = sample("p007", 1, unit(samples[0][0].encoding + 0.01))
    people = as_people(samples)
    doubtful = calibrate(people.persons, bounds=False)
    assert [names[:2] for names in doubtful.suspects] == [("p000", "p007")]
    assert not found.suspects
    assert doubtful.entries[-1].tau == pytest.approx(found.entries[-1].tau, abs=0.02)
    assert "one person or a wrong label? p000 and p007" in calibration_text(doubtful, people)
    told = calibration_json(doubtful, people)
    assert told["suspects"] == [{"names": ["p000", "p007"], "distance_sq": doubtful.suspects[0][2]}]


def test_too_few_people_are_refused_with_the_number_needed() -> None:
    with pytest.raises(UsageError, match=r"440 people .* too few .* 448 are needed"):
        calibrate(as_people(crowd([2] * 440)).persons)


def test_people_who_are_all_equally_far_apart_are_refused() -> None:
    axes = np.eye(500, dtype=np.float32)
    samples = [[sample(f"p{index}", number, axes[index]) for number in (1, 2)] for index in range(450)]
    with pytest.raises(UsageError, match="equally near"):
        calibrate(as_people(samples).persons)


def test_tail_that_reaches_distance_zero_is_refused() -> None:
    """Pairs of twins at every distance: the tail is so heavy that no tau stands for 1e-7."""
    samples = crowd([2] * 900, seed=1)
    rng = np.random.default_rng(0)
    for index in range(0, 900, 2):
        twin = samples[index][0].encoding
        assert twin is not None
        apart = float(rng.uniform(0.05, 1.1))
        samples[index + 1][0] = sample(
            f"p{index + 1:03d}", 1, unit(twin + apart * unit(rng.normal(size=128)))
        )
    with pytest.raises(UsageError, match="no tau table"):
        calibrate(as_people(samples).persons, bounds=False)


# The profile


def test_profile_holds_the_table_its_origin_and_the_encoder(
    tmp_path: Path, found: Calibration, people: People
) -> None:
    base = shipped_profile("facenet-ir-128-int8-1")
    before = base.source.read_bytes()
    out = tmp_path / "mine.profile.json"
    written = write_profile(base, found, people, ORIGIN, out)
    assert written.tau == tuple(found.entries)
    assert (written.model_id, written.sha256) == (base.model_id, base.sha256)
    assert written.path.read_bytes() == base.path.read_bytes()
    assert written.path.parent == tmp_path
    assert ThresholdTable(written.tau).at(1e-7, templates=1).kind == EXTRAPOLATED
    told = json.loads(out.read_text("utf-8"))
    assert told["calibration"]["data"] == "crowd"
    assert told["calibration"]["date"] == "2026-11-23"
    assert told["calibration"]["command"] == ORIGIN.command
    assert told["alignment"] == json.loads(before)["alignment"]
    assert base.source.read_bytes() == before


def test_profile_beside_the_same_encoder_leaves_it(
    tmp_path: Path, found: Calibration, people: People
) -> None:
    base = shipped_profile("facenet-ir-128-int8-1")
    for name in ("one", "two"):
        write_profile(base, found, people, ORIGIN, tmp_path / f"{name}.profile.json")
    assert load_profile(tmp_path / "two.profile.json").tau == tuple(found.entries)


def test_profile_beside_another_encoder_is_refused(
    tmp_path: Path, found: Calibration, people: People
) -> None:
    (tmp_path / "facenet.tflite").write_text("another")
    with pytest.raises(ModelMismatchError, match="another encoder"):
        write_profile(
            shipped_profile("facenet-ir-128-int8-1"), found, people, ORIGIN, tmp_path / "x.profile.json"
        )
    assert not (tmp_path / "x.profile.json").exists()


@pytest.mark.parametrize("place", ["shipped", "taken", "name", "folder"])
def test_place_that_is_not_free_is_refused(
    tmp_path: Path, found: Calibration, people: People, place: str
) -> None:
    places = {
        "shipped": MODELS / "new.profile.json",
        "taken": tmp_path / "taken.profile.json",
        "name": tmp_path / "profile.json",
        "folder": tmp_path / "none" / "x.profile.json",
    }
    (tmp_path / "taken.profile.json").write_text("mine")
    words = {
        "shipped": "stay as they are",
        "taken": "is there already",
        "name": "ends in",
        "folder": "folder",
    }
    with pytest.raises(UsageError, match=words[place]):
        write_profile(shipped_profile("facenet-ir-128-int8-1"), found, people, ORIGIN, places[place])
    assert (tmp_path / "taken.profile.json").read_text() == "mine"
    assert not (MODELS / "new.profile.json").exists()


def test_profile_that_cannot_be_written_is_one_line(
    tmp_path: Path, found: Calibration, people: People
) -> None:
    name = "x" * 250 + ".profile.json"
    with pytest.raises(UsageError, match="cannot write"):
        write_profile(shipped_profile("facenet-ir-128-int8-1"), found, people, ORIGIN, tmp_path / name)


def test_table_with_a_rate_below_the_least_is_no_profile(found: Calibration) -> None:
    with pytest.raises(ModelError, match="nothing below"):
        ThresholdTable([*found.entries, replace(found.entries[-1], fmr=1e-8, tau=0.1, fmr_high=None)])
