"""`camera check` with the real models on real photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Pillow

from doorguard.adapters.camera import FolderSource
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.config import CameraSettings, Settings
from doorguard.core.model import Box, Frame, Image
from doorguard.daemon.camera_check import CameraReport, check_camera, view_width_px
from doorguard.errors import CameraError

if TYPE_CHECKING:
    from doorguard.vision.pipeline import FacePipeline

PORTRAIT = "collins.jpg"


class Fixed:
    """A camera that shows one picture at a steady rate and remembers what it was asked to meter."""

    def __init__(
        self, image: Image, clock: ManualClock, *, rate_hz: float = 15.0, late_s: float = 0.0
    ) -> None:
        self.image, self.clock, self.rate_hz, self.late_s = image, clock, rate_hz, late_s
        self.metered: list[Box | None] = []
        self.is_open = False
        self.count = 0

    def open(self) -> None:
        self.is_open = True

    def read(self) -> Frame | None:
        self.clock.advance(1 / self.rate_hz)
        self.count += 1
        return Frame(self.image, self.clock.monotonic() - self.late_s, self.count)

    def to_rgb(self, native: Image) -> Image:
        return native

    def meter(self, face: Box | None, image: Image) -> None:
        self.metered.append(face)

    def close(self) -> None:
        self.is_open = False


@pytest.fixture(scope="module")
def scene(photos: Path) -> Image:
    """A 640×480 frame with one portrait in its middle."""
    with Pillow.open(photos / PORTRAIT) as picture:
        portrait = picture.convert("RGB")
    portrait.thumbnail((480, 480))
    frame = Pillow.new("RGB", (640, 480), (110, 110, 110))
    frame.paste(portrait, ((640 - portrait.width) // 2, (480 - portrait.height) // 2))
    return np.asarray(frame)


def check(
    image: Image,
    vision: FacePipeline,
    clock: ManualClock,
    camera: dict[str, object] | None = None,
    **how: float,
) -> CameraReport:
    settings = Settings(camera=CameraSettings(**camera or {}))  # type: ignore[arg-type]
    return check_camera(Fixed(image, clock, **how), vision, settings, clock)


def test_check_good_face_reports_it_and_advises_nothing(
    scene: Image, vision: FacePipeline, clock: ManualClock
) -> None:
    report = check(scene, vision, clock)
    assert report.advice == ()
    assert report.faces == 1
    assert report.rate_hz == pytest.approx(15.0)
    assert report.distance_m is not None
    assert 0.2 < report.distance_m < report.reach_m < 3.0
    text = "\n".join(report.lines)
    assert "640 × 480, 15.0 frames a second" in text
    assert "px wide, about" in text
    assert text.endswith("change     nothing")


def test_check_picture_marks_the_face(scene: Image, vision: FacePipeline, clock: ManualClock) -> None:
    report = check(scene, vision, clock)
    marked = report.picture()
    assert marked.shape == scene.shape
    assert not np.array_equal(marked, scene)


def test_check_meters_on_the_largest_face_and_closes(
    scene: Image, vision: FacePipeline, clock: ManualClock
) -> None:
    source = Fixed(scene, clock)
    check_camera(source, vision, Settings(), clock, duration_s=1.0)
    assert not source.is_open
    assert source.metered
    assert all(box is not None and 200 < box.centre[0] < 440 for box in source.metered)


def test_check_face_that_left_is_still_reported(
    scene: Image, vision: FacePipeline, clock: ManualClock
) -> None:
    class Leaving(Fixed):
        def read(self) -> Frame | None:
            self.image = scene if self.count < 5 else np.full_like(scene, 110)
            return super().read()

    source = Leaving(scene, clock)
    report = check_camera(source, vision, Settings(), clock, duration_s=1.0)
    assert report.faces == 1
    assert source.metered[-1] is None


def test_check_empty_scene_asks_for_a_face(vision: FacePipeline, clock: ManualClock) -> None:
    image = np.full((480, 640, 3), 120, np.uint8)
    report = check(image, vision, clock)
    assert report.advice == ("no face seen: stand in front of the camera, look at it, and check again",)
    assert report.face is None
    assert report.picture() is report.image
    assert report.lines[-2:] == ("faces      0", f"change     {report.advice[0]}")


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize(("hung", "set_to"), [(90, 0), (180, 0), (270, 0), (180, 90), (0, 270)])
def test_check_camera_hung_otherwise_names_the_rotation(
    scene: Image, vision: FacePipeline, clock: ManualClock, hung: int, set_to: int, mirror: bool
) -> None:
    """What the adapter would deliver from a camera that needs `hung` degrees but has `set_to`."""
    native = np.rot90(scene[:, ::-1] if mirror else scene, hung // 90)
    delivered = np.rot90(native, -set_to // 90)
    delivered = np.ascontiguousarray(delivered[:, ::-1] if mirror else delivered)
    report = check(delivered, vision, clock, {"rotation_deg": set_to, "mirror": mirror})
    assert f"the camera hangs otherwise than set: set camera.rotation_deg to {hung}" in report.advice


def test_check_small_face_says_how_near_to_come(scene: Image, runtime: str, clock: ManualClock) -> None:
    from doorguard.vision.pipeline import FacePipeline

    settings = Settings.model_validate({"runtime": runtime, "quality": {"face_px_min": 200.0}})
    report = check_camera(Fixed(scene, clock), FacePipeline.open(settings), settings, clock)
    assert any("come within about" in line for line in report.advice)
    assert report.distance_m is not None
    assert report.distance_m > report.reach_m


def test_check_dark_scene_asks_for_light(scene: Image, vision: FacePipeline, clock: ManualClock) -> None:
    report = check((scene // 6).astype(np.uint8), vision, clock)
    assert any("the picture is dark" in line for line in report.advice)


def test_check_glare_asks_for_shade(scene: Image, vision: FacePipeline, clock: ManualClock) -> None:
    glare = scene.copy()
    glare[:, :150] = 255
    glare[:, 500:] = 255
    assert any("burnt out" in line for line in check(glare, vision, clock).advice)


def test_check_slow_and_late_camera_says_so(scene: Image, vision: FacePipeline, clock: ManualClock) -> None:
    report = check(scene, vision, clock, rate_hz=5.0, late_s=0.4)
    assert any(line.startswith("only 5.0 frames a second of 15") for line in report.advice)
    assert any("400 ms late" in line for line in report.advice)


def test_check_single_frame_has_no_rate(
    tmp_path: Path, scene: Image, vision: FacePipeline, clock: ManualClock
) -> None:
    Pillow.fromarray(scene).save(tmp_path / "one.png")
    settings = Settings(camera=CameraSettings(kind="folder", source=str(tmp_path)))
    report = check_camera(FolderSource(settings.camera, clock), vision, settings, clock)
    assert report.rate_hz == 0.0
    assert report.faces == 1


def test_check_no_frame_at_all_raises(vision: FacePipeline, clock: ManualClock) -> None:
    class Empty(Fixed):
        def read(self) -> Frame | None:
            return None

    source = Empty(np.zeros((2, 2, 3), np.uint8), clock)
    with pytest.raises(CameraError, match="single frame"):
        check_camera(source, vision, Settings(), clock)
    assert not source.is_open


@pytest.mark.parametrize(
    ("rotation", "region", "expected"),
    [
        (0, (0, 0, 1, 1), 640),
        (180, (0.5, 0.5, 0.5, 0.5), 1280),
        (90, (0, 0, 1, 1), 480),
        (270, (0, 0, 1, 0.25), 1920),
    ],
)
def test_view_width_counts_rotation_and_region(
    rotation: int, region: tuple[float, float, float, float], expected: int
) -> None:
    camera = CameraSettings(rotation_deg=rotation, region_of_interest=region)  # type: ignore[arg-type]
    assert view_width_px(np.zeros((480, 640, 3), np.uint8), camera) == expected
