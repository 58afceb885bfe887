"""A fixture: gpiozero's real lgpio factory over the recording stand-in; `contract` and `adapters` use it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from standins.lgpio_standin import LgpioStandin


@pytest.fixture(name="lgpio")
def lgpio_fixture(monkeypatch: pytest.MonkeyPatch) -> Iterator[LgpioStandin]:
    """Put the stand-in where gpiozero's real LGPIOFactory finds it, on what says it is a Pi 4."""
    from gpiozero.pins import local

    standin = LgpioStandin()
    monkeypatch.setitem(sys.modules, "lgpio", standin)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    monkeypatch.setattr(local, "get_pi_revision", lambda: 0xC03111)
    monkeypatch.setenv("LG_WD", "/nowhere")
    yield standin
    standin.failing.clear()
    factory = local.LocalPiFactory
    # gpiozero's devices close themselves when collected, and hang if that comes while a lock is held
    for device in [reference() for held in factory._reservations.values() for reference in held]:
        if device is not None:
            device.close()
    factory.pins.clear()
    factory._reservations.clear()
    sys.modules.pop("gpiozero.pins.lgpio", None)
