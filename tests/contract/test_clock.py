"""The contract of `ports.Clock`, on the manual clock and on the system's."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from doorguard.adapters.clock import SystemClock
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.ports import Clock


@pytest.fixture(params=[ManualClock, SystemClock])
def any_clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_clock_read_twice_never_steps_back(any_clock: Clock) -> None:
    first = any_clock.monotonic()
    assert any_clock.monotonic() >= first


def test_clock_wait_lets_at_least_that_time_pass(any_clock: Clock) -> None:
    before = any_clock.monotonic()
    any_clock.wait(0.01)
    assert any_clock.monotonic() - before >= 0.01 - 1e-9


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_clock_wait_of_nothing_returns_at_once(any_clock: Clock, seconds: float) -> None:
    before = any_clock.monotonic()
    any_clock.wait(seconds)
    assert 0.0 <= any_clock.monotonic() - before < 1.0


def test_clock_utc_is_aware_and_utc(any_clock: Clock) -> None:
    assert any_clock.utc().utcoffset() == timedelta(0)


def test_clock_synced_is_a_plain_truth_value(any_clock: Clock) -> None:
    assert any_clock.synced() in (True, False)


def test_manual_clock_untouched_stands_still() -> None:
    clock = ManualClock()
    assert (clock.monotonic(), clock.utc()) == (clock.monotonic(), clock.utc())


def test_manual_clock_advanced_moves_both_times_together() -> None:
    clock = ManualClock(5.0)
    before = clock.utc()
    clock.advance(2.5)
    assert clock.monotonic() == 7.5
    assert clock.utc() - before == timedelta(seconds=2.5)


@pytest.mark.parametrize("seconds", [-0.001, math.nan, -math.inf])
def test_manual_clock_moved_back_refuses(seconds: float) -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="forward"):
        clock.advance(seconds)
    assert clock.monotonic() == 1000.0
