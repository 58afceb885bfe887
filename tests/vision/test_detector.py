"""BlazeFace's decoding: anchors, merging, and the way back to frame pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from doorguard.core.model import Image
from doorguard.vision.detector import Detector, anchor_centres, moved, weighted_nms
from doorguard.vision.images import load_image
from doorguard.vision.interpreter import Runtime, open_interpreter
from doorguard.vision.profile import DETECTOR


@pytest.fixture(scope="module")
def detector(runtime: Runtime) -> Detector:
    return Detector(open_interpreter(DETECTOR.read(), runtime, 1), 0.5)


@pytest.fixture(scope="module")
def portrait(photos: Path) -> Image:
    return load_image(photos / "obama-2012.jpg")


def row(left: float, top: float, right: float, bottom: float) -> list[float]:
    return [left, top, right, bottom, *range(12)]


def test_anchor_centres_are_two_then_six_per_cell() -> None:
    anchors = anchor_centres()
    assert anchors.shape == (896, 2)
    assert anchors[0].tolist() == anchors[1].tolist() == [4, 4]
    assert anchors[2].tolist() == [12, 4]
    assert anchors[512].tolist() == anchors[517].tolist() == [8, 8]
    assert anchors[-1].tolist() == [120, 120]


def test_weighted_nms_averages_what_overlaps_and_keeps_the_best_score() -> None:
    rows = np.array([row(0, 0, 10, 10), row(2, 0, 12, 10), row(50, 50, 60, 60)], np.float32)
    faces = weighted_nms(rows, np.array([0.9, 0.6, 0.7], np.float32))
    assert len(faces) == 2
    merged, score = faces[0]
    assert score == pytest.approx(0.9)
    np.testing.assert_allclose(merged[:4], [0.8, 0, 10.8, 10], rtol=1e-5)
    np.testing.assert_allclose(faces[1][0], rows[2], rtol=1e-6)


def test_weighted_nms_of_nothing_is_nothing() -> None:
    assert weighted_nms(np.empty((0, 16), np.float32), np.empty(0, np.float32)) == []


def test_detect_in_any_shape_of_frame_finds_the_face_in_its_place(
    detector: Detector, portrait: Image
) -> None:
    (alone,) = detector.detect(portrait)
    for left, top, right, bottom in ((300, 0, 0, 0), (0, 200, 0, 0), (0, 0, 100, 400)):
        framed = cv2.copyMakeBorder(
            portrait, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(90, 90, 90)
        )
        (found,) = detector.detect(framed)
        assert found.box.iou(moved(alone, left, top).box) > 0.6
        shift = found.keypoints - moved(alone, left, top).keypoints
        assert np.abs(shift).max() < 0.2 * alone.box.width


def test_detect_returns_largest_first(detector: Detector, portrait: Image) -> None:
    small = cv2.resize(portrait, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    both = np.full((800, 1100, 3), 80, np.uint8)
    both[: small.shape[0], : small.shape[1]] = small
    both[:, 500:] = portrait[:, 20:620]
    areas = [face.box.area for face in detector.detect(both)]
    assert len(areas) == 2
    assert areas[0] > areas[1]


def test_detect_keypoints_are_where_their_names_say(detector: Detector, portrait: Image) -> None:
    (face,) = detector.detect(portrait)
    left_eye, right_eye, nose, mouth, left_ear, right_ear = face.keypoints
    assert left_ear[0] < left_eye[0] < nose[0] < right_eye[0] < right_ear[0]
    assert left_eye[1] < nose[1] < mouth[1]
    assert not face.keypoints.flags.writeable


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 2), (3, 700), (128, 128)])
def test_detect_in_a_picture_too_small_or_thin_finds_nothing(
    detector: Detector, size: tuple[int, int]
) -> None:
    for value in (0, 255):
        assert detector.detect(np.full((*size, 3), value, np.uint8)) == []


def test_detect_ignores_what_the_network_answers_with_no_number(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, logits = np.full((1, 896, 16), np.nan, np.float32), np.full((1, 896, 1), 5.0, np.float32)
    logits[0, :100] = np.nan
    monkeypatch.setattr(detector._interpreter, "run", lambda _: (values, logits), raising=False)
    monkeypatch.setattr(detector, "_boxes_first", True)
    assert detector.detect(np.zeros((10, 10, 3), np.uint8)) == []
