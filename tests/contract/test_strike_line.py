"""The contract of `ports.StrikeLine`, on every line there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from standins.gpio_fixtures import lgpio_fixture  # noqa: F401
from standins.lgpio_standin import LgpioStandin

from doorguard.adapters.gpio import GpioLine
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.line import SimulatedLine
from doorguard.config import StrikeSettings
from doorguard.errors import StrikeError
from doorguard.ports import StrikeLine


@dataclass
class Bench:
    """A line, every logical level it ever had, and a way to break and mend it."""

    line: StrikeLine
    levels: Callable[[], list[bool]]
    set_broken: Callable[[bool], None]


@pytest.fixture(params=["simulated", "gpio active high", "gpio active low"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "simulated":
        simulated = SimulatedLine(ManualClock())
        return Bench(simulated, lambda: simulated.levels, lambda broken: setattr(simulated, "broken", broken))
    lgpio: LgpioStandin = request.getfixturevalue("lgpio")
    active_high = request.param.endswith("high")
    settings = StrikeSettings(
        kind="gpio", pin=17, active_high=active_high, external_pull="none" if active_high else "confirmed"
    )

    def set_broken(broken: bool) -> None:
        lgpio.failing = {"write"} if broken else set()

    return Bench(
        GpioLine(settings), lambda: [bool(level) is active_high for level in lgpio.levels], set_broken
    )


def test_line_claimed_is_inactive_from_its_first_level(bench: Bench) -> None:
    assert bench.levels() == [False]
    assert bench.line.active is False


def test_line_driven_has_exactly_the_levels_asked_for(bench: Bench) -> None:
    for active in (True, False, True, False):
        bench.line.set_active(active)
        assert bench.line.active is active
    assert bench.levels() == [False, True, False, True, False]


def test_line_closed_while_active_goes_inactive_first(bench: Bench) -> None:
    bench.line.set_active(True)
    bench.line.close()
    assert bench.levels() == [False, True, False]
    assert bench.line.active is False


def test_line_closed_twice_does_nothing_more(bench: Bench) -> None:
    bench.line.close()
    bench.line.close()
    assert bench.levels() == [False, False]


@pytest.mark.parametrize("active", [True, False])
def test_line_driven_after_close_refuses_for_good(bench: Bench, active: bool) -> None:
    bench.line.close()
    with pytest.raises(StrikeError) as caught:
        bench.line.set_active(active)
    assert caught.value.fatal
    assert bench.levels() == [False, False]


@pytest.mark.parametrize("active", [True, False])
def test_line_broken_says_so_and_keeps_its_level(bench: Bench, active: bool) -> None:
    bench.line.set_active(not active)
    bench.set_broken(True)
    with pytest.raises(StrikeError) as caught:
        bench.line.set_active(active)
    assert not caught.value.fatal
    assert bench.line.active is not active
    bench.set_broken(False)
    bench.line.set_active(active)
    assert bench.levels() == [False, not active, active]
