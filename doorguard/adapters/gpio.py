"""The strike's real line: one GPIO output through gpiozero on lgpio, off from its first microsecond on.

What gpiozero does by itself, and why that is not enough for a lock:

- Its lgpio pin claims an output at level 0 and writes the wanted level afterwards (gpiozero#1177): a relay
  board that is active low opens the door at every start. `Pin.output_with_state` is gpiozero's documented
  place to do better, so a pin of ours claims with the inactive level at once.
- Closing leaves the pin floating (gpiozero#1146). Ours drives it inactive, then leaves it an input that is
  pulled towards the inactive level.
- A process that is killed leaves the line as it is. Nothing in here helps: the unit's `ExecStopPost=`, and
  wiring that cannot stay on, do.

For a moment before the claim the pin is a floating input, and from power-up until the daemon starts it has
the boot pull. Hence the rules about pins, and the advice to fit a pull resistor towards "locked".
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Any

from doorguard.config import StrikeSettings
from doorguard.errors import StrikeError

CONSOLE_PINS = (14, 15)
"""The serial console: GPIO 14 may pulse at boot whatever is configured later."""

BOOT_HIGH_PINS = range(9)
"""GPIO 0 to 8 power up pulled high, 9 to 27 low (BCM2835 and BCM2711 peripherals, alternative functions)."""


def check_pin(settings: StrikeSettings) -> None:
    """Refuse a pin that could open the door while the machine starts.

    Raises
    ------
    StrikeError : fatal; GPIO 14 and 15 always, and a pin whose boot pull is its active level unless
        `strike.external_pull` says `confirmed`.

    """
    if settings.pin in CONSOLE_PINS:
        raise StrikeError(
            f"strike.pin {settings.pin} is the serial console and may pulse at boot; use one of 16 to 27",
            fatal=True,
        )
    boot_high = settings.pin in BOOT_HIGH_PINS
    if boot_high == settings.active_high and settings.external_pull != "confirmed":
        raise StrikeError(
            f"GPIO {settings.pin} powers up {'high' if boot_high else 'low'}, which is the active level: the "
            "door would open at boot; use another pin, or fit a resistor that pulls it the other way and set "
            "strike.external_pull: confirmed",
            fatal=True,
        )


class GpioLine:
    """Implements `ports.StrikeLine` on one pin. Thread-safe.

    Parameters
    ----------
    settings : BCM pin number, polarity, and whether an external pull is fitted.
    work_dir : where lgpio puts its notification pipe, unless `LG_WD` says so already; left to itself it
        writes into the working directory. The sockets' folder is a good place.

    Raises
    ------
    StrikeError : the pin is refused (`check_pin`), a library is missing, or the line cannot be claimed.

    """

    def __init__(self, settings: StrikeSettings, *, work_dir: Path | None = None) -> None:
        check_pin(settings)
        if work_dir is not None:
            os.environ.setdefault("LG_WD", str(work_dir))
        self._name = f"GPIO {settings.pin}"
        self._lock = threading.Lock()
        self._active = False
        self._factory: Any = None
        self._device: Any = None
        try:
            self._factory = _open_factory(inactive_high=not settings.active_high)
            self._device = _claim(self._factory, settings)
        except (ImportError, AttributeError) as error:  # PyPI's lgpio 0.0.0.2 is a stub without any function
            self._give_back()
            raise StrikeError(
                f"{self._name}: gpiozero or lgpio is missing or broken ({error}); on Raspberry Pi OS: "
                "sudo apt install python3-lgpio python3-gpiozero",
                fatal=True,
            ) from error
        except Exception as error:
            self._give_back()
            raise StrikeError(f"{self._name} cannot be claimed: {_say(error)}; is it in use?") from error

    def set_active(self, active: bool) -> None:
        """Drive the line and read it back.

        Raises
        ------
        StrikeError : closed, the library failed, or the pin does not follow (short circuit, other owner).

        """
        with self._lock:
            if self._device is None:
                raise StrikeError(f"{self._name} is closed; claim it again", fatal=True)
            try:
                self._device.value = active
                follows = bool(self._device.value) is active
            except Exception as error:
                raise StrikeError(f"{self._name} cannot be driven: {_say(error)}") from error
            if not follows:
                raise StrikeError(f"{self._name} does not follow; check the wiring for a short circuit")
            self._active = active

    @property
    def active(self) -> bool:
        """The level last driven and read back."""
        with self._lock:
            return self._active

    def close(self) -> None:
        """Inactive, then a pulled input, then free; closing a closed line does nothing.

        Raises
        ------
        StrikeError : the library failed; the line is given up all the same.

        """
        with self._lock:
            if self._device is None:
                return
            try:
                self._device.off()
            except Exception as error:
                raise StrikeError(f"{self._name} cannot be switched off: {_say(error)}") from error
            finally:
                self._active = False
                self._give_back()

    def _give_back(self) -> None:
        """Close pin and chip; what fails here has been told or will be freed with the process."""
        device, self._device = self._device, None
        factory, self._factory = self._factory, None
        for item in (device, factory):
            if item is not None:
                with contextlib.suppress(Exception):
                    item.close()


def _open_factory(*, inactive_high: bool) -> Any:
    """Open the GPIO chip with pins that claim outputs and close without a blip."""
    import lgpio
    from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin

    pull = lgpio.SET_PULL_UP if inactive_high else lgpio.SET_PULL_DOWN

    class SteadyPin(LGPIOPin):  # type: ignore[misc]
        """A pin whose every claim has the level it is meant to have."""

        def output_with_state(self, state: bool) -> None:
            """Claim the output at its first level, in one call to the kernel."""
            lgpio.gpio_claim_output(self.factory._handle, self._number, int(state))

        def close(self) -> None:
            """Leave an input pulled towards the inactive level; flags change only after a free."""
            if self.factory._handle is not None:
                lgpio.gpio_free(self.factory._handle, self._number)
                lgpio.gpio_claim_input(self.factory._handle, self._number, pull)

    factory = LGPIOFactory()
    factory.pin_class = SteadyPin
    return factory


def _claim(factory: Any, settings: StrikeSettings) -> Any:
    from gpiozero import OutputDevice

    return OutputDevice(
        settings.pin, active_high=settings.active_high, initial_value=False, pin_factory=factory
    )


def _say(error: Exception) -> str:
    """Put a library's error on one line; lgpio's holds its text in quotes."""
    return " ".join(str(error).split()).strip("'\"") or type(error).__name__
