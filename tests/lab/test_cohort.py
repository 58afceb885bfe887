"""Strangers who do not exist: what is kept of a set, and what it is good for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from doorguard.core.metrics import own_pairs
from doorguard.core.model import ModelId
from doorguard.errors import ModelError, UsageError
from doorguard.lab.cohort import PEOPLE_MIN, Cohort, cohort_file, fit_cohort, load_cohort, save_cohort
from doorguard.vision.profile import MODELS, shipped_profile

MODEL = ModelId("m@1")
REACH = 1.5


def cloud(people: int = 1500, *, dim: int = 64, seed: int = 0) -> np.ndarray:
    """Unit vectors that lie more along some axes than along others, and not around 0."""
    rng = np.random.default_rng(seed)
    spread = np.linspace(2.0, 0.3, dim)
    points = 0.1 + spread * rng.normal(size=(people, dim)) @ np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return fit_cohort(list(cloud()), MODEL, reach=REACH, origin="cloud, today")


def test_draws_are_unit_vectors_and_the_same_for_the_same_seed(cohort: Cohort) -> None:
    drawn = cohort.draw(500)
    assert drawn.shape == (500, 64)
    assert drawn.dtype == np.float32
    assert np.allclose(np.linalg.norm(drawn, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(drawn, cohort.draw(500))
    assert not np.array_equal(drawn, cohort.draw(500, seed=1))


def test_draws_lie_as_far_apart_as_the_people_did(cohort: Cohort) -> None:
    real, drawn = own_pairs(cloud()[:600]), own_pairs(cohort.draw(600))
    for share in (0.01, 0.1, 0.5):
        assert np.quantile(drawn, share) == pytest.approx(np.quantile(real, share), abs=0.05)


def test_typical_is_how_often_an_average_person_is_resembled(cohort: Cohort) -> None:
    distances = 2.0 - 2.0 * cloud() @ cohort.draw(2000, seed=5).T
    assert cohort.typical == pytest.approx(float((distances <= REACH).mean()), rel=0.1)


def test_file_gives_the_same_cohort_back_and_says_that_it_is_synthetic(
    tmp_path: Path, cohort: Cohort
) -> None:
    save_cohort(cohort, tmp_path / "c.json")
    told = json.loads((tmp_path / "c.json").read_text("utf-8"))
    assert told["kind"] == "synthetic"
    back = load_cohort(tmp_path / "c.json", MODEL)
    assert (back.people, back.origin, back.reach) == (1500, "cloud, today", REACH)
    assert back.typical == pytest.approx(cohort.typical)
    apart = 2.0 - 2.0 * np.einsum("ij,ij->i", back.draw(100), cohort.draw(100))
    assert apart.max() < 1e-4


def test_file_holds_nobodys_encoding(tmp_path: Path, cohort: Cohort) -> None:
    save_cohort(cohort, tmp_path / "c.json")
    told = json.loads((tmp_path / "c.json").read_text("utf-8"))
    kept = np.array([told["mean"], told["spread"], *told["factors"]])
    assert len(kept) == 34
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    everybody = cloud().astype(np.float64)
    nearest = 2.0 - 2.0 * np.abs(everybody @ kept.T)
    assert nearest.min() > 0.5


def test_few_people_are_refused_lest_they_be_told_from_it() -> None:
    with pytest.raises(UsageError, match="gives none of them away: 320 are needed"):
        fit_cohort(list(cloud(PEOPLE_MIN - 1)), MODEL, reach=REACH, origin="")


def test_reach_nobody_is_within_is_refused() -> None:
    with pytest.raises(UsageError, match="no cloud"):
        fit_cohort(list(cloud(400)), MODEL, reach=1e-6, origin="")


def test_file_that_is_there_is_not_written_over(tmp_path: Path, cohort: Cohort) -> None:
    (tmp_path / "c.json").write_text("mine")
    with pytest.raises(UsageError, match="cannot write"):
        save_cohort(cohort, tmp_path / "c.json")
    assert (tmp_path / "c.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "other@2"}, "belongs to other@2"),
        ({"kind": "real"}, "cannot be used"),
        ({"people": 3}, "cannot be used"),
        ({"mean": [0.1, 0.2]}, "do not fit together"),
        ({"spread": [-0.1] * 64}, "do not fit together"),
        ({"extra": 1}, "cannot be used"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_file_that_is_no_cohort_of_the_model_is_refused(
    tmp_path: Path, cohort: Cohort, change: dict[str, object], words: str
) -> None:
    save_cohort(cohort, tmp_path / "c.json")
    told = json.loads((tmp_path / "c.json").read_text("utf-8"))
    (tmp_path / "d.json").write_text(json.dumps({**told, **change}))
    with pytest.raises(ModelError, match=words):
        load_cohort(tmp_path / "d.json", MODEL)


def test_file_that_cannot_be_read_or_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be used"):
        load_cohort(tmp_path / "none.json", MODEL)
    (tmp_path / "large.json").write_bytes(b" " * (9 * 1024 * 1024))
    with pytest.raises(ModelError, match="too large"):
        load_cohort(tmp_path / "large.json", MODEL)


def test_cohort_beside_the_encoder_goes_before_the_releases(tmp_path: Path) -> None:
    encoder = tmp_path / "facenet.tflite"
    assert cohort_file(encoder) == MODELS / "facenet.cohort.json"
    (tmp_path / "facenet.cohort.json").touch()
    assert cohort_file(encoder) == tmp_path / "facenet.cohort.json"


def test_shipped_cohort_is_the_shipped_encoders() -> None:
    profile = shipped_profile("facenet-ir-128-int8-1")
    cohort = load_cohort(cohort_file(profile.path), profile.model_id)
    assert cohort.people > 1000
    assert cohort.draw(10).shape == (10, profile.dim)
    assert "doorguard calibrate --root ../shared/lfw-dev" in cohort.origin
