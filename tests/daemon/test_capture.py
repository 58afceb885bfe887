"""The capture: newest frame only, reconnection with growing pauses, and what it tells of the camera."""

from __future__ import annotations

import threading

import pytest
from standins.house import flat

from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.source import ScriptedSource, Step
from doorguard.config import CameraSettings
from doorguard.core.model import Box
from doorguard.daemon.capture import CALL_MAX_S, CameraState, Capture, CaptureRules
from doorguard.errors import CameraError

RULES = CaptureRules(lost_after_s=5.0, retry_first_s=0.5, retry_max_s=4.0, frame_age_max_s=0.5)
GONE = CameraError("unplugged")


def _capture(
    clock: ManualClock, opens: tuple[Step, ...] = (), reads: tuple[Step, ...] = ()
) -> tuple[Capture, ScriptedSource, list[int]]:
    source = ScriptedSource(clock, opens=opens, reads=reads)
    rings: list[int] = []
    return Capture(source, RULES, clock, lambda: rings.append(1)), source, rings


def test_step_delivers_a_frame_once_and_rings(clock: ManualClock) -> None:
    capture, source, rings = _capture(clock)
    assert capture.health.state is CameraState.STARTING
    assert capture.step() == 0.0
    frame = capture.take()
    assert frame is not None
    assert capture.take() is None
    assert (capture.health.state, capture.health.frames, rings) == (CameraState.OK, 1, [1])
    assert source.history == ["open", "read"]


def test_take_after_several_frames_returns_the_newest(clock: ManualClock) -> None:
    capture, _, _ = _capture(clock)
    for _ in range(3):
        capture.step()
    frame = capture.take()
    assert frame is not None
    assert frame.sequence == 3
    assert capture.take() is None


def test_step_camera_error_closes_loses_and_pauses_longer_each_time(clock: ManualClock) -> None:
    capture, source, _ = _capture(clock, opens=(lambda: None, GONE, GONE, GONE, GONE), reads=(GONE,))
    assert [capture.step() for _ in range(5)] == [0.5, 1.0, 2.0, 4.0, 4.0]
    health = capture.health
    assert (health.state, health.why, health.losses) == (CameraState.LOST, "unplugged", 5)
    assert source.history[:3] == ["open", "read", "close"]


def test_step_frame_of_a_lost_camera_is_not_left_in_the_slot(clock: ManualClock) -> None:
    capture, _, _ = _capture(clock, reads=(lambda: None, GONE))
    capture.step()
    capture.step()
    assert capture.take() is None


def test_health_attempts_count_reconnections_only(clock: ManualClock) -> None:
    capture, _, _ = _capture(clock, opens=(lambda: None, GONE, GONE), reads=(lambda: None, GONE))
    capture.step()
    capture.step()
    assert capture.health.attempts == 0  # the loss itself is no attempt
    capture.step()
    capture.step()
    assert capture.health.attempts == 2
    capture.step()
    assert (capture.health.state, capture.health.attempts) == (CameraState.OK, 3)


def test_health_attempt_that_opens_but_gives_no_frame_counts(clock: ManualClock) -> None:
    capture, _, _ = _capture(clock, reads=(GONE, GONE))
    capture.step()
    capture.step()
    assert capture.health.attempts == 1


@pytest.mark.parametrize(("spent_s", "counted"), [(CALL_MAX_S, 1), (CALL_MAX_S + 0.1, 0)])
def test_health_attempt_that_takes_too_long_does_not_count(
    clock: ManualClock, spent_s: float, counted: int
) -> None:
    capture, source, _ = _capture(clock, opens=(GONE,))
    capture.step()

    def hang() -> None:
        clock.advance(spent_s)
        raise GONE

    source.opens.append(hang)
    capture.step()
    assert capture.health.attempts == counted


def test_step_camera_that_held_for_a_while_earns_short_pauses_again(clock: ManualClock) -> None:
    capture, source, _ = _capture(clock, opens=(GONE, GONE))
    assert [capture.step(), capture.step()] == [0.5, 1.0]
    capture.step()
    clock.advance(4.0)
    capture.step()
    source.reads.append(GONE)
    assert capture.step() == 0.5


def test_step_camera_that_flaps_does_not_earn_short_pauses(clock: ManualClock) -> None:
    capture, source, _ = _capture(clock, opens=(GONE, GONE))
    assert [capture.step(), capture.step()] == [0.5, 1.0]
    capture.step()
    source.reads.append(GONE)
    assert capture.step() == 2.0


def test_step_unexpected_error_counts_as_a_loss_and_hides_its_text(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    capture, _, _ = _capture(clock, reads=(RuntimeError("rtsp://user:secret@host"),))
    assert capture.step() == 0.5
    assert capture.health.why == "unexpected RuntimeError"
    assert "secret" not in caplog.text


def test_step_close_that_fails_does_not_end_the_thread(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture, source, _ = _capture(clock, reads=(GONE,))

    def fail() -> None:
        raise OSError("busy")

    monkeypatch.setattr(source, "close", fail)
    assert capture.step() == 0.5


def test_health_silence_is_a_loss_without_an_error(clock: ManualClock) -> None:
    capture, _, _ = _capture(clock)
    capture.step()
    clock.advance(5.0)
    assert capture.health.state is CameraState.OK
    clock.advance(0.1)
    health = capture.health
    assert (health.state, health.why, health.attempts) == (CameraState.LOST, "no frame for 5 s", 0)
    capture.step()
    assert capture.health.state is CameraState.OK


def test_step_camera_with_old_frames_only_is_reconnected(clock: ManualClock) -> None:
    capture, source, _ = _capture(clock)
    capture.step()
    source.age_s = 3.0
    clock.advance(5.0)
    assert capture.step() == 0.0
    clock.advance(0.1)
    assert capture.step() == 0.5
    health = capture.health
    assert (health.state, health.why) == (CameraState.LOST, "it delivers only old frames")
    assert health.attempts == 0
    for attempt in (1, 2):  # each is given as long again
        assert capture.step() == 0.0
        assert (capture.health.state, capture.health.attempts) == (CameraState.LOST, attempt)
        clock.advance(5.1)
        assert capture.step() > 0.0
    source.age_s = 0.0
    capture.step()
    assert capture.health.state is CameraState.OK


def test_step_source_that_ends_is_ended(clock: ManualClock) -> None:
    capture, _, rings = _capture(clock, reads=(lambda: None, None))
    capture.step()
    capture.step()
    assert capture.health.state is CameraState.ENDED
    assert len(rings) == 2


def test_step_fatal_error_is_told_as_fatal(clock: ManualClock) -> None:
    capture, _, _ = _capture(clock, opens=(CameraError("no such library", fatal=True),))
    capture.step()
    assert capture.health.fatal


def test_meter_is_applied_before_the_next_frame_newest_only(clock: ManualClock) -> None:
    capture, source, _ = _capture(clock)
    capture.step()
    capture.meter(Box(0, 0, 9, 9), flat(1))
    capture.meter(None, flat(1))
    assert source.metered == []
    capture.step()
    capture.step()
    assert source.metered == [None]


def test_start_and_stop_run_the_source_on_a_thread_and_close_it(clock: ManualClock) -> None:
    delivered = threading.Event()
    source = ScriptedSource(clock)
    capture = Capture(source, RULES, clock, delivered.set)
    capture.start()
    assert delivered.wait(10)
    assert capture.stop(10)
    assert source.history[0] == "open"
    assert source.history[-1] == "close"


def test_stop_source_that_hangs_is_given_up(clock: ManualClock) -> None:
    entered, release = threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        release.wait(30)

    source = ScriptedSource(clock, reads=(hang,))
    capture = Capture(source, RULES, clock, lambda: None)
    capture.start()
    assert entered.wait(10)
    assert not capture.stop(0.01)
    assert "close" not in source.history
    release.set()
    assert capture.stop(10)


def test_run_pauses_between_attempts_and_stops_at_once(clock: ManualClock) -> None:
    lost = threading.Event()
    rules = CaptureRules(5.0, 300.0, 300.0, 0.5)
    capture = Capture(ScriptedSource(clock, opens=(GONE,)), rules, clock, lost.set)
    capture.start()
    assert lost.wait(10)
    assert capture.stop(10)
    assert capture.health.losses == 1


def test_stop_before_start_does_nothing(clock: ManualClock) -> None:
    assert _capture(clock)[0].stop(1)


@pytest.mark.parametrize(("watchdog_s", "pause_s"), [(None, 300.0), (1000.0, 300.0), (10.0, 2.5), (4.0, 0.4)])
def test_rules_of_settings_keep_pause_and_attempt_within_the_watchdog(
    watchdog_s: float | None, pause_s: float
) -> None:
    camera = CameraSettings(retry_first_s=10.0, retry_max_s=300.0)
    rules = CaptureRules.of(camera, 0.5, watchdog_s=watchdog_s)
    assert rules == CaptureRules(5.0, min(10.0, pause_s), pause_s, 0.5)
