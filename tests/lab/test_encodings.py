"""The encoder of folders: what comes out, that nothing is computed twice, and what goes wrong."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from doorguard.config import Settings
from doorguard.core.model import QualityFault
from doorguard.errors import ModelError, ModelMismatchError, StoreError
from doorguard.lab.cache import SampleCache, cache_file
from doorguard.lab.degrade import Condition
from doorguard.lab.encodings import Work, encode_all
from doorguard.lab.recipe import Recipe
from doorguard.lab.worker import NO_FACE, UNREADABLE, Shot
from doorguard.photos import path as photo
from doorguard.vision.photo import encode_photo
from doorguard.vision.pipeline import FacePipeline


@pytest.fixture(scope="module")
def recipe(settings: Settings, vision: FacePipeline) -> Recipe:
    return Recipe(vision.profile, settings)


def shots(*names: str) -> list[Shot]:
    return [Shot(photo(name)) for name in names]


def test_sample_holds_what_enrolment_would_store(recipe: Recipe, vision: FacePipeline) -> None:
    (sample,) = encode_all(shots("obama-2012"), recipe, Work())
    stored = encode_photo(vision, photo("obama-2012"), largest=True).observation
    assert sample.cause is None
    assert sample.faces == 1
    assert sample.encoding is not None
    assert stored.encoding is not None
    assert ((sample.encoding - stored.encoding) ** 2).sum() < 1e-3
    assert sample.faults(Settings().quality) == ()


def test_mirrored_crop_is_nearly_the_same_face(recipe: Recipe) -> None:
    (sample,) = encode_all(shots("biden-2010"), recipe, Work())
    assert sample.encoding is not None
    assert sample.mirrored is not None
    assert 0.001 < ((sample.encoding - sample.mirrored) ** 2).sum() < 0.5


def test_causes_are_told_apart_and_order_is_kept(recipe: Recipe, root: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    there = [
        Shot(text),
        *shots("collins"),
        Shot(root / "tests" / "data" / "cat.jpg"),
        Shot(tmp_path / "gone"),
    ]
    found = encode_all(there, recipe, Work())
    assert [sample.cause for sample in found] == [UNREADABLE, None, NO_FACE, UNREADABLE]
    assert [sample.path for sample in found] == [shot.path for shot in there]
    assert "text.jpg" in found[0].detail
    assert found[0].faults(Settings().quality) == ()


def test_what_the_gate_refuses_is_encoded_all_the_same(recipe: Recipe) -> None:
    dark = Shot(photo("obama-2012"), Condition("low_light", 0.12))
    (sample,) = encode_all([dark], recipe, Work())
    assert sample.encoding is not None
    assert QualityFault.TOO_DARK in sample.faults(Settings().quality)


def test_processes_and_one_process_agree(recipe: Recipe) -> None:
    many = shots("obama-2009", "obama-2010", "obama-2012", "biden-2010", "collins") * 10
    told: list[tuple[int, int]] = []
    spread = encode_all(many, recipe, Work(None, lambda done, total: told.append((done, total)), 2))
    alone = encode_all(many[:5], recipe, Work(processes=1))
    for index, sample in enumerate(spread):
        assert np.array_equal(sample.encoding, alone[index % 5].encoding)  # type: ignore[arg-type]
    assert told[0] == (0, 50)
    assert told[-1] == (50, 50)


def test_face_may_be_the_largest_or_the_central_one(recipe: Recipe, tmp_path: Path) -> None:
    from PIL import Image

    two = Image.new("RGB", (1100, 500), "grey")
    with Image.open(photo("obama-2012")) as large, Image.open(photo("biden-2010")) as small:
        two.paste(large.resize((450, 500)), (0, 0))
        two.paste(small.resize((250, 280)), (425, 110))
    two.save(tmp_path / "two.png")
    alone = encode_all(shots("obama-2012", "biden-2010"), recipe, Work())
    for face, who in (("largest", alone[0]), ("centre", alone[1])):
        (sample,) = encode_all([Shot(tmp_path / "two.png")], replace(recipe, face=face), Work())  # type: ignore[arg-type]
        assert sample.encoding is not None
        assert who.encoding is not None
        assert ((sample.encoding - who.encoding) ** 2).sum() < 0.6


def test_wrong_model_file_is_refused_in_this_process_and_in_others(recipe: Recipe) -> None:
    wrong = replace(recipe, profile=replace(recipe.profile, sha256="0" * 64))
    with pytest.raises(ModelMismatchError):
        encode_all(shots("collins"), wrong, Work())
    with pytest.raises(ModelError):
        encode_all(shots("collins") * 100, wrong, Work(processes=2))


# The cache


def test_cached_samples_come_back_whole(recipe: Recipe, tmp_path: Path, root: Path) -> None:
    there = [
        *shots("collins"),
        Shot(photo("collins"), Condition("jpeg", 30)),
        Shot(root / "tests/data/cat.jpg"),
    ]
    with SampleCache(tmp_path / "deep" / "c.sqlite3", recipe) as cache:
        first = encode_all(there, recipe, Work(cache))
    broken = replace(recipe, profile=replace(recipe.profile, path=Path("/gone.tflite")))
    with SampleCache(tmp_path / "deep" / "c.sqlite3", recipe) as cache:
        again = encode_all(there, broken, Work(cache))  # no model is loaded: nothing is left to do
    for one, two in zip(first, again, strict=True):
        assert (one.path, one.digest, one.cause, one.faces) == (two.path, two.digest, two.cause, two.faces)
        assert one.quality == two.quality
        if one.encoding is not None:
            assert np.array_equal(one.encoding, two.encoding)  # type: ignore[arg-type]
            assert np.array_equal(one.mirrored, two.mirrored)  # type: ignore[arg-type]


def test_picture_is_known_by_its_content_not_its_name(recipe: Recipe, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jpg"
    shutil.copyfile(photo("collins"), copy)
    with SampleCache(tmp_path / "c.sqlite3", recipe) as cache:
        encode_all(shots("collins"), recipe, Work(cache))
        assert cache.get(Shot(copy), encode_all([Shot(copy)], recipe, Work(cache))[0].digest) is not None
        shutil.copyfile(photo("biden-2010"), copy)
        (changed,) = encode_all([Shot(copy)], recipe, Work(cache))
    assert ((changed.encoding - encode_all(shots("biden-2010"), recipe, Work())[0].encoding) ** 2).sum() == 0


def test_unreadable_picture_is_looked_at_again(recipe: Recipe, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("x")
    with SampleCache(tmp_path / "c.sqlite3", recipe) as cache:
        (sample,) = encode_all([Shot(bad)], recipe, Work(cache))
        assert cache.get(Shot(bad), sample.digest) is None


def test_recipe_tells_models_settings_and_faces_apart(recipe: Recipe) -> None:
    others = [
        replace(recipe, profile=replace(recipe.profile, sha256="1" * 64)),
        replace(recipe, face="largest"),
        replace(recipe, settings=Settings.model_validate({"vision": {"mesh_presence_min": 0.5}})),
    ]
    assert len({recipe.digest, *(other.digest for other in others)}) == 4


def test_recipe_does_not_ask_for_the_gate(recipe: Recipe) -> None:
    strict = recipe.settings.model_copy(
        update={"quality": Settings().quality.model_copy(update={"luma_min": 99.0})}
    )
    assert replace(recipe, settings=strict).digest == recipe.digest


def test_cache_is_its_owners_alone_and_holds_no_name(recipe: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "c.sqlite3"
    with SampleCache(file, recipe) as cache:
        encode_all(shots("collins"), recipe, Work(cache))
    assert file.stat().st_mode & 0o077 == 0
    assert b"collins" not in file.read_bytes()


def test_damaged_cache_says_what_to_do(recipe: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "c.sqlite3"
    file.write_bytes(b"this is no database, but long enough to look at" * 10)
    with pytest.raises(StoreError, match="delete it"):
        SampleCache(file, recipe)


def test_cache_of_another_shape_says_what_to_do(recipe: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "c.sqlite3"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE samples (something TEXT)")
    database.close()
    with SampleCache(file, recipe) as cache, pytest.raises(StoreError, match="delete it"):
        cache.get(Shot(photo("collins")), "0")


def test_cache_lies_in_the_users_own_folder() -> None:
    assert cache_file({"XDG_CACHE_HOME": "/c"}) == Path("/c/doorguard/encodings.sqlite3")
    assert cache_file({"HOME": "/h"}) == Path("/h/.cache/doorguard/encodings.sqlite3")
