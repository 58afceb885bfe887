"""The loop: who feeds the watchdog and who does not, readiness, commands between frames, the end."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping

import pytest
from standins.house import House

from doorguard.adapters.simulated.source import RecordingWatchdog, ScriptedSource, Step, noise
from doorguard.adapters.simulated.vision import SimulatedFace, person
from doorguard.core.model import EventKind
from doorguard.daemon.capture import CALL_MAX_S, Capture, CaptureRules
from doorguard.daemon.loop import Loop, run_lockstep
from doorguard.daemon.view import GuardView
from doorguard.errors import CameraError, ControlError, UsageError

RULES = CaptureRules(lost_after_s=5.0, retry_first_s=0.5, retry_max_s=4.0, frame_age_max_s=0.5)
GONE = CameraError("unplugged")


class Bench:
    """A loop driven by hand: `read` is the camera's turn, `turn` the loop's."""

    def __init__(self) -> None:
        self.house = House()
        self.house.guard.reload()
        self.clock = self.house.clock
        self.watchdog = RecordingWatchdog()
        self.views: list[GuardView] = []
        self.chores = 0
        self.loop = Loop(
            self.house.guard, self.watchdog, self.clock, on_view=self.views.append, upkeep=self._upkeep
        )
        self.source = ScriptedSource(self.clock)
        self.capture = Capture(self.source, RULES, self.clock, self.loop.ring)

    def _upkeep(self) -> None:
        self.chores += 1

    def read(self, *steps: Step) -> None:
        self.source.reads.extend(steps)
        for _ in steps or (1,):
            self.capture.step()

    def turn(self) -> None:
        self.loop.step(self.capture, 5.0, wait_s=0.0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_step_frame_without_motion_duplicate_face_and_decision_each_feed_once(bench: Bench) -> None:
    house = bench.house
    for _ in range(3):  # the first is looked at, the others hold no motion
        bench.read()
        bench.turn()
    house.stand(SimulatedFace(person(1)))
    bench.clock.advance(1.0)
    bench.read()
    bench.turn()
    view = house.guard.view()
    assert view.disposals == {"no_face": 1, "no_motion": 2, "decided": 1}
    assert bench.watchdog.fed == 4


def test_step_duplicate_frame_feeds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = noise(1)
    monkeypatch.setattr("doorguard.adapters.simulated.source.noise", lambda seed: picture)
    for _ in range(2):
        bench.read()
        bench.turn()
    assert bench.house.guard.view().disposals == {"no_face": 1, "duplicate": 1}
    assert bench.watchdog.fed == 2


def test_step_time_alone_and_commands_feed_nothing(bench: Bench) -> None:
    bench.loop.reload()
    for _ in range(100):
        bench.clock.advance(0.1)
        bench.turn()
    assert bench.watchdog.fed == 0


def test_step_frames_that_fail_or_come_too_late_feed_nothing(bench: Bench) -> None:
    bench.house.vision.error = RuntimeError()
    bench.read()
    bench.turn()
    bench.source.age_s = 2.0
    bench.read()
    bench.turn()
    assert bench.house.guard.view().disposals == {"failed": 1, "stale": 1}
    assert bench.watchdog.fed == 0


@pytest.mark.parametrize(("spent_s", "fed"), [(CALL_MAX_S, 1), (CALL_MAX_S + 0.1, 0)])
def test_step_frame_that_takes_too_long_feeds_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, spent_s: float, fed: int
) -> None:
    bench.clock.advance(0.0)
    detect = bench.house.vision.detect

    def slow(image: object) -> object:
        bench.clock.advance(spent_s)
        return detect(image)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.house.vision, "detect", slow)
    bench.read()
    bench.turn()
    assert bench.watchdog.fed == fed


def test_step_reconnection_attempts_feed_while_the_camera_is_lost(bench: Bench) -> None:
    bench.read()
    bench.turn()
    bench.read(GONE)  # the loss itself is no attempt
    bench.turn()
    assert bench.watchdog.fed == 1
    bench.source.opens.extend([GONE] * 3)
    for expected in (2, 3, 4):
        bench.capture.step()
        bench.turn()
        bench.turn()
        assert bench.watchdog.fed == expected
    bench.capture.step()
    bench.turn()
    assert bench.watchdog.fed == 5  # a frame again
    kinds = [event.kind for event in bench.house.events()]
    assert kinds == [EventKind.CAMERA_LOST, EventKind.CAMERA_BACK]


def test_step_camera_whose_read_hangs_is_lost_and_feeds_nothing(bench: Bench) -> None:
    bench.read()
    bench.turn()
    for _ in range(600):
        bench.clock.advance(0.1)
        bench.turn()
    assert bench.watchdog.fed == 1
    assert [event.kind for event in bench.house.events()] == [EventKind.CAMERA_LOST]


def test_step_attempt_the_loop_learns_of_after_the_return_feeds_by_its_frame_only(bench: Bench) -> None:
    bench.read(GONE)
    bench.turn()
    bench.source.opens.append(GONE)
    bench.capture.step()
    bench.capture.step()
    bench.turn()
    assert bench.watchdog.fed == 1


def test_step_reconnection_that_hangs_feeds_nothing_even_when_it_returns(bench: Bench) -> None:
    bench.read(GONE)
    bench.turn()

    def hang() -> None:
        bench.clock.advance(CALL_MAX_S + 0.1)
        raise GONE

    bench.source.opens.append(hang)
    bench.capture.step()
    bench.turn()
    assert bench.watchdog.fed == 0


def test_step_first_frame_makes_ready(bench: Bench) -> None:
    bench.turn()
    assert bench.watchdog.calls == []
    bench.read()
    bench.turn()
    assert bench.watchdog.calls == ["alive", "ready"]
    assert bench.watchdog.lines == ["locked, camera ok; nobody is enrolled"]


def test_step_no_frame_within_five_seconds_is_ready_but_degraded(bench: Bench) -> None:
    bench.source.opens.extend([GONE] * 3)
    bench.capture.step()
    bench.turn()
    bench.clock.advance(4.9)
    bench.turn()
    assert "ready" not in bench.watchdog.calls
    bench.clock.advance(0.1)
    bench.turn()
    assert bench.watchdog.calls == ["ready"]
    assert "camera lost: unplugged" in bench.watchdog.lines[0]
    assert bench.house.ask("unlock", reason="parcel") == {"released_s": 5.0}
    assert bench.house.line.levels == [False, True]


def test_step_camera_silent_from_the_start_is_lost_after_five_seconds(bench: Bench) -> None:
    bench.clock.advance(5.1)
    bench.turn()
    assert bench.watchdog.calls == ["ready"]
    assert "camera lost: no frame for 5 s" in bench.watchdog.lines[0]


def test_step_no_frame_is_ready_after_five_seconds_however_patient_the_camera_is_awaited(
    bench: Bench,
) -> None:
    bench.clock.advance(5.0)
    bench.loop.step(bench.capture, 60.0, wait_s=0.0)
    assert bench.watchdog.calls == ["ready"]


def test_step_camera_that_can_never_work_is_raised_before_ready(bench: Bench) -> None:
    bench.source.opens.append(CameraError("no such library", fatal=True))
    bench.capture.step()
    with pytest.raises(CameraError, match="no such library"):
        bench.turn()


def test_step_fatal_error_after_ready_leaves_the_daemon_alive(bench: Bench) -> None:
    bench.read()
    bench.turn()
    bench.read(CameraError("no such library", fatal=True))
    bench.turn()
    assert bench.watchdog.calls.count("ready") == 1
    assert "camera lost" in bench.watchdog.lines[-1]


def test_step_shows_the_view_after_each_frame_and_does_the_upkeep(bench: Bench) -> None:
    for _ in range(3):
        bench.read()
        bench.turn()
    assert [view.disposals.get("no_face") for view in bench.views] == [1, 1, 1]
    assert bench.chores == 3


def test_reload_reads_the_residents_before_the_next_frame(bench: Bench) -> None:
    bench.house.store.add_resident("Ada", None, [(bench.house.vision.model_id, person(1))])
    bench.loop.reload()
    bench.house.stand(SimulatedFace(person(1)))
    bench.read()
    bench.turn()
    assert bench.house.guard.view().residents == 1


def test_step_with_commands_that_never_end_still_takes_the_frame(bench: Bench) -> None:
    asked = 0

    def ask_again() -> None:
        nonlocal asked
        asked += 1
        assert asked < 100, "the commands keep the loop from its frames"
        bench.loop._inbox.put(ask_again)

    bench.loop._inbox.put(ask_again)
    bench.read()
    bench.turn()
    bench.turn()
    assert bench.watchdog.fed == 1
    assert asked == 2


def test_reload_that_fails_does_not_end_the_watch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("names")

    monkeypatch.setattr(bench.house.guard, "reload", fail)
    bench.loop.reload()
    bench.turn()
    assert "RuntimeError" in caplog.text
    assert "names" not in caplog.text


@pytest.fixture
def running(bench: Bench) -> Iterator[Bench]:
    """The loop on a thread of its own."""
    thread = threading.Thread(target=bench.loop.run, args=(bench.capture, 5.0))
    thread.start()
    yield bench
    bench.loop.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_call_is_carried_out_on_the_loop_s_thread(running: Bench) -> None:
    def work() -> Mapping[str, object]:
        return {"thread": threading.get_ident()}

    found = running.loop.call(work, time.monotonic() + 10)
    assert found["thread"] != threading.get_ident()


def test_call_raises_what_the_work_raised(running: Bench) -> None:
    def work() -> Mapping[str, object]:
        raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        running.loop.call(work, time.monotonic() + 10)


def test_call_loop_that_is_busy_never_begins_the_work(bench: Bench) -> None:
    begun: list[int] = []

    def work() -> Mapping[str, object]:
        begun.append(1)
        return {}

    with pytest.raises(ControlError, match="busy"):
        bench.loop.call(work, time.monotonic() + 0.01)
    bench.turn()
    assert begun == []


def test_call_past_its_deadline_is_not_begun(running: Bench) -> None:
    with pytest.raises(ControlError):
        running.loop.call(dict, time.monotonic() - 1)


def test_call_work_that_is_not_done_in_time_says_so(running: Bench) -> None:
    begun, release = threading.Event(), threading.Event()

    def work() -> Mapping[str, object]:
        begun.set()
        release.wait(30)
        return {}

    done: list[str] = []

    def ask() -> None:
        try:
            running.loop.call(work, time.monotonic() + 0.05)
        except ControlError as error:
            done.append(str(error))

    asker = threading.Thread(target=ask)
    asker.start()
    assert begun.wait(10)
    asker.join(10)
    release.set()
    assert done == ["the daemon is not done with it yet; look before trying again"]


def test_call_after_the_end_is_refused(bench: Bench) -> None:
    bench.loop.stop()
    bench.loop.run(bench.capture, 5.0)
    with pytest.raises(ControlError, match="busy"):
        bench.loop.call(dict, time.monotonic() + 10)


class _Inbox(queue.SimpleQueue):  # type: ignore[type-arg]
    """Tells when something was put in."""

    def __init__(self) -> None:
        self.filled = threading.Event()

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        super().put(item)
        self.filled.set()


def test_run_ends_waiting_commands_when_it_stops(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    refused, inbox = threading.Event(), _Inbox()
    bench.loop.stop()
    monkeypatch.setattr(bench.loop, "_inbox", inbox)

    def ask() -> None:
        try:
            bench.loop.call(dict, time.monotonic() + 30)
        except ControlError:
            refused.set()

    asker = threading.Thread(target=ask)
    asker.start()
    assert inbox.filled.wait(10)
    bench.loop.run(bench.capture, 5.0)
    assert refused.wait(10)
    asker.join(10)


def test_run_source_that_ends_ends_the_loop_and_the_visit(bench: Bench) -> None:
    bench.house.enroll("Ada", 1)
    bench.house.stand(SimulatedFace(person(1)))
    bench.read()
    bench.turn()
    bench.read(None)
    bench.loop.run(bench.capture, 5.0)
    assert bench.house.attempts() == [("denied", "stopping")]


def test_ring_counts_once_until_the_loop_wakes(bench: Bench) -> None:
    for _ in range(1000):
        bench.loop.ring()
    assert bench.loop._inbox.qsize() == 1
    bench.turn()
    bench.loop.ring()
    assert bench.loop._inbox.qsize() == 1


def test_run_lockstep_takes_every_frame_and_writes_every_event() -> None:
    house = House()
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    source = ScriptedSource(house.clock, reads=[lambda: house.clock.advance(1 / 15)] * 6 + [None])
    views: list[GuardView] = []
    run_lockstep(source, house.guard, house.recorder, on_view=views.append)
    assert len(views) == 6
    assert house.store.kinds == [EventKind.ATTEMPT]
    assert source.history[-1] == "close"
    run_lockstep(ScriptedSource(house.clock, reads=[None]), house.guard, house.recorder)


def test_run_lockstep_camera_that_fails_is_closed_and_raised() -> None:
    house = House()
    source = ScriptedSource(house.clock, reads=[GONE])
    with pytest.raises(CameraError):
        run_lockstep(source, house.guard, house.recorder)
    assert source.history[-1] == "close"
