"""The encoders at hand: found by name, added once they prove to work, and none hidden by a damaged one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doorguard.config import Settings
from doorguard.errors import ModelError, ModelMismatchError
from doorguard.vision.library import PROFILE, Library
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.profile import MODELS, load_profile
from doorguard.vision.selftest import check_golden

ENCODERS = Path(__file__).parents[1] / "data" / "encoders"
TINY = "facenet160-float-512"
SHIPPED = "facenet-ir-128-int8-1"
RELEASED = ("facenet-ir-128-int8-1@c65f47355b95",)
"""Encoders that doors may be using: a release that drops one locks them out."""


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "models")


def add(library: Library, settings: Settings, name: str = TINY, profile: Path | None = None) -> None:
    library.add(ENCODERS / f"{name}.tflite", profile or ENCODERS / f"{name}.profile.json", settings)


def edited(tmp_path: Path, name: str = TINY, **changes: Any) -> Path:
    content = json.loads((ENCODERS / f"{name}.profile.json").read_text(encoding="utf-8")) | changes
    path = tmp_path / "edited.profile.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("model_id", RELEASED)
def test_every_encoder_ever_released_is_still_here_and_answers_as_it_did(
    model_id: str, settings: Settings
) -> None:
    assert check_golden(FacePipeline.open(settings, Library(None).find(model_id))) <= 0.02


def test_find_takes_an_id_or_the_full_name(library: Library, settings: Settings) -> None:
    add(library, settings)
    tiny = load_profile(ENCODERS / f"{TINY}.profile.json")
    assert library.find(TINY).model_id == library.find(tiny.model_id).model_id == tiny.model_id
    assert library.find(SHIPPED).path == MODELS / "facenet.tflite"
    with pytest.raises(ModelError, match=rf"'none'.*{SHIPPED}@.*models add"):
        library.find("none")


def test_find_an_id_that_two_files_go_by_wants_the_full_name(
    library: Library, settings: Settings, tmp_path: Path
) -> None:
    add(library, settings)
    other = "facenet160-white-512"
    add(library, settings, other, edited(tmp_path, other, id=TINY))
    with pytest.raises(ModelError, match=r"may be .* or .*; give the whole name"):
        library.find(TINY)
    assert library.find(load_profile(ENCODERS / f"{TINY}.profile.json").model_id).dim == 512


def test_added_encoder_answers_as_it_did_when_it_was_added(library: Library, settings: Settings) -> None:
    add(library, settings)
    assert check_golden(FacePipeline.open(settings, library.find(TINY))) == pytest.approx(0.0, abs=1e-6)


def test_a_shipped_file_added_with_another_table_goes_before_the_shipped_one(
    library: Library, settings: Settings, tmp_path: Path
) -> None:
    content = json.loads((MODELS / "facenet.profile.json").read_text(encoding="utf-8"))
    content["tau"][0]["tau"] = 1.5
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(content), encoding="utf-8")
    library.add(MODELS / "facenet.tflite", mine, settings)
    assert library.find(SHIPPED).tau[0].tau == 1.5
    assert [shelf.origin for shelf in library.shelved() if shelf.profile] == ["added", "shipped"]
    library.add(MODELS / "facenet.tflite", MODELS / "facenet.profile.json", settings)
    assert library.find(SHIPPED).tau == load_profile(MODELS / "facenet.profile.json").tau


def test_add_of_a_file_that_is_not_the_profiles_or_does_not_work_keeps_nothing(
    library: Library, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ModelMismatchError):
        library.add(ENCODERS / f"{TINY}.tflite", ENCODERS / "mobile112-uint8-128.profile.json", settings)
    output = {"dim": 128, "dtype": "float32", "l2_normalise": True}
    with pytest.raises(ModelError, match="512 out, not"):
        add(library, settings, profile=edited(tmp_path, output=output))
    assert list((tmp_path / "models").iterdir()) == []


def test_add_without_an_installation_or_where_it_may_not_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no installation"):
        add(Library(None), settings)
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot write"):
        add(Library(tmp_path / "file"), settings)


def test_a_damaged_profile_is_named_and_hides_no_other(
    library: Library, settings: Settings, tmp_path: Path
) -> None:
    add(library, settings)
    damaged = tmp_path / "models" / "damaged@0" / PROFILE
    damaged.parent.mkdir()
    damaged.write_text("{", encoding="utf-8")
    unfinished = tmp_path / "models" / ".adding-1" / PROFILE
    unfinished.parent.mkdir()
    unfinished.write_text("{", encoding="utf-8")
    (problem,) = [shelf for shelf in library.shelved() if shelf.profile is None]
    assert (problem.path, problem.origin) == (damaged, "added")
    assert "not valid JSON" in problem.problem
    assert library.find(TINY)
