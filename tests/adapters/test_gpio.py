"""What only the GPIO line does: pins it refuses, how it leaves a pin, and libraries that fail."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest
from standins.gpio_fixtures import lgpio_fixture  # noqa: F401
from standins.lgpio_standin import LgpioStandin

from doorguard.adapters.gpio import GpioLine, check_pin
from doorguard.config import StrikeSettings
from doorguard.errors import StrikeError

HIGH = StrikeSettings(kind="gpio", pin=17)
LOW = StrikeSettings(kind="gpio", pin=17, active_high=False, external_pull="confirmed")


@pytest.mark.parametrize("pull", ["none", "confirmed"])
@pytest.mark.parametrize("pin", [14, 15])
def test_check_pin_of_the_console_always_refuses(pin: int, pull: str) -> None:
    with pytest.raises(StrikeError, match="serial console") as caught:
        check_pin(StrikeSettings.model_validate({"kind": "gpio", "pin": pin, "external_pull": pull}))
    assert caught.value.fatal


@pytest.mark.parametrize("pin", [pin for pin in range(28) if pin not in (14, 15)])
@pytest.mark.parametrize("active_high", [True, False])
def test_check_pin_that_boots_active_needs_a_confirmed_pull(pin: int, active_high: bool) -> None:
    settings = StrikeSettings(kind="gpio", pin=pin, active_high=active_high)
    check_pin(settings.model_copy(update={"external_pull": "confirmed"}))
    if (pin <= 8) is active_high:
        with pytest.raises(StrikeError, match=f"GPIO {pin} powers up .*external_pull: confirmed") as caught:
            check_pin(settings)
        assert caught.value.fatal
    else:
        check_pin(settings)


def test_gpio_line_with_a_refused_pin_touches_no_hardware(lgpio: LgpioStandin) -> None:
    with pytest.raises(StrikeError):
        GpioLine(StrikeSettings(kind="gpio", pin=14))
    assert (lgpio.history, lgpio.open_chips) == ([], set())


@pytest.mark.parametrize(("settings", "off", "pull"), [(HIGH, 0, 64), (LOW, 1, 32)])
def test_gpio_line_from_claim_to_close_never_floats_towards_open(
    lgpio: LgpioStandin, settings: StrikeSettings, off: int, pull: int
) -> None:
    line = GpioLine(settings)
    line.set_active(True)
    line.close()
    assert lgpio.history[:2] == [("claim input", lgpio.SET_PULL_NONE), ("claim output", off)]
    assert lgpio.levels == [off, 1 - off, off]
    left = [call for call in lgpio.history[4:] if call[0] != "free"]
    assert left
    assert set(left) == {("claim input", pull)}
    assert lgpio.open_chips == set()


def test_gpio_line_claimed_again_after_close_works(lgpio: LgpioStandin) -> None:
    GpioLine(HIGH).close()
    line = GpioLine(HIGH)
    line.set_active(True)
    assert line.active


def test_gpio_line_that_does_not_follow_says_so(lgpio: LgpioStandin) -> None:
    line = GpioLine(HIGH)
    lgpio.stuck_at = 0
    with pytest.raises(StrikeError, match="GPIO 17 does not follow"):
        line.set_active(True)
    assert not line.active


@pytest.mark.parametrize("call", ["chip open", "claim input", "claim output"])
def test_gpio_line_that_cannot_be_claimed_says_why_and_frees_the_chip(lgpio: LgpioStandin, call: str) -> None:
    lgpio.failing = {call}
    with pytest.raises(
        StrikeError, match=f"GPIO 17 cannot be claimed: {call} failed; is it in use"
    ) as caught:
        GpioLine(HIGH)
    assert not caught.value.fatal
    assert call == "claim input" or lgpio.open_chips == set()


@pytest.mark.parametrize("call", ["write", "read"])
def test_gpio_line_driven_when_the_library_fails_raises_nothing_of_its_own(
    lgpio: LgpioStandin, call: str
) -> None:
    line = GpioLine(HIGH)
    lgpio.failing = {call}
    with pytest.raises(StrikeError, match=f"cannot be driven: {call} failed"):
        line.set_active(True)


def test_gpio_line_closed_when_the_library_fails_is_given_up_all_the_same(lgpio: LgpioStandin) -> None:
    line = GpioLine(HIGH)
    line.set_active(True)
    lgpio.failing = {"write", "chip close"}
    with pytest.raises(StrikeError, match="cannot be switched off: write failed"):
        line.close()
    line.close()
    assert not line.active


def test_gpio_line_with_the_empty_lgpio_of_the_package_index_says_apt(
    lgpio: LgpioStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lgpio", types.ModuleType("lgpio"))
    with pytest.raises(StrikeError, match="sudo apt install python3-lgpio") as caught:
        GpioLine(HIGH)
    assert caught.value.fatal


def test_gpio_line_without_lgpio_says_apt(lgpio: LgpioStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lgpio", None)
    with pytest.raises(StrikeError, match="sudo apt install python3-lgpio"):
        GpioLine(HIGH)


def test_gpio_line_on_a_machine_that_is_no_pi_says_so(
    lgpio: LgpioStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpiozero import PinUnknownPi
    from gpiozero.pins import local

    def no_pi() -> int:
        raise PinUnknownPi("unable to locate Pi revision")

    monkeypatch.setattr(local, "get_pi_revision", no_pi)
    with pytest.raises(StrikeError, match="unable to locate Pi revision"):
        GpioLine(HIGH)


def test_gpio_line_with_a_work_dir_sets_it_unless_one_is_set(
    lgpio: LgpioStandin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    GpioLine(HIGH, work_dir=tmp_path).close()
    assert os.environ["LG_WD"] == "/nowhere"
    monkeypatch.delenv("LG_WD")
    GpioLine(HIGH, work_dir=tmp_path).close()
    assert os.environ["LG_WD"] == str(tmp_path)
    monkeypatch.setenv("LG_WD", "")
