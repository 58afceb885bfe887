"""calibrate and replay, as a user types them."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standins.command_line import Run
from standins.crowd import crowd

from doorguard.app import load_settings_at, open_store
from doorguard.core.model import Event, EventKind
from doorguard.lab.cache import SampleCache
from doorguard.lab.recipe import Recipe
from doorguard.lab.worker import Sample, Shot
from doorguard.photos import path
from doorguard.places import find_places
from doorguard.vision.profile import MODELS, shipped_profile

PEOPLE = 900


@pytest.fixture
def set_of_people(tmp_path: Path, run: Run) -> tuple[Path, Path]:
    """A folder of pictures nobody has to encode: the cache knows them all."""
    root, cache = tmp_path / "crowd", tmp_path / "cache.sqlite3"
    shots, samples = [], []
    for person in crowd([2] * PEOPLE):
        for sample in person:
            picture = root / sample.path.relative_to("/nowhere")
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_text(sample.digest)
            shots.append(Shot(picture))
            samples.append(sample)
    settings = load_settings_at(find_places(None, os.environ))
    recipe = Recipe(shipped_profile(settings.vision.encoder), settings)
    known = [_as_cached(shot, sample) for shot, sample in zip(shots, samples, strict=True)]
    with SampleCache(cache, recipe) as kept:
        kept.put(shots, known)
    return root, cache


def _as_cached(shot: Shot, sample: Sample) -> Sample:
    digest = hashlib.sha256(shot.path.read_bytes()).hexdigest()
    return Sample(shot.path, digest, 1, sample.encoding, sample.mirrored, sample.quality)


def test_calibrate_writes_a_new_profile_and_a_cohort(
    run: Run, set_of_people: tuple[Path, Path], tmp_path: Path
) -> None:
    root, cache = set_of_people
    before = {file: file.read_bytes() for file in MODELS.iterdir() if file.is_file()}
    out, cohort = tmp_path / "mine.profile.json", tmp_path / "facenet.cohort.json"
    ran = run("calibrate", "--root", root, "--out", out, "--cohort", cohort, "--cache", cache, "--json")
    assert ran.code == 0, ran.err
    told = ran.json
    assert [entry["fmr"] for entry in told["tau"]][::2] == [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7]
    assert {entry["kind"] for entry in told["tau"]} == {"measured", "extrapolated"}
    assert all(entry["fmr_high"] >= entry["fmr"] for entry in told["tau"])
    written = json.loads(out.read_text("utf-8"))
    assert written["tau"] == told["tau"]
    assert written["calibration"]["data"] == "crowd"
    assert written["calibration"]["command"].startswith("doorguard calibrate --root")
    assert json.loads(cohort.read_text("utf-8"))["people"] == PEOPLE
    assert {file: file.read_bytes() for file in MODELS.iterdir() if file.is_file()} == before
    text = run("calibrate", "--root", root, "--out", tmp_path / "two.profile.json", "--cache", cache)
    assert f"{PEOPLE * 2:,} pictures of {PEOPLE} people, 0 failed" in text.out
    for taken in ("--out", "--cohort"):
        places = {"--out": tmp_path / "new.profile.json", "--cohort": tmp_path / "new.cohort.json"}
        places[taken] = out if taken == "--out" else cohort
        arguments = [part for pair in places.items() for part in pair]
        again = run("calibrate", "--root", root, "--cache", cache, *arguments)
        assert (again.code, "is there already" in again.err) == (2, True)


def test_check_judges_on_the_other_half(run: Run, set_of_people: tuple[Path, Path]) -> None:
    root, cache = set_of_people
    options = ("--check", "--splits", "2", "--gallery-size", "5", "--cache", cache)
    told = run("calibrate", "--root", root, "--json", *options).json
    assert (told["splits"], told["residents"]) == (2, 5)
    assert told["table"][0]["realised"] == pytest.approx(1e-2, rel=0.3)
    assert "tau from half of the people" in run("calibrate", "--root", root, *options).out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--root", "x"),
        ("--out", "x.profile.json"),
        ("--root", "x", "--check", "--out", "x.profile.json"),
        ("--household", "--check"),
        ("--household", "--root", "x"),
    ],
)
def test_calibrate_without_a_clear_task_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    ran = run("calibrate", *arguments)
    assert ran.code == 2
    assert "--household" in ran.err


def test_shipped_profile_is_not_written_over(run: Run, tmp_path: Path) -> None:
    ran = run("calibrate", "--root", tmp_path, "--out", MODELS / "facenet.profile.json")
    assert ran.code == 2
    assert "stay as they are" in ran.err


def test_household_says_who_resembles_whom_and_changes_nothing(run: Run, state: Path) -> None:
    run("enroll", "Barack", path("obama-2009"))
    run("enroll", "Eileen", path("collins"))
    before = {file: file.read_bytes() for file in state.rglob("*.sqlite3")}
    ran = run("calibrate", "--household", "--json")
    assert ran.code == 0, ran.err
    told = ran.json
    assert [each["name"] for each in told["residents"]] == ["Barack", "Eileen"]
    barack = told["residents"][0]
    assert (barack["nearest"], barack["portrait"]) == ("Eileen", "obama-2009")
    assert barack["portrait_distance_sq"] == pytest.approx(0.0, abs=1e-5)
    assert barack["attraction"] > 0.0
    assert any("bundled portrait obama-2009 is within tau of Barack" in each for each in told["warnings"])
    assert "synthetic encodings" in told["strangers"]
    assert "warning: " in run("calibrate", "--household").out
    assert {file: file.read_bytes() for file in state.rglob("*.sqlite3")} == before


def test_household_without_residents_is_one_line(run: Run) -> None:
    run("enroll", "Barack", path("obama-2009"))
    run("residents", "disable", "Barack")
    ran = run("calibrate", "--household")
    assert ran.code == 2
    assert "doorguard enroll" in ran.err


def test_replay_shows_what_another_tau_would_have_done(run: Run) -> None:
    told = run("enroll", "Barack", path("obama-2009"))
    assert told.code == 0
    places = find_places(None, os.environ)
    with open_store(places, write=True) as store:
        (barack,) = store.residents()
        (template,) = store.templates()
        frames = [
            {"sequence": n, "t_ms": 70.0 * n, "d": 1.05, "d2": None, "nearest": barack.resident_id}
            | {"matched": False, "why": "no_match", "quality": None}
            for n in range(3)
        ]
        detail = {"outcome": "denied", "reason": "no_match", "tau": 1.0, "frames": frames}
        detail |= {"duration_ms": 140.0, "model": template.model_id}
        now = datetime.now(UTC)
        for at in (now - timedelta(days=40), now):
            store.append(Event(EventKind.ATTEMPT, at, 50.0, True, "boot", "front", None, detail))
    ran = run("replay", "--since", "30d", "--tau", "1.1", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["counts"] == {"denied to granted": 1}
    assert "denied → granted: Barack" in run("replay", "--tau", "1.1").out
    assert run("replay", "--since", "60d", "--tau", "1.1", "--json").json["attempts"] == 2
    assert run("replay", "--tau", "5").code == 2
    assert run("replay", "--tau", "1", "--since", "ever").code == 2
