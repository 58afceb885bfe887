"""The controller when its line fails, its thread, and whole histories of random use."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from doorguard.adapters.clock import SystemClock
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.line import Edge, SimulatedLine
from doorguard.core.door import HARD_CAP_S
from doorguard.core.model import Grant
from doorguard.core.policy import manual_grant
from doorguard.errors import StrikeError
from doorguard.ports import Clock
from doorguard.strike.controller import StrikeController


class SlipperyLine(SimulatedLine):
    """Goes active and then says that it did not; or fails with an error no adapter should let through."""

    def __init__(self, clock: Clock, error: BaseException) -> None:
        super().__init__(clock)
        self.error = error
        self.fails_on: bool | None = True
        self.fails_to_close = False
        self.inactive = threading.Event()
        self.tried = threading.Semaphore(0)

    def set_active(self, active: bool) -> None:
        super().set_active(active)
        if not active:
            self.tried.release()
        if active is self.fails_on:
            raise self.error
        if not active:
            self.inactive.set()

    def close(self) -> None:
        super().close()
        if self.fails_to_close:
            raise self.error


def grant_now(clock: Clock) -> Grant:
    return manual_grant(reason="test", actor="uid 0 pid 1", now_s=clock.monotonic())


@pytest.fixture
def line(clock: ManualClock) -> SimulatedLine:
    return SimulatedLine(clock)


@pytest.fixture
def strike(line: SimulatedLine, clock: ManualClock) -> Iterator[StrikeController]:
    controller = StrikeController(line, clock, watch=False)
    yield controller
    controller.close()


def test_controller_whose_line_is_broken_raises_and_stays_locked(
    strike: StrikeController, line: SimulatedLine, clock: ManualClock
) -> None:
    line.broken = True
    with pytest.raises(StrikeError, match="broken"):
        strike.release(grant_now(clock), 5.0)
    line.broken = False
    assert not strike.released
    assert True not in line.levels


@pytest.mark.parametrize("error", [StrikeError("half"), OSError("raw"), KeyboardInterrupt()])
def test_controller_whose_line_half_obeys_switches_off_before_the_error_leaves(
    clock: ManualClock, error: BaseException
) -> None:
    line = SlipperyLine(clock, error)
    controller = StrikeController(line, clock, watch=False)
    with pytest.raises(type(error)):
        controller.release(grant_now(clock), 5.0)
    assert line.levels == [False, True, False]
    assert not controller.released
    line.fails_on = None
    controller.release(grant_now(clock), 5.0)
    assert controller.released
    controller.close()


def test_controller_with_a_grant_whose_release_failed_may_use_it_again(
    strike: StrikeController, line: SimulatedLine, clock: ManualClock
) -> None:
    grant = grant_now(clock)
    line.broken = True
    with pytest.raises(StrikeError):
        strike.release(grant, 5.0)
    line.broken = False
    strike.release(grant, 5.0)
    assert strike.released


@pytest.mark.parametrize("error", [StrikeError("stuck"), OSError("raw")])
def test_controller_whose_line_does_not_switch_off_says_released_and_refuses(
    clock: ManualClock, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    line = SlipperyLine(clock, error)
    line.fails_on = False
    controller = StrikeController(line, clock, watch=False)
    controller.release(grant_now(clock), 5.0)
    clock.advance(5.0)
    assert controller.released
    assert controller.fault == str(error)
    with pytest.raises(StrikeError, match="does not switch off"):
        controller.release(grant_now(clock), 5.0)
    controller.relock()
    assert [record.message for record in caplog.records] == [
        f"strike: cannot switch off, trying again: {error}"
    ]
    line.fails_on = None
    assert not controller.released
    assert controller.fault is None
    controller.close()


@pytest.mark.parametrize("error", [StrikeError("gone"), OSError("gone")])
def test_controller_closed_on_a_failing_line_raises_nothing(
    clock: ManualClock, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    line = SlipperyLine(clock, error)
    line.fails_to_close = True
    StrikeController(line, clock, watch=False).close()
    assert "not given back cleanly: gone" in caplog.text


class Watched:
    """A controller with its thread, on real time, and a line that tells when it went inactive."""

    def __init__(self, error: Exception) -> None:
        self.clock = SystemClock()
        self.line = SlipperyLine(self.clock, error)
        self.line.fails_on = None
        self.strike = StrikeController(self.line, self.clock)


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched(StrikeError("stuck"))
    yield made
    made.strike.close()


def test_controller_watching_switches_off_in_time_without_being_asked(watched: Watched) -> None:
    watched.strike.release(grant_now(watched.clock), 0.05)
    assert watched.line.inactive.wait(5.0)
    on, off = watched.line.history[1:]
    assert (on.active, off.active) == (True, False)
    assert 0.05 <= off.at_s - on.at_s < 1.0


def test_controller_watching_a_stuck_line_tries_until_it_obeys(watched: Watched) -> None:
    watched.line.fails_on = False
    watched.strike.release(grant_now(watched.clock), 0.01)
    for _ in range(3):
        assert watched.line.tried.acquire(timeout=5.0)
    watched.line.fails_on = None
    assert watched.line.inactive.wait(5.0)
    assert not watched.strike.released


def test_controller_watching_a_manual_clock_follows_its_jump(clock: ManualClock) -> None:
    line = SlipperyLine(clock, StrikeError("never"))
    line.fails_on = None
    controller = StrikeController(line, clock)
    controller.release(grant_now(clock), 20.0)
    clock.advance(20.0)
    assert line.inactive.wait(5.0)
    controller.close()
    assert line.levels == [False, True, False, False]


def test_controller_watching_closed_in_mid_pulse_ends_pulse_and_thread(watched: Watched) -> None:
    watched.strike.release(grant_now(watched.clock), 20.0)
    watched.strike.close()
    assert watched.line.levels == [False, True, False, False]
    assert "doorguard-strike" not in [thread.name for thread in threading.enumerate()]


class DyingClock(SystemClock):
    """Fails on the thread that watches, as nothing should."""

    def monotonic(self) -> float:
        if threading.current_thread().name == "doorguard-strike":
            raise SystemExit
        return super().monotonic()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_controller_whose_thread_died_never_energises_again() -> None:
    clock = DyingClock()
    line = SimulatedLine(clock)
    controller = StrikeController(line, clock)
    for thread in threading.enumerate():
        if thread.name == "doorguard-strike":
            thread.join(5.0)
    with pytest.raises(StrikeError, match="nothing would switch the strike off") as caught:
        controller.release(grant_now(clock), 5.0)
    assert caught.value.fatal
    assert line.levels == [False]
    controller.close()


class StrikeHistory(RuleBasedStateMachine):
    """Any use at any time: the line is never active longer than the cap, nor without a grant."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.line = SimulatedLine(self.clock)
        self.strike = StrikeController(self.line, self.clock, watch=False)
        self.releases = 0
        self.until_s = 0.0

    def teardown(self) -> None:
        self.strike.close()
        assert self.line.history[-1].active is False

    @rule(duration_s=st.floats(), age_s=st.floats(-1.0, 3.0))
    def release(self, duration_s: float, age_s: float) -> None:
        now_s = self.clock.monotonic()
        grant = manual_grant(reason="test", actor="test", now_s=now_s - age_s)
        try:
            self.strike.release(grant, duration_s)
        except StrikeError:
            return
        assert 0.0 <= now_s - grant.issued_s <= 2.0
        assert duration_s > 0
        self.releases += 1
        self.until_s = max(self.until_s, now_s + min(duration_s, HARD_CAP_S))

    @rule(seconds=st.floats(0.0, 40.0))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def relock(self) -> None:
        self.strike.relock()
        assert self.line.broken or not self.line.active

    @rule()
    def break_line(self) -> None:
        self.line.broken = not self.line.broken

    @invariant()
    def never_active_beyond_what_was_granted(self) -> None:
        released = self.strike.released
        history: tuple[Edge, ...] = self.line.history
        assert sum(edge.active for edge in history) <= self.releases
        if self.clock.monotonic() >= self.until_s and not self.line.broken:
            assert not released
            assert not history[-1].active
        if history[-1].active and not self.line.broken:
            assert self.clock.monotonic() - history[-1].at_s < HARD_CAP_S


TestStrikeHistory = StrikeHistory.TestCase
TestStrikeHistory.settings = settings(max_examples=50, stateful_step_count=25)
