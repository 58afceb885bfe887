"""Encoders side by side: |ΔD| by hand, costs measured, and the command as a user types it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from doorguard.cli.main import main
from doorguard.config import Settings
from doorguard.core.model import ModelId
from doorguard.errors import UsageError
from doorguard.lab.compare import Drift, Entrant, compare_models, compare_text, drift
from doorguard.lab.cost import Cost, cost_apart, measure_cost
from doorguard.lab.people import People, Person, Problems
from doorguard.lab.recipe import Recipe
from doorguard.lab.worker import Sample
from doorguard.photos import path
from doorguard.vision.profile import load_profile

ENCODERS = Path(__file__).parents[1] / "data" / "encoders"
COST = Cost(2_000_000, 252_000_000, 1.5, 5_000_000)
NOTHING_WRONG = Problems({}, (), (), (), (), (), 0)


def people(encodings: NDArray[np.float32], pictures: int) -> People:
    """So many pictures a person, in order; a row of zeros is a picture without an encoding."""
    persons = []
    for number in range(len(encodings) // pictures):
        own = encodings[number * pictures : (number + 1) * pictures]
        samples = tuple(Sample(Path(f"{number}-{index}"), "") for index in range(pictures))
        persons.append(Person(f"p{number}", samples, tuple(row if row.any() else None for row in own)))
    return People(Path(), len(encodings), tuple(persons), NOTHING_WRONG)


def spread_people(noise: float) -> NDArray[np.float32]:
    """40 people, 3 pictures each; with more noise the same people, less alike."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(40, 1, 16))
    rows = (centres + 0.2 * rng.normal(size=(40, 3, 16))).reshape(120, 16)
    rows = rows + noise * rng.normal(size=rows.shape)
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def entrant(name: str, encodings: NDArray[np.float32]) -> Entrant:
    return Entrant(ModelId(name), 16, 112, "uint8", COST, people(encodings, 3), None)


def test_drift_of_an_encoder_from_itself_is_nothing() -> None:
    same = people(spread_people(0.0), 3)
    found = drift(same, same)
    assert found is not None
    assert found.pairs > 40 * 3
    assert (found.p50, found.p99) == (0.0, 0.0)


def test_drift_is_the_difference_of_distances() -> None:
    """Two pictures of one person, at D = 2 for one encoder and D = 4 for the other."""
    one = np.array([[1, 0], [0, 1]], np.float32)
    two = np.array([[1, 0], [-1, 0]], np.float32)
    assert drift(people(one, 2), people(two, 2)) == Drift(1, 2.0, 2.0)


def test_drift_leaves_out_what_only_one_of_them_encoded() -> None:
    one = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    lost = np.array([[1, 0], [0, 0], [-1, 0]], np.float32)
    assert drift(people(one, 3), people(lost, 3)) == Drift(1, 4.0, 4.0)
    assert drift(people(one[:2], 2), people(lost[:2], 2)) is None


def test_drift_where_nobody_can_be_compared_is_none() -> None:
    """One picture each of very few people: chance may draw no pair at all, but here it does."""
    nobody = np.zeros((4, 2), np.float32)
    assert drift(people(nobody, 2), people(nobody, 2)) is None


def test_compare_models_measures_each_and_holds_it_against_the_first() -> None:
    results = compare_models([entrant("good@1", spread_people(0.0)), entrant("worse@2", spread_people(0.3))])
    good, worse = results
    assert good.drift is None
    assert worse.drift is not None
    assert worse.drift.p99 > worse.drift.p50 > 0.0
    assert good.accuracy > worse.accuracy
    told = worse.as_json()
    assert set(told["fnmr_at_fmr"]) == {"1e-4", "1e-5"}  # type: ignore[call-overload]
    assert told["multiply_adds"] == 252_000_000
    assert told["delta_d"] == {"pairs": worse.drift.pairs, "p50": worse.drift.p50, "p99": worse.drift.p99}
    text = compare_text(results)
    assert "252.0" in text
    assert f"{worse.drift.p50:.4f} / {worse.drift.p99:.4f}" in text


def test_compare_models_without_any_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one"):
        compare_models([])


def test_cost_is_measured_here_and_in_a_process_of_its_own(settings: Settings) -> None:
    recipe = Recipe(load_profile(ENCODERS / "facenet160-int8-512.profile.json"), settings)
    for measured in (measure_cost(recipe), cost_apart(recipe)):
        assert measured.file_bytes == recipe.profile.path.stat().st_size
        assert measured.multiply_adds == 160 * 160 * 3 * 8
        assert 0.0 < measured.encode_ms < 1000.0
        assert 0 <= measured.memory_bytes < 500e6
    assert replace(measured, encode_ms=1.23456).as_json()["encode_ms"] == 1.235


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    root = tmp_path / "faces"
    for who, pictures in {"barack": ("obama-2009", "obama-2012"), "eileen": ("collins",)}.items():
        (root / who).mkdir(parents=True)
        for number, picture in enumerate(pictures, 1):
            shutil.copyfile(path(picture), root / who / f"{who}_{number:04d}.jpg")
    (tmp_path / "pairs.txt").write_text("2\t1\n" + "barack\t1\t2\nbarack\t1\teileen\t1\n" * 2)
    return root


@pytest.mark.parametrize("listed", [False, True])
def test_evaluate_compare_prints_each_encoder(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], listed: bool
) -> None:
    import json

    profile = str(ENCODERS / "facenet160-float-512.profile.json")
    names = ["facenet-ir-128-int8-1", profile]
    options = ["--root", str(faces), "--no-cache", "--json"]
    options += ["--pairs", str(tmp_path / "pairs.txt")] if listed else []
    assert main(["evaluate", "compare", *names, *options]) == 0
    shipped, tiny = json.loads(capsys.readouterr().out)["models"]
    assert (shipped["model"], shipped["dim"], tiny["dim"]) == ("facenet-ir-128-int8-1@c65f47355b95", 128, 512)
    assert (shipped["delta_d"], tiny["delta_d"]["pairs"] > 1) == (None, True)
    assert (shipped["accuracy_deviation"] is None) is not listed
    assert shipped["multiply_adds"] == 251_999_232
