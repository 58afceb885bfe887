"""The simulated camera as a source of frames: pace, end, loop, plug."""

from __future__ import annotations

import numpy as np
import pytest

from doorguard.adapters.simulated.camera import SimulatedCamera, make_simulated_camera
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.visits import Script
from doorguard.config import CameraSettings
from doorguard.errors import CameraError

SMALL = CameraSettings(width=160, height=120, rate_hz=10.0)
EMPTY = Script((), pause_s=1.0)


@pytest.fixture
def camera(clock: ManualClock) -> SimulatedCamera:
    return SimulatedCamera(EMPTY, clock, SMALL)


def test_read_on_a_manual_clock_waits_for_each_moment_of_exposure(
    camera: SimulatedCamera, clock: ManualClock
) -> None:
    began = clock.monotonic()
    camera.open()
    frames = [camera.read() for _ in range(4)]

    assert [frame.sequence for frame in frames if frame] == [1, 2, 3, 4]
    assert [frame.captured_s - began for frame in frames if frame] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert clock.monotonic() - began == pytest.approx(0.3)


def test_read_by_a_slow_reader_drops_what_nobody_fetched(camera: SimulatedCamera, clock: ManualClock) -> None:
    camera.open()
    camera.read()
    clock.advance(0.57)

    late = camera.read()

    assert late is not None
    assert late.sequence == 2
    assert late.captured_s == clock.monotonic()


def test_read_at_the_end_of_the_script_returns_none(camera: SimulatedCamera) -> None:
    camera.open()

    frames = [camera.read() for _ in range(12)]

    assert [frame is None for frame in frames] == [False] * 10 + [True] * 2


def test_read_in_a_loop_starts_the_script_again(clock: ManualClock) -> None:
    camera = SimulatedCamera(EMPTY, clock, SMALL, loop=True)
    camera.open()

    assert all(camera.read() is not None for _ in range(25))


def test_frames_of_one_seed_are_the_same_and_of_another_are_not(clock: ManualClock) -> None:
    pictures = []
    for seed in (1, 1, 2):
        camera = SimulatedCamera(EMPTY, clock, SMALL, seed=seed)
        camera.open()
        frame = camera.read()
        assert frame is not None
        pictures.append(frame.image)

    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_frames_of_a_still_scene_differ_by_noise_alone(camera: SimulatedCamera) -> None:
    camera.open()
    first, second = camera.read(), camera.read()

    assert first is not None
    assert second is not None
    assert first.image.shape == (120, 160, 3)
    assert first.image.dtype == np.uint8
    difference = np.abs(first.image.astype(int) - second.image)
    assert 0 < difference.mean() < 4


def test_open_twice_is_refused(camera: SimulatedCamera) -> None:
    camera.open()

    with pytest.raises(CameraError, match="open already"):
        camera.open()


def test_read_before_open_is_refused(camera: SimulatedCamera) -> None:
    with pytest.raises(CameraError, match="not open"):
        camera.read()


def test_close_twice_does_nothing_and_open_goes_on_in_the_script(
    camera: SimulatedCamera, clock: ManualClock
) -> None:
    camera.open()
    camera.read()
    camera.close()
    camera.close()
    clock.advance(0.5)
    camera.open()

    assert [camera.read() is None for _ in range(6)] == [False] * 5 + [True]


def test_unplug_fails_read_and_open_until_plugged_in(camera: SimulatedCamera, clock: ManualClock) -> None:
    camera.open()
    camera.unplug()
    with pytest.raises(CameraError, match="unplugged") as caught:
        camera.read()
    with pytest.raises(CameraError, match="unplugged"):
        camera.open()
    camera.plug_in()
    camera.open()

    assert not caught.value.fatal
    assert camera.read() is not None


def test_meter_changes_nothing(camera: SimulatedCamera) -> None:
    camera.open()
    frame = camera.read()
    assert frame is not None
    before = frame.image.copy()

    camera.meter(None, frame.image)

    assert np.array_equal(before, frame.image)


@pytest.mark.parametrize("source", ["0", "visits", "still"])
def test_make_with_a_known_source_repeats_its_script(clock: ManualClock, source: str) -> None:
    settings = SMALL.model_copy(update={"source": source})
    camera = make_simulated_camera(settings, clock)
    camera.open()
    clock.advance(camera.script.duration_s + 0.1)

    assert camera.read() is not None


def test_make_with_an_unknown_source_is_refused_for_good(clock: ManualClock) -> None:
    with pytest.raises(CameraError, match="names no scene") as caught:
        make_simulated_camera(SMALL.model_copy(update={"source": "beach"}), clock)

    assert caught.value.fatal
