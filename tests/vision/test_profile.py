"""Profiles and digests: what is not exactly as expected is refused in one line."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doorguard.config import Settings
from doorguard.core.gallery import Space
from doorguard.errors import ModelError, ModelMismatchError
from doorguard.vision.pixels import Normalise, PixelRules
from doorguard.vision.profile import DETECTOR, LANDMARKS, MODELS, load_profile, shipped_profile, verify_digest

SHIPPED = MODELS / "facenet.profile.json"


def edited(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = json.loads(SHIPPED.read_text(encoding="utf-8"))
    change(content)
    path = tmp_path / "edited.profile.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_shipped_profile_is_the_default_encoder() -> None:
    profile = shipped_profile(Settings().vision.encoder)
    assert profile.model_id == "facenet-ir-128-int8-1@c65f47355b95"
    assert profile.path == MODELS / "facenet.tflite"
    assert profile.mesh_indices == ((33, 133), (362, 263), (1,), (61,), (291,))
    assert profile.template_points.shape == (5, 2)
    assert profile.digest == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert "lfw-dev" in profile.calibration
    assert next(entry.tau for entry in profile.tau if entry.fmr == 1e-4) == 1.1233


def test_template_points_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        load_profile(SHIPPED).template_points[0, 0] = 1.0


def test_shipped_profile_of_an_unknown_encoder_names_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"'none'.*facenet-ir-128-int8-1"):
        shipped_profile("none")


def test_every_shipped_model_has_its_digest() -> None:
    profile = shipped_profile(Settings().vision.encoder)
    assert len(verify_digest(profile.path, profile.sha256)) == profile.path.stat().st_size
    assert DETECTOR.read()
    assert LANDMARKS.read()


def test_a_changed_model_file_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(DETECTOR.read() + b"\0")
    with pytest.raises(ModelMismatchError, match=r"m\.tflite has SHA-256"):
        verify_digest(model, DETECTOR.sha256)


def test_a_missing_model_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        verify_digest(tmp_path / "none.tflite", DETECTOR.sha256)


def test_a_profile_says_what_an_encoder_of_another_kind_wants(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["input"] |= {"width": 160, "height": 160, "channels": "BGR", "dtype": "float32"}
        content["input"]["normalise"] = FIXED
        content["output"]["dim"] = 512
        content["tau"] = []
        for key in ("points", "mesh_indices", "template_points"):
            content["alignment"][key] = content["alignment"][key][:2]

    profile = load_profile(edited(tmp_path, change))
    assert (profile.input_size, profile.dim, profile.tau) == (160, 512, ())
    assert profile.pixels == PixelRules("BGR", "float32", Normalise((127.5,) * 3, (128.0,) * 3))
    assert profile.template_points.shape == (2, 2)
    assert profile.space == Space(profile.model_id, 512)


def test_a_profile_may_normalise_each_picture_by_itself(tmp_path: Path) -> None:
    whiten = edited(tmp_path, lambda c: c["input"].update(dtype="float32", normalise={"kind": "per_image"}))
    assert load_profile(whiten).pixels == PixelRules("RGB", "float32", "per_image")
    assert load_profile(SHIPPED).pixels == PixelRules("RGB", "uint8", None)


def set_first_tau(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["tau"][0].update({key: value})


FIXED = {"kind": "fixed", "mean": [127.5] * 3, "std": [128.0] * 3}
WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "unknown key": lambda c: c.update(more=1),
    "missing key": lambda c: c.pop("sha256"),
    "digest": lambda c: c.update(sha256="xyz"),
    "path outside": lambda c: c.update(file="../facenet.tflite"),
    "channels": lambda c: c["input"].update(channels="GBR"),
    "not square": lambda c: c["input"].update(height=96),
    "dtype": lambda c: c["input"].update(dtype="float16"),
    "normalised somehow": lambda c: c["input"].update(normalise={"kind": "somehow"}),
    "mean of two channels": lambda c: c["input"].update(normalise={**FIXED, "mean": [1.0, 2.0]}),
    "division by zero": lambda c: c["input"].update(normalise={**FIXED, "std": [1.0, 0.0, 1.0]}),
    "too few numbers": lambda c: c["output"].update(dim=8),
    "too many numbers": lambda c: c["output"].update(dim=4096),
    "distance": lambda c: c.update(distance="cosine"),
    "mesh index": lambda c: c["alignment"]["mesh_indices"].__setitem__(0, [468]),
    "four points": lambda c: c["alignment"]["template_points"].pop(),
    "point outside": lambda c: c["alignment"]["template_points"].__setitem__(0, [112.0, 5.0]),
    "text for a number": set_first_tau("tau", "1.4"),
    "fmr order": set_first_tau("fmr", 1e-9),
    "tau order": set_first_tau("tau", 0.1),
    "kind": set_first_tau("kind", "guessed"),
    "table of one": lambda c: c.update(tau=c["tau"][:1]),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_profile_that_breaks_a_rule_is_refused_in_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(ModelError) as caught:
        load_profile(edited(tmp_path, change))
    assert "\n" not in str(caught.value)
    assert "edited.profile.json" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"id": "a", "id": "b"}', "[" * 100_000, "\xff\xfe"], ids=range(6)
)
def test_a_profile_that_is_no_profile_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"p\.json"):
        load_profile(path)


def test_a_profile_of_endless_length_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.touch()
    os.truncate(path, 10**9)
    with pytest.raises(ModelError, match="larger than 256 KiB"):
        load_profile(path)


def test_template_points_lie_where_the_card_says() -> None:
    points = shipped_profile(Settings().vision.encoder).template_points
    np.testing.assert_allclose(points[2], (56.0252, 71.7366))
