"""The Raspberry Pi's camera, on the recording stand-in of picamera2."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from standins import picamera2_standin as standin

from doorguard.adapters.camera import Picamera2Source
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.config import CameraSettings
from doorguard.core.model import Box
from doorguard.errors import CameraError

WIDTH, HEIGHT = 1600, 1200
RED, GREEN, BLUE, GREY = (200, 10, 20), (10, 200, 20), (10, 20, 200), (90, 90, 90)


def quarters() -> np.ndarray:
    """Sensor pixels: red and green above, blue and grey below."""
    scene = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    scene[: HEIGHT // 2, : WIDTH // 2], scene[: HEIGHT // 2, WIDTH // 2 :] = RED, GREEN
    scene[HEIGHT // 2 :, : WIDTH // 2], scene[HEIGHT // 2 :, WIDTH // 2 :] = BLUE, GREY
    return scene


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> standin.Module:
    return standin.install(monkeypatch, standin.Module(clock=clock, scene=quarters()))


def make(module: standin.Module, **settings: object) -> Picamera2Source:
    return Picamera2Source(CameraSettings(kind="picamera2", **settings), module.clock)


def opened(module: standin.Module, **settings: object) -> Picamera2Source:
    source = make(module, **settings)
    source.open()
    return source


def sent(module: standin.Module, name: str) -> list[object]:
    """Every value set for one control, in order."""
    return [value[name] for call, value in module.calls if call == "set_controls" and name in value]


def colours(image: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """The four quarters' centre pixels, rounded to tens: row by row."""
    height, width = image.shape[:2]
    points = [(height // 4 * y, width // 4 * x) for y in (1, 3) for x in (1, 3)]
    return tuple(tuple(int(value) for value in image[point]) for point in points)


@pytest.mark.parametrize("name", sorted(standin.SIGNATURES))
def test_standin_has_the_real_signature(name: str) -> None:
    assert standin.signature_of(name) == standin.SIGNATURES[name]


def test_read_bgr_array_gives_rgb_frame(module: standin.Module, clock: ManualClock) -> None:
    source = opened(module)
    frame = source.read()
    assert frame is not None
    assert frame.image.shape == (480, 640, 3)
    assert colours(frame.image) == (RED, GREEN, BLUE, GREY)
    assert frame.captured_s == pytest.approx(clock.monotonic())
    assert module.lent == 0


def test_open_asks_for_size_format_and_rate(module: standin.Module) -> None:
    opened(module, width=800, height=600, rate_hz=10.0)
    (configuration,) = [value for call, value in module.calls if call == "configure"]
    assert configuration["main"]["size"] == (800, 600)
    assert configuration["main"]["format"] == "RGB888"
    assert module.in_force["FrameDurationLimits"] == (100_000, 100_000)


@pytest.mark.parametrize(
    ("rotation", "mirror", "expected"),
    [
        (0, True, (GREEN, RED, GREY, BLUE)),
        (90, False, (BLUE, RED, GREY, GREEN)),
        (180, False, (GREY, BLUE, GREEN, RED)),
        (270, False, (GREEN, GREY, RED, BLUE)),
        (90, True, (RED, BLUE, GREEN, GREY)),
    ],
)
def test_read_turned_camera_gives_upright_frame(
    module: standin.Module, rotation: int, mirror: bool, expected: tuple[object, ...]
) -> None:
    frame = opened(module, rotation_deg=rotation, mirror=mirror).read()
    assert frame is not None
    assert frame.image.shape[:2] == ((640, 480) if rotation in {90, 270} else (480, 640))
    assert colours(frame.image) == expected


@pytest.mark.parametrize("pisp", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_region_of_interest_upright_corner_shows_that_corner(
    module: standin.Module, pisp: bool, rotation: int, mirror: bool
) -> None:
    """The lower right quarter of the upright picture fills the frame, whichever way the camera hangs."""
    module.pisp = pisp
    whole = opened(module, rotation_deg=rotation, mirror=mirror)
    frame = whole.read()
    assert frame is not None
    wanted = colours(frame.image)[3]
    whole.close()
    region = (0.5, 0.5, 0.5, 0.5)
    part = opened(module, rotation_deg=rotation, mirror=mirror, region_of_interest=region).read()
    assert part is not None
    assert set(colours(part.image)) == {wanted}


def test_region_of_interest_narrow_keeps_proportions(module: standin.Module) -> None:
    """A quarter as wide and just as high: the picture is as high as allowed and not stretched."""
    frame = opened(module, region_of_interest=(0.25, 0.0, 0.25, 1.0)).read()
    assert frame is not None
    assert frame.image.shape[:2] == (480, 160)
    assert module.view == (400, 0, 400, 1200)


def test_region_of_interest_on_wide_sensor_counts_inside_the_delivered_view(
    module: standin.Module,
) -> None:
    """A 4:3 picture of a 16:9 sensor shows its middle; the fractions count inside that."""
    module.scene = np.zeros((900, 1600, 3), np.uint8)
    opened(module, region_of_interest=(0.0, 0.0, 0.5, 0.5))
    assert module.view == (200, 0, 600, 450)


def test_region_of_interest_uncroppable_camera_is_refused(
    module: standin.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standin.Module, "offered", property(lambda _: {"FrameDurationLimits": (1, 2, 3)}))
    with pytest.raises(CameraError, match="cannot crop") as caught:
        opened(module, region_of_interest=(0.0, 0.0, 0.5, 0.5))
    assert caught.value.fatal
    assert not module.claimed


@pytest.mark.parametrize(
    ("autofocus", "expected"),
    [
        ("continuous", {"AfMode": 2}),
        ("auto", {"AfMode": 1, "AfTrigger": 0}),
        ("fixed", {"AfMode": 0, "LensPosition": 2.0}),
    ],
)
def test_autofocus_setting_becomes_controls(
    module: standin.Module, autofocus: str, expected: dict[str, object]
) -> None:
    opened(module, autofocus=autofocus, focus_distance_m=0.5)
    assert {name: module.in_force[name] for name in expected} == expected


def test_autofocus_fixed_lens_sets_nothing(module: standin.Module) -> None:
    module.autofocus = False
    source = opened(module)
    source.read()
    source.meter(Box(100, 100, 200, 200), np.zeros((480, 640, 3), np.uint8))
    source.read()
    assert not [name for name in module.in_force if name.startswith("Af")]


def test_open_unavailable_rate_control_is_left_alone(
    module: standin.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standin.Module, "offered", property(lambda _: {}))
    opened(module)
    assert module.in_force == {}


def meter_rounds(
    source: Picamera2Source, clock: ManualClock, face: Box | None, *, rounds: int = 60
) -> list[float]:
    """Read and meter as the daemon does, at 15 Hz; return the face's luma in each frame."""
    lumas = []
    for _ in range(rounds):
        frame = source.read()
        assert frame is not None
        box = face or Box(200, 150, 200, 200)
        part = frame.image[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)]
        lumas.append(float(part.mean()))
        source.meter(face, frame.image)
        clock.advance(1 / 15)
    return lumas


def test_meter_dark_face_brightens_it_within_limits(module: standin.Module, clock: ManualClock) -> None:
    module.scene = np.full((HEIGHT, WIDTH, 3), 55, np.uint8)
    source = opened(module)
    lumas = meter_rounds(source, clock, Box(200, 150, 200, 200))
    assert lumas[0] == pytest.approx(55, abs=1)
    assert 100 <= lumas[-1] <= 140
    steps = np.diff([0.0, *sent(module, "ExposureValue")])
    assert len(steps) > 1
    assert np.abs(steps).max() <= 0.5 + 1e-9


def test_meter_bright_face_darkens_it(module: standin.Module, clock: ManualClock) -> None:
    module.scene = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    lumas = meter_rounds(opened(module), clock, Box(200, 150, 200, 200))
    assert 100 <= lumas[-1] <= 140


def test_meter_face_gone_returns_to_the_scene(module: standin.Module, clock: ManualClock) -> None:
    module.scene = np.full((HEIGHT, WIDTH, 3), 55, np.uint8)
    source = opened(module)
    meter_rounds(source, clock, Box(200, 150, 200, 200))
    lumas = meter_rounds(source, clock, None, rounds=120)
    assert lumas[-1] == pytest.approx(55, abs=1)
    assert sent(module, "ExposureValue")[-1] == 0.0


def test_meter_switched_off_sets_nothing(module: standin.Module, clock: ManualClock) -> None:
    module.scene = np.full((HEIGHT, WIDTH, 3), 55, np.uint8)
    before = len(module.calls)
    source = opened(module, meter_on_face=False)
    opening = len(module.calls)
    meter_rounds(source, clock, Box(200, 150, 200, 200))
    assert len(module.calls) == opening > before


def test_meter_camera_without_exposure_value_only_focuses(
    module: standin.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = dict(module.offered)
    del offered["ExposureValue"]
    monkeypatch.setattr(standin.Module, "offered", property(lambda _: offered))
    source = opened(module)
    frame = source.read()
    assert frame is not None
    source.meter(Box(0, 0, 320, 240), frame.image)
    source.read()
    assert sent(module, "AfWindows") == [[(0, 0, 800, 600)]]
    assert not sent(module, "ExposureValue")


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_meter_face_focuses_on_its_place_on_the_sensor(
    module: standin.Module, rotation: int, mirror: bool
) -> None:
    """The grey quarter is wherever the camera's hanging puts it; the window finds it on the sensor."""
    source = opened(module, rotation_deg=rotation, mirror=mirror)
    frame = source.read()
    assert frame is not None
    quarter = colours(frame.image).index(GREY)
    height, width = frame.image.shape[:2]
    face = Box((quarter % 2) * width / 2, (quarter // 2) * height / 2, width / 2, height / 2)
    source.meter(face, frame.image)
    source.read()
    assert sent(module, "AfWindows") == [[(800, 600, 800, 600)]]
    assert module.in_force["AfMetering"] == standin.AfMeteringEnum.Windows


def test_meter_face_that_hardly_moves_keeps_the_window(module: standin.Module) -> None:
    source = opened(module, autofocus="auto")
    frame = source.read()
    assert frame is not None
    for shift in (0.0, 5.0, 10.0, 300.0):
        source.meter(Box(100 + shift, 100, 200, 200), frame.image)
        source.read()
    assert len(sent(module, "AfWindows")) == 2
    assert len(sent(module, "AfTrigger")) == 3  # at the start and with each window


def test_meter_fixed_focus_moves_no_window(module: standin.Module) -> None:
    source = opened(module, autofocus="fixed")
    frame = source.read()
    assert frame is not None
    source.meter(Box(100, 100, 200, 200), frame.image)
    source.read()
    assert not sent(module, "AfWindows")


@pytest.mark.parametrize("face", [Box(-500, -500, 100, 100), Box(10, 10, 0, 50), Box(900, 700, 10, 10)])
def test_meter_face_outside_the_frame_is_no_face(module: standin.Module, face: Box) -> None:
    source = opened(module)
    frame = source.read()
    assert frame is not None
    source.meter(face, frame.image)
    source.read()
    assert not sent(module, "AfWindows")
    assert not sent(module, "ExposureValue")


def test_read_no_frame_in_time_raises_and_closes(module: standin.Module) -> None:
    """The capture that never came stays queued in picamera2; closing must not wait behind it."""
    source = opened(module)
    module.delivering = False
    with pytest.raises(CameraError, match="no frame from the camera within 3 s") as caught:
        source.read()
    assert not caught.value.fatal
    assert not module.claimed
    assert module.waited_s == [3.0]


def test_read_no_later_frame_waits_about_a_second(module: standin.Module) -> None:
    source = opened(module)
    source.read()
    module.delivering = False
    with pytest.raises(CameraError, match="within 1 s"):
        source.read()
    assert module.waited_s == [1.0]


def test_read_slow_rate_waits_for_three_frames(module: standin.Module) -> None:
    source = opened(module, rate_hz=1.0)
    source.read()
    module.attached = False
    with pytest.raises(CameraError, match="within 3 s"):
        source.read()


def test_open_after_the_camera_came_back_goes_on(module: standin.Module) -> None:
    source = opened(module)
    first = source.read()
    module.attached = False
    with pytest.raises(CameraError):
        source.read()
    with pytest.raises(CameraError, match="No camera number 0"):
        source.open()
    module.attached = True
    source.open()
    second = source.read()
    assert first is not None
    assert second is not None
    assert second.sequence == first.sequence + 1


def test_read_many_frames_returns_every_buffer(module: standin.Module) -> None:
    source = opened(module)
    sequences = [frame.sequence for _ in range(50) if (frame := source.read()) is not None]
    assert sequences == list(range(50))
    assert module.lent == 0


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((480, 640), np.uint8),
        np.zeros((480, 640, 4), np.uint8),
        np.zeros((480, 640, 3), np.float32),
        np.zeros((0, 640, 3), np.uint8),
        [[1, 2, 3]],
    ],
    ids=["grey", "four-channels", "float", "empty", "list"],
)
def test_read_wrong_array_raises_and_gives_the_buffer_back(module: standin.Module, array: object) -> None:
    source = opened(module)
    module.array = array
    with pytest.raises(CameraError, match="delivered"):
        source.read()
    assert module.lent == 0
    assert not module.claimed


def test_read_stamp_in_the_past_is_the_frames_time(module: standin.Module, clock: ManualClock) -> None:
    module.stamp_offset_s = -0.12
    frame = opened(module).read()
    assert frame is not None
    assert frame.captured_s == pytest.approx(clock.monotonic() - 0.12, abs=1e-6)


@pytest.mark.parametrize("offset_s", [-3600.0, 6.0])
def test_read_stamp_of_another_clock_raises(module: standin.Module, offset_s: float) -> None:
    module.stamp_offset_s = offset_s
    with pytest.raises(CameraError, match="clock"):
        opened(module).read()


def test_read_no_stamp_takes_the_time_of_reading(module: standin.Module, clock: ManualClock) -> None:
    module.stamped = False
    frame = opened(module).read()
    assert frame is not None
    assert frame.captured_s == clock.monotonic()


@pytest.mark.parametrize(
    "error", [RuntimeError("dma heap"), IndexError("list index out of range"), OSError()]
)
def test_open_library_fails_raises_camera_error_and_gives_back(
    module: standin.Module, error: Exception
) -> None:
    module.startup_error = error
    with pytest.raises(CameraError, match="failed while opening the camera"):
        opened(module)
    assert not module.claimed
    module.startup_error = None
    opened(module)


def test_open_camera_in_use_raises(module: standin.Module) -> None:
    opened(module)
    with pytest.raises(CameraError, match="did not complete"):
        opened(module)


def test_open_twice_raises(module: standin.Module) -> None:
    source = opened(module)
    with pytest.raises(CameraError, match="open already"):
        source.open()
    assert source.read() is not None


@pytest.mark.parametrize("number", ["/dev/video0", "-1", "first", "²"])
def test_open_source_no_number_is_fatal(module: standin.Module, number: str) -> None:
    with pytest.raises(CameraError, match="wants the camera's number") as caught:
        opened(module, source=number)
    assert caught.value.fatal


def test_open_without_picamera2_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    monkeypatch.setitem(sys.modules, "libcamera", None)
    with pytest.raises(CameraError, match="apt install python3-picamera2") as caught:
        Picamera2Source(CameraSettings(kind="picamera2"), clock).open()
    assert caught.value.fatal


def test_open_old_picamera2_says_upgrade(module: standin.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(standin.Picamera2, "cancel_all_and_flush")
    with pytest.raises(CameraError, match="older than") as caught:
        opened(module)
    assert caught.value.fatal
    assert not module.claimed


def test_close_library_fails_is_logged_and_swallowed(
    module: standin.Module, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("release failed\nbadly")

    source = opened(module)
    monkeypatch.setattr(standin.Picamera2, "close", fail)
    source.close()
    source.close()
    assert "release failed badly" in caplog.text


def test_to_rgb_before_open_needs_no_library(clock: ManualClock) -> None:
    """The golden self-test runs before the camera is opened."""
    native = np.zeros((4, 6, 3), np.uint8)
    native[:, :, 0] = 255
    source = Picamera2Source(CameraSettings(kind="picamera2", rotation_deg=90), clock)
    image = source.to_rgb(native)
    assert image.shape == (6, 4, 3)
    assert image[0, 0].tolist() == [0, 0, 255]
    assert image.flags.c_contiguous
