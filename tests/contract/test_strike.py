"""The contract of `ports.Strike`: the controller on a simulated line and on a GPIO line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from standins.gpio_fixtures import lgpio_fixture  # noqa: F401
from standins.lgpio_standin import LgpioStandin

from doorguard.adapters.gpio import GpioLine
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.line import SimulatedLine
from doorguard.config import StrikeSettings
from doorguard.core.door import HARD_CAP_S
from doorguard.core.model import Grant
from doorguard.core.policy import manual_grant
from doorguard.errors import StrikeError
from doorguard.ports import Strike
from doorguard.strike.controller import GRANT_AGE_MAX_S, StrikeController


@dataclass
class Bench:
    """A strike, its clock, and every logical level its line ever had."""

    strike: Strike
    clock: ManualClock
    levels: Callable[[], list[bool]]

    def grant(self, age_s: float = 0.0) -> Grant:
        return manual_grant(reason="parcel", actor="uid 0 pid 1", now_s=self.clock.monotonic() - age_s)


@pytest.fixture(params=["simulated", "gpio"])
def bench(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Bench]:
    if request.param == "simulated":
        simulated = SimulatedLine(clock)
        made = Bench(StrikeController(simulated, clock, watch=False), clock, lambda: simulated.levels)
    else:
        lgpio: LgpioStandin = request.getfixturevalue("lgpio")
        strike = StrikeController(GpioLine(StrikeSettings(kind="gpio")), clock, watch=False)
        made = Bench(strike, clock, lambda: [bool(level) for level in lgpio.levels])
    yield made
    made.strike.close()


def test_strike_new_is_locked(bench: Bench) -> None:
    assert bench.strike.released is False
    assert bench.levels() == [False]


def test_strike_released_is_active_until_its_time_and_no_longer(bench: Bench) -> None:
    bench.strike.release(bench.grant(), 5.0)
    bench.clock.advance(4.999)
    assert bench.strike.released
    bench.clock.advance(0.001)
    assert not bench.strike.released
    assert bench.levels() == [False, True, False]


@pytest.mark.parametrize("duration_s", [HARD_CAP_S, HARD_CAP_S + 1, 1e300])
def test_strike_released_for_longer_than_the_cap_ends_at_the_cap(bench: Bench, duration_s: float) -> None:
    bench.strike.release(bench.grant(), duration_s)
    bench.clock.advance(HARD_CAP_S - 0.001)
    assert bench.strike.released
    bench.clock.advance(0.001)
    assert not bench.strike.released


@pytest.mark.parametrize("duration_s", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_strike_released_for_no_sensible_time_refuses(bench: Bench, duration_s: float) -> None:
    with pytest.raises(StrikeError, match="no pulse"):
        bench.strike.release(bench.grant(), duration_s)
    assert bench.levels() == [False]


def test_strike_released_again_lengthens_the_pulse_without_another_edge(bench: Bench) -> None:
    bench.strike.release(bench.grant(), 5.0)
    bench.clock.advance(3.0)
    bench.strike.release(bench.grant(), 5.0)
    bench.clock.advance(4.0)
    assert bench.strike.released
    bench.clock.advance(1.0)
    assert not bench.strike.released
    assert bench.levels() == [False, True, False]


def test_strike_released_again_and_again_still_ends_at_the_cap(bench: Bench) -> None:
    start_s = bench.clock.monotonic()
    bench.strike.release(bench.grant(), 20.0)
    for _ in range(5):
        bench.clock.advance(5.0)
        bench.strike.release(bench.grant(), 20.0)
    bench.clock.advance(HARD_CAP_S - (bench.clock.monotonic() - start_s))
    assert not bench.strike.released
    assert bench.levels() == [False, True, False]


def test_strike_released_after_a_pulse_nobody_ended_goes_inactive_in_between(bench: Bench) -> None:
    bench.strike.release(bench.grant(), 5.0)
    bench.clock.advance(60.0)
    bench.strike.release(bench.grant(), 5.0)
    assert bench.levels() == [False, True, False, True]


@pytest.mark.parametrize("age_s", [GRANT_AGE_MAX_S + 0.001, 1e9, -0.001, math.nan, math.inf])
def test_strike_with_a_stale_or_future_grant_refuses(bench: Bench, age_s: float) -> None:
    with pytest.raises(StrikeError, match="the grant is"):
        bench.strike.release(bench.grant(age_s), 5.0)
    assert bench.levels() == [False]


@pytest.mark.parametrize("age_s", [0.0, GRANT_AGE_MAX_S])
def test_strike_with_a_grant_at_the_edge_of_its_age_releases(bench: Bench, age_s: float) -> None:
    bench.strike.release(bench.grant(age_s), 5.0)
    assert bench.strike.released


def test_strike_with_a_used_grant_refuses_and_leaves_the_pulse_alone(bench: Bench) -> None:
    grant = bench.grant()
    bench.strike.release(grant, 1.0)
    with pytest.raises(StrikeError, match="once"):
        bench.strike.release(grant, 30.0)
    bench.clock.advance(1.0)
    assert not bench.strike.released
    with pytest.raises(StrikeError, match="once"):
        bench.strike.release(grant, 1.0)
    bench.strike.release(replace(grant, issued_s=bench.clock.monotonic()), 1.0)
    assert bench.levels() == [False, True, False, True]


def test_strike_relocked_goes_inactive_now(bench: Bench) -> None:
    bench.strike.release(bench.grant(), 5.0)
    bench.strike.relock()
    assert not bench.strike.released
    assert bench.levels() == [False, True, False]


def test_strike_relocked_while_locked_does_nothing(bench: Bench) -> None:
    bench.strike.relock()
    assert bench.levels() == [False]


def test_strike_closed_in_mid_pulse_goes_inactive_and_refuses_from_then_on(bench: Bench) -> None:
    bench.strike.release(bench.grant(), 5.0)
    bench.strike.close()
    bench.strike.close()
    assert not bench.strike.released
    assert bench.levels() == [False, True, False, False]
    with pytest.raises(StrikeError, match="closed") as caught:
        bench.strike.release(bench.grant(), 5.0)
    assert caught.value.fatal
