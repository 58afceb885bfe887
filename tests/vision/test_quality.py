"""The quality gate: what it measures, where its limits lie, and what it says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from doorguard.config import QualitySettings
from doorguard.core.model import Image, Observation, Quality, QualityFault
from doorguard.vision.images import load_image
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.quality import distance_m, explain_fault, faults, head_pose, sharpness

GOOD = Quality(
    face_px=120.0, sharpness=200.0, luma=120.0, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0, inside=1.0
)
LIMITS = QualitySettings()


def changed(**values: float) -> Quality:
    return Quality(**{name: values.get(name, getattr(GOOD, name)) for name in Quality.__slots__})


def look(vision: FacePipeline, image: Image) -> Observation:
    return vision.observe(image, vision.detect(image)[0])


@pytest.fixture(scope="module")
def portrait(photos: Path) -> Image:
    return load_image(photos / "obama-2012.jpg")


@pytest.mark.parametrize(
    ("name", "limit", "beyond", "fault"),
    [
        ("face_px", LIMITS.face_px_min, -0.1, QualityFault.TOO_SMALL),
        ("sharpness", LIMITS.sharpness_min, -0.1, QualityFault.BLURRED),
        ("luma", LIMITS.luma_min, -0.1, QualityFault.TOO_DARK),
        ("luma", LIMITS.luma_max, 0.1, QualityFault.TOO_BRIGHT),
        ("yaw_deg", LIMITS.yaw_max_deg, 0.1, QualityFault.TURNED),
        ("yaw_deg", -LIMITS.yaw_max_deg, -0.1, QualityFault.TURNED),
        ("pitch_deg", LIMITS.pitch_max_deg, 0.1, QualityFault.TILTED),
        ("pitch_deg", -LIMITS.pitch_max_deg, -0.1, QualityFault.TILTED),
        ("roll_deg", LIMITS.roll_max_deg, 0.1, QualityFault.ROLLED),
        ("roll_deg", -LIMITS.roll_max_deg, -0.1, QualityFault.ROLLED),
        ("inside", LIMITS.inside_min, -0.01, QualityFault.OUT_OF_FRAME),
    ],
)
def test_faults_at_a_limit_pass_and_beyond_it_do_not(
    name: str, limit: float, beyond: float, fault: QualityFault
) -> None:
    assert faults(changed(**{name: limit}), LIMITS) == ()
    quality = changed(**{name: limit + beyond})
    assert faults(quality, LIMITS) == (fault,)
    text = explain_fault(fault, quality, LIMITS, 66.0, 640)
    assert "\n" not in text
    assert ": " in text


def test_faults_of_a_measurement_that_is_no_number_refuse() -> None:
    for name in Quality.__slots__:
        assert faults(changed(**{name: float("nan")}), LIMITS) != ()


def test_faults_lists_all_of_them() -> None:
    assert faults(changed(face_px=10, luma=250, yaw_deg=80), LIMITS) == (
        QualityFault.TOO_SMALL,
        QualityFault.TOO_BRIGHT,
        QualityFault.TURNED,
    )


def test_explain_too_small_gives_a_distance_before_a_camera_and_none_for_a_photo() -> None:
    small = changed(face_px=41)
    before = explain_fault(QualityFault.TOO_SMALL, small, LIMITS, 66.0, 640)
    assert before == "face 41 px wide, at least 50 wanted: come within about 1.4 m"
    photo = explain_fault(QualityFault.TOO_SMALL, small, LIMITS, None, 0)
    assert photo == "face 41 px wide, at least 50 wanted: use a larger or closer photo"


def test_explain_without_a_mesh_needs_no_measurement() -> None:
    assert "look at the camera" in explain_fault(QualityFault.NO_MESH, None, LIMITS, 66.0, 640)


def test_explain_tilted_says_which_way() -> None:
    texts = [
        explain_fault(QualityFault.TILTED, changed(pitch_deg=angle), LIMITS, None, 0) for angle in (40, -40)
    ]
    assert "40° up" in texts[0]
    assert "40° down" in texts[1]


def test_distance_halves_when_the_face_is_twice_as_wide() -> None:
    assert distance_m(100, 66.0, 640) == pytest.approx(distance_m(200, 66.0, 640) * 2)
    assert 0 < distance_m(0, 180.0, 640) < 1000


def test_a_good_portrait_passes_and_looks_straight_ahead(vision: FacePipeline, portrait: Image) -> None:
    seen = look(vision, portrait)
    assert seen.faults == ()
    assert seen.quality is not None
    assert abs(seen.quality.yaw_deg) < 10
    assert abs(seen.quality.pitch_deg) < 12
    assert abs(seen.quality.roll_deg) < 5
    assert seen.quality.inside == 1.0
    assert seen.quality.face_px == pytest.approx(165, rel=0.15)


@pytest.mark.parametrize("angle", [-30, 30])
def test_roll_is_positive_clockwise(vision: FacePipeline, portrait: Image, angle: float) -> None:
    turn = cv2.getRotationMatrix2D((340, 250), -angle, 1.0)  # OpenCV counts counter-clockwise
    leaning = cv2.warpAffine(portrait, turn, (640, 800), borderMode=cv2.BORDER_REPLICATE)
    quality = look(vision, leaning).quality
    assert quality is not None
    assert quality.roll_deg == pytest.approx(angle, abs=5)


def head(yaw: float, pitch: float) -> np.ndarray:
    """Four points of a head turned by angles in degrees, in the mesh's axes (z away from the camera)."""
    a, b = np.radians((yaw, pitch))
    about_y = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    points = np.zeros((468, 3))
    points[234], points[454], points[10], points[152] = (-50, 0, 0), (50, 0, 0), (0, -70, 0), (0, 70, 0)
    return (points @ (about_y @ about_x).T).astype(np.float32)


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (25, 0), (-40, 0), (0, 20), (0, -20), (30, 15)])
def test_head_pose_of_a_turned_head_is_its_turn(yaw: float, pitch: float) -> None:
    found_yaw, found_pitch, _ = head_pose(head(yaw, pitch))
    straight = head_pose(head(0, 0))
    assert abs(found_yaw - straight[0]) == pytest.approx(abs(yaw), abs=0.01)
    assert abs(found_pitch - straight[1]) == pytest.approx(abs(pitch), abs=0.01)


def test_head_pose_signs_are_nose_right_and_nose_up(vision: FacePipeline, photos: Path) -> None:
    """In the portrait of 2009 he looks to the image's left, in that of 2010 to its right."""
    left, right = (look(vision, load_image(photos / f"obama-{year}.jpg")).quality for year in (2009, 2010))
    assert left is not None
    assert right is not None
    assert left.yaw_deg < -5 < 5 < right.yaw_deg
    points = np.zeros((468, 3), np.float32)
    points[234], points[454], points[10], points[152] = (-50, 0, 0), (50, 0, 0), (0, -60, 30), (0, 60, -30)
    assert head_pose(points)[1] > 20  # the forehead leans away, the chin comes forward: the nose points up


def test_pose_of_a_mirrored_face_turns_the_other_way(vision: FacePipeline, photos: Path) -> None:
    image = load_image(photos / "obama-2010.jpg")
    one, two = look(vision, image).quality, look(vision, np.ascontiguousarray(image[:, ::-1])).quality
    assert one is not None
    assert two is not None
    assert two.yaw_deg == pytest.approx(-one.yaw_deg, abs=6)
    assert two.pitch_deg == pytest.approx(one.pitch_deg, abs=6)


@pytest.mark.parametrize("side", ["horizontal", "vertical", "both"])
def test_sharpness_falls_with_blur_in_any_direction(vision: FacePipeline, portrait: Image, side: str) -> None:
    crop = look(vision, portrait).crop
    assert crop is not None
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    kernels = {"horizontal": np.ones((1, 15)), "vertical": np.ones((15, 1)), "both": np.ones((7, 7))}
    smeared = cv2.filter2D(grey, -1, kernels[side] / kernels[side].sum())
    assert sharpness(smeared) < sharpness(grey) / 8


def test_sharpness_does_not_depend_on_the_light(vision: FacePipeline, portrait: Image) -> None:
    crop = look(vision, portrait).crop
    assert crop is not None
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    assert sharpness((grey * 0.4).astype(np.uint8)) == pytest.approx(sharpness(grey), rel=0.15)


def test_sharpness_of_a_flat_picture_is_zero() -> None:
    assert sharpness(np.full((112, 112), 90, np.uint8)) == 0.0


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda image: (image * 0.12).astype(np.uint8), QualityFault.TOO_DARK),
        (lambda image: np.clip(image * 1.6 + 70, 0, 255).astype(np.uint8), QualityFault.TOO_BRIGHT),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 6), QualityFault.BLURRED),
        (lambda image: cv2.blur(image, (41, 1)), QualityFault.BLURRED),
        (lambda image: cv2.resize(image, None, fx=0.25, fy=0.25), QualityFault.TOO_SMALL),
    ],
    ids=["dark", "bright", "blurred", "smeared", "small"],
)
def test_a_spoilt_portrait_is_refused_for_what_is_wrong_with_it(
    vision: FacePipeline, portrait: Image, spoil: object, fault: QualityFault
) -> None:
    assert callable(spoil)
    seen = look(vision, spoil(portrait))
    assert fault in seen.faults
    assert seen.encoding is None
