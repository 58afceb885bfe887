"""The golden self-test: it passes on the real path, and on nothing that differs from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from doorguard.core.model import Box, Frame, Image
from doorguard.errors import ModelError
from doorguard.vision import selftest
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.selftest import (
    DISTANCE_MAX,
    golden_answer,
    golden_frame,
    golden_native,
    see_golden,
    self_test,
)

KINDS = ("picamera2", "opencv", "folder", "simulated")
TURNS = [(turns, flip) for turns in range(4) for flip in (False, True)]


class Converter:
    """A camera that has nothing but its conversion."""

    def __init__(self, to_rgb: Callable[[Image], Image]) -> None:
        self.to_rgb = to_rgb

    def open(self) -> None: ...

    def read(self) -> Frame | None: ...

    def meter(self, face: Box | None, image: Image) -> None: ...

    def close(self) -> None: ...


def swap(native: Image) -> Image:
    return np.ascontiguousarray(native[..., ::-1])


def right(kind: str) -> Callable[[Image], Image]:
    return swap if kind in ("picamera2", "opencv") else np.ascontiguousarray


@pytest.mark.parametrize("kind", KINDS)
def test_self_test_of_the_right_conversion_passes(vision: FacePipeline, kind: str) -> None:
    assert self_test(vision, Converter(right(kind)), kind) <= DISTANCE_MAX


@pytest.mark.parametrize(("turns", "flip"), TURNS)
def test_self_test_of_a_turned_and_mirrored_camera_passes(
    vision: FacePipeline, turns: int, flip: bool
) -> None:
    def to_rgb(native: Image) -> Image:
        turned = np.rot90(native[..., ::-1], turns)
        return np.ascontiguousarray(turned[:, ::-1] if flip else turned)

    assert self_test(vision, Converter(to_rgb), "picamera2") <= DISTANCE_MAX


@pytest.mark.parametrize("kind", KINDS)
def test_self_test_of_swapped_channels_fails(vision: FacePipeline, kind: str) -> None:
    def wrong(native: Image) -> Image:
        return swap(right(kind)(native))

    with pytest.raises(ModelError, match=r"D 0\.\d+ from its stored encoding"):
        self_test(vision, Converter(wrong), kind)


WRONG: dict[str, Callable[[Image], Image]] = {
    "half the brightness": lambda native: native // 2,
    "scaled to 0..1": lambda native: (native / 255).astype(np.uint8),
    "smaller": lambda native: cv2.resize(native, (230, 230)),
    "smaller, padded": lambda native: cv2.copyMakeBorder(
        cv2.resize(native, (230, 230)), 13, 13, 13, 13, cv2.BORDER_REPLICATE
    ),
    "squeezed": lambda native: cv2.copyMakeBorder(
        cv2.resize(native, (256, 220)), 18, 18, 0, 0, cv2.BORDER_REPLICATE
    ),
    "5 px to the right": lambda native: np.roll(native, 5, axis=1),
    "5 px down": lambda native: np.roll(native, 5, axis=0),
    "blue missing": lambda native: native * np.array([1, 1, 0], np.uint8),
    "chroma swapped": lambda native: cv2.cvtColor(
        np.ascontiguousarray(cv2.cvtColor(native, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]),
        cv2.COLOR_YCrCb2RGB,
    ),
    "black": np.zeros_like,
    "another type": lambda native: native.astype(np.float32),
}


@pytest.mark.parametrize("conversion", WRONG.values(), ids=WRONG.keys())
def test_self_test_of_a_wrong_conversion_fails(
    vision: FacePipeline, conversion: Callable[[Image], Image]
) -> None:
    with pytest.raises(ModelError, match="self-test failed"):
        self_test(vision, Converter(conversion), "folder")


@pytest.mark.parametrize(("x", "y"), [(5, 0), (-5, 0), (0, 5), (0, -5)])
def test_an_alignment_shifted_by_5_px_exceeds_the_limit(
    vision: FacePipeline, monkeypatch: pytest.MonkeyPatch, x: int, y: int
) -> None:
    shifted = replace(vision.profile, template_points=vision.profile.template_points + np.array((x, y)))
    monkeypatch.setattr(vision, "profile", shifted)
    with pytest.raises(ModelError, match="from its stored encoding"):
        self_test(vision, Converter(swap), "picamera2")


@pytest.mark.parametrize(
    "scale", [lambda crop: crop // 2, lambda crop: (crop / 255).astype(np.uint8), lambda crop: crop ^ 128]
)
def test_a_crop_scaled_in_another_way_exceeds_the_limit(
    vision: FacePipeline, scale: Callable[[Image], Image]
) -> None:
    frame = golden_frame()
    seen = vision.observe(frame, vision.detect(frame)[0])
    assert seen.crop is not None
    difference = vision.encode_crop(scale(seen.crop)) - golden_answer(vision.profile).encoding
    assert float((difference**2).sum()) > DISTANCE_MAX


def test_another_models_answer_exceeds_the_limit(
    vision: FacePipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another model under the same name: its encodings are another space's."""
    answer = golden_answer(vision.profile)
    stored = {
        "points": answer.points.tolist(),
        "encoding": np.roll(answer.encoding, 1).tolist(),
    }
    (tmp_path / "golden.json").write_text(json.dumps({vision.model_id: stored}), encoding="utf-8")
    monkeypatch.setattr(vision, "profile", replace(vision.profile, path=tmp_path / "other.tflite"))
    with pytest.raises(ModelError, match="from its stored encoding"):
        self_test(vision, Converter(swap), "opencv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read"),
        ("{}", "holds no answer"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"ID": {"points": [], "encoding": []}}', "damaged"),
    ],
)
def test_golden_answer_that_is_missing_or_damaged_raises(
    vision: FacePipeline,
    tmp_path: Path,
    text: str | None,
    message: str,
) -> None:
    profile = replace(vision.profile, path=tmp_path / "other.tflite")
    if text is not None:
        (tmp_path / "golden.json").write_text(text.replace("ID", vision.model_id), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        golden_answer(profile)


def test_golden_frame_that_is_missing_raises(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(selftest, "MODELS", tmp_path)
    with pytest.raises(ModelError, match="reinstall"):
        golden_frame()


def test_golden_native_of_bgr_cameras_is_swapped() -> None:
    frame = golden_frame()
    np.testing.assert_array_equal(golden_native("picamera2")[..., ::-1], frame)
    np.testing.assert_array_equal(golden_native("opencv")[..., ::-1], frame)
    np.testing.assert_array_equal(golden_native("folder"), frame)


def test_stored_answer_is_the_shipped_encoders(vision: FacePipeline) -> None:
    points, encoding = see_golden(vision, golden_frame())
    answer = golden_answer(vision.profile)
    np.testing.assert_allclose(points, answer.points, atol=0.5)
    assert float(((encoding - answer.encoding) ** 2).sum()) < DISTANCE_MAX / 2
    assert float(np.linalg.norm(answer.encoding)) == pytest.approx(1, abs=1e-4)
