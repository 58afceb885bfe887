"""The real models on real faces, and on everything that is none."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from doorguard.config import Settings
from doorguard.core.model import Box, Detection, Image, Observation, QualityFault
from doorguard.errors import ModelError
from doorguard.ports import Vision
from doorguard.vision.images import load_image
from doorguard.vision.landmarks import crop_matrix, disagreement
from doorguard.vision.pipeline import FacePipeline

OBAMA = ("obama-2009", "obama-2010", "obama-2012")
OTHERS = ("biden-2010", "collins")
STAGES = {"detect", "landmarks", "align", "quality", "encode"}


@pytest.fixture(scope="module")
def portraits(photos: Path) -> dict[str, Image]:
    return {name: load_image(photos / f"{name}.jpg") for name in OBAMA + OTHERS}


@pytest.fixture(scope="module")
def encodings(vision: FacePipeline, portraits: dict[str, Image]) -> dict[str, np.ndarray]:
    found = {}
    for name, image in portraits.items():
        encoding = look(vision, image).encoding
        assert encoding is not None
        found[name] = encoding
    return found


def look(vision: FacePipeline, image: Image) -> Observation:
    return vision.observe(image, vision.detect(image)[0])


def distance_sq(one: np.ndarray, two: np.ndarray) -> float:
    return float(((one.astype(np.float64) - two) ** 2).sum())


def blank(keypoints: np.ndarray | None = None, box: Box | None = None) -> Detection:
    points = np.zeros((6, 2), np.float32) if keypoints is None else keypoints
    return Detection(box or Box(100.0, 100.0, 80.0, 80.0), 0.9, points)


# What the model card promises


def test_the_same_person_is_near_and_others_are_far(encodings: dict[str, np.ndarray]) -> None:
    same = [distance_sq(encodings[a], encodings[b]) for a in OBAMA for b in OBAMA if a < b]
    different = [distance_sq(encodings[a], encodings[b]) for a in OBAMA for b in OTHERS]
    different.append(distance_sq(encodings["biden-2010"], encodings["collins"]))
    assert max(same) < 0.8
    assert min(different) > 1.55


def test_an_observation_of_a_good_face_is_complete(vision: FacePipeline, portraits: dict[str, Image]) -> None:
    seen = look(vision, portraits["obama-2012"])
    assert seen.faults == ()
    assert seen.encoding is not None
    assert seen.mesh is not None
    assert seen.crop is not None
    assert seen.encoding.shape == (128,)
    assert seen.encoding.dtype == np.float32
    assert float(np.linalg.norm(seen.encoding)) == pytest.approx(1.0, abs=1e-5)
    assert not seen.encoding.flags.writeable
    assert seen.crop.shape == (112, 112, 3)
    assert seen.mesh.points.shape == (468, 3)
    assert set(seen.stage_ms) == STAGES
    assert all(0 <= milliseconds < 10_000 for milliseconds in seen.stage_ms.values())
    assert vision.explain(seen) == ()


def test_the_crop_of_an_observation_encodes_to_its_encoding(
    vision: FacePipeline, portraits: dict[str, Image]
) -> None:
    seen = look(vision, portraits["collins"])
    assert seen.crop is not None
    assert seen.encoding is not None
    assert distance_sq(vision.encode_crop(seen.crop), seen.encoding) == 0.0


def test_the_pipeline_is_a_vision_and_names_its_models(vision: FacePipeline, runtime: str) -> None:
    port: Vision = vision
    assert port.model_id == vision.profile.model_id
    assert vision.runtime_name == ("litert" if runtime == "auto" else runtime)


def test_open_with_an_unknown_encoder_raises(runtime: str) -> None:
    settings = Settings.model_validate({"runtime": runtime, "vision": {"encoder": "other"}})
    with pytest.raises(ModelError, match=r"vision\.encoder"):
        FacePipeline.open(settings)


@pytest.mark.parametrize(
    "crop", [np.zeros((111, 112, 3), np.uint8), np.zeros((112, 112, 3), np.float32), np.zeros(5, np.uint8)]
)
def test_encode_crop_of_another_shape_raises(vision: FacePipeline, crop: np.ndarray) -> None:
    with pytest.raises(ModelError, match="encoder wants"):
        vision.encode_crop(crop)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_encode_crop_with_an_answer_without_direction_raises(
    vision: FacePipeline, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    answer = (np.full((1, 128), value, np.float32),)
    monkeypatch.setattr(vision._encoder._interpreter, "run", lambda _: answer)
    with pytest.raises(ModelError, match="no direction"):
        vision.encode_crop(np.zeros((112, 112, 3), np.uint8))


# Faces where they are hard to see


@pytest.mark.parametrize("cut", [0.0, 0.1, 0.25, 0.4, 0.6])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_face_that_sticks_out_of_the_frame_is_refused_or_encoded(
    vision: FacePipeline, portraits: dict[str, Image], cut: float, turns: int
) -> None:
    """The frame's edge runs through the face, on each side in turn."""
    image = portraits["obama-2012"]
    box = look(vision, image).detection.box
    turned = np.rot90(image, turns)
    height, width = image.shape[:2]
    edges = (box.y, width - box.x - box.width, height - box.y - box.height, box.x)
    frame = np.rot90(turned[int(edges[turns] + cut * box.height) :], -turns)
    frame = np.ascontiguousarray(frame)
    for detection in vision.detect(frame):
        seen = vision.observe(frame, detection)
        assert (seen.encoding is None) == bool(seen.faults)
        assert seen.crop is None or seen.crop.any()
        if cut >= 0.4:
            assert seen.faults


@pytest.mark.parametrize(
    "box",
    [
        Box(-79.0, -79.0, 80.0, 80.0),
        Box(639.0, 479.0, 80.0, 80.0),
        Box(5000.0, 5000.0, 80.0, 80.0),
        Box(-300.0, -300.0, 2000.0, 2000.0),
        Box(10.0, 10.0, 0.0, 0.0),
        Box(10.0, 10.0, -50.0, -50.0),
        Box(10.0, 10.0, 0.01, 0.01),
        Box(0.0, 0.0, 1e9, 1e9),
        Box(math.nan, 0.0, 80.0, 80.0),
        Box(0.0, math.inf, 80.0, 80.0),
        Box(0.0, 0.0, math.nan, math.nan),
    ],
)
def test_observe_of_any_box_neither_raises_nor_encodes(vision: FacePipeline, box: Box) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    seen = vision.observe(frame, blank(box=box))
    assert seen.faults == (QualityFault.NO_MESH,)
    assert seen.encoding is None
    assert seen.crop is None
    assert set(seen.stage_ms) == STAGES - {"quality", "encode"}
    assert vision.explain(seen)


def test_observe_with_keypoints_that_are_no_numbers_does_not_encode(vision: FacePipeline) -> None:
    frame = np.zeros((480, 640, 3), np.uint8)
    seen = vision.observe(frame, blank(keypoints=np.full((6, 2), np.nan, np.float32)))
    assert seen.faults == (QualityFault.NO_MESH,)


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (9000, 1), (2, 3)])
def test_observe_in_a_tiny_or_thin_picture_does_not_raise(
    vision: FacePipeline, size: tuple[int, int]
) -> None:
    frame = np.full((*size, 3), 120, np.uint8)
    assert vision.detect(frame) == []
    for box in (Box(0.0, 0.0, 1.0, 1.0), Box(-50.0, -50.0, 100.0, 100.0)):
        assert vision.observe(frame, blank(box=box)).encoding is None


@pytest.mark.parametrize("angle", [90, -90, 135, 180])
def test_a_face_that_lies_or_stands_on_its_head_is_not_encoded(
    vision: FacePipeline, portraits: dict[str, Image], angle: float
) -> None:
    """Upside-down faces resemble each other: an enrolment of one would let in strangers on their heads."""
    for image in portraits.values():
        height, width = image.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
        frame = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        for detection in vision.detect(frame):
            assert vision.observe(frame, detection).encoding is None


@pytest.mark.parametrize("angle", [-35, 20, 35])
def test_a_leaning_head_is_encoded_like_an_upright_one(
    vision: FacePipeline, portraits: dict[str, Image], encodings: dict[str, np.ndarray], angle: float
) -> None:
    turn = cv2.getRotationMatrix2D((340, 250), angle, 1.0)
    frame = cv2.warpAffine(portraits["obama-2012"], turn, (640, 800), borderMode=cv2.BORDER_REPLICATE)
    encoding = look(vision, frame).encoding
    assert encoding is not None
    assert distance_sq(encoding, encodings["obama-2012"]) < 0.25


def test_a_small_face_in_a_frame_is_seen_twice_and_encoded_well(
    vision: FacePipeline, portraits: dict[str, Image], encodings: dict[str, np.ndarray]
) -> None:
    """At 75 px in a frame of 640 the first look places the eyes by guess."""
    small = cv2.resize(portraits["obama-2012"], None, fx=0.45, fy=0.45, interpolation=cv2.INTER_AREA)
    for x, y in ((0, 0), (130, 61), (340, 115)):
        frame = np.full((480, 640, 3), 110, np.uint8)
        frame[y : y + small.shape[0], x : x + small.shape[1]] = small
        seen = look(vision, frame)
        assert seen.encoding is not None
        assert distance_sq(seen.encoding, encodings["obama-2012"]) < 0.2


def test_observe_of_a_small_box_where_no_face_is_finds_none(vision: FacePipeline) -> None:
    frame = np.full((480, 640, 3), 110, np.uint8)
    assert vision.observe(frame, blank(box=Box(300.0, 200.0, 40.0, 40.0))).faults == (QualityFault.NO_MESH,)


def test_a_cat_is_nobody(vision: FacePipeline, root: Path) -> None:
    cat = load_image(root / "tests" / "data" / "cat.jpg")
    assert all(QualityFault.NO_MESH in vision.observe(cat, one).faults for one in vision.detect(cat))


def test_a_mesh_that_collapses_is_not_aligned(
    vision: FacePipeline, portraits: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = look(vision, portraits["collins"])
    assert seen.mesh is not None
    points = np.zeros_like(seen.mesh.points)
    points[454, 0] = 1e6  # wide enough for the two networks to agree, and all five points in one place
    mesh = replace(seen.mesh, points=points)
    monkeypatch.setattr(vision._landmarks, "locate", lambda *_: mesh)
    assert vision.observe(portraits["collins"], seen.detection).faults == (QualityFault.NO_MESH,)


@pytest.mark.parametrize("wrong", [0, 1])
def test_an_answer_of_the_mesh_that_is_no_number_is_no_mesh(
    vision: FacePipeline, portraits: dict[str, Image], monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    outputs = [np.zeros((1, 1, 1, 1404), np.float32), np.full((1, 1, 1, 1), 20.0, np.float32)]
    outputs[wrong] *= np.nan
    ordered = outputs if vision._landmarks._points_first else outputs[::-1]
    monkeypatch.setattr(vision._landmarks._interpreter, "run", lambda _: tuple(ordered))
    image = portraits["collins"]
    assert vision.observe(image, vision.detect(image)[0]).faults == (QualityFault.NO_MESH,)


# Geometry


def test_crop_matrix_levels_the_eyes_around_the_box() -> None:
    keypoints = np.zeros((6, 2), np.float32)
    keypoints[:2] = (120, 120), (160, 140)
    matrix = crop_matrix(blank(keypoints, Box(100.0, 100.0, 80.0, 60.0)))
    assert matrix is not None
    np.testing.assert_allclose(matrix @ (140, 130, 1), (96, 96), atol=1e-9)
    left, right = (matrix @ (*point, 1) for point in keypoints[:2])
    assert left[1] == pytest.approx(right[1])
    assert right[0] - left[0] == pytest.approx(math.hypot(40, 20) * 192 / 120)


def test_disagreement_is_small_on_a_face_and_counts_in_face_widths(
    vision: FacePipeline, portraits: dict[str, Image]
) -> None:
    seen = look(vision, portraits["obama-2012"])
    assert seen.mesh is not None
    assert seen.quality is not None
    assert disagreement(seen.mesh, seen.detection) < 0.1
    shift = np.array((seen.quality.face_px, 0), np.float32)
    moved = replace(seen.detection, keypoints=seen.detection.keypoints + shift)
    assert disagreement(seen.mesh, moved) == pytest.approx(1.0, abs=0.1)
