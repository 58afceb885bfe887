"""A stand-in for the `lgpio` module (0.2.2) that records every level an output ever had.

The level of a claim is an edge like any other: that is where a relay board blips. Signatures and constants
are lgpio's own; what gpiozero's LGPIOFactory calls is there and nothing else.
"""

from __future__ import annotations

import types


class error(Exception):
    def __init__(self, value: str) -> None:
        self.value = value

    def __str__(self) -> str:
        return repr(self.value)


class LgpioStandin(types.ModuleType):
    """`history` holds every call that changes a pin; `failing` names calls that raise `lgpio.error`."""

    RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3
    SET_PULL_UP, SET_PULL_DOWN, SET_PULL_NONE = 32, 64, 128
    error = error

    def __init__(self) -> None:
        super().__init__("lgpio")
        self.history: list[tuple[str, int | None]] = []
        self.failing: set[str] = set()
        self.stuck_at: int | None = None
        self.open_chips: set[int] = set()
        self._outputs: dict[int, int] = {}

    @property
    def levels(self) -> list[int | None]:
        """Every level driven, the one of the claim included, repeated ones too."""
        return [value for call, value in self.history if call in ("claim output", "write")]

    def _check(self, call: str) -> None:
        if call in self.failing:
            raise error(f"{call} failed")

    def gpiochip_open(self, gpiochip: int) -> int:
        self._check("chip open")
        handle = 7 + gpiochip
        self.open_chips.add(handle)
        return handle

    def gpiochip_close(self, handle: int) -> None:
        self._check("chip close")
        self.open_chips.remove(handle)

    def gpio_claim_input(self, handle: int, gpio: int, lFlags: int = 0) -> None:
        self._check("claim input")
        assert handle in self.open_chips
        self._outputs.pop(gpio, None)
        self.history.append(("claim input", lFlags))

    def gpio_claim_output(self, handle: int, gpio: int, level: int = 0, lFlags: int = 0) -> None:
        self._check("claim output")
        assert handle in self.open_chips
        self._outputs[gpio] = level
        self.history.append(("claim output", level))

    def gpio_free(self, handle: int, gpio: int) -> None:
        self._check("free")
        self._outputs.pop(gpio, None)
        self.history.append(("free", None))

    def gpio_get_mode(self, handle: int, gpio: int) -> int:
        return 2 if gpio in self._outputs else 0

    def gpio_read(self, handle: int, gpio: int) -> int:
        self._check("read")
        return self._outputs.get(gpio, 0) if self.stuck_at is None else self.stuck_at

    def gpio_write(self, handle: int, gpio: int, level: int) -> None:
        self._check("write")
        assert gpio in self._outputs
        self._outputs[gpio] = int(level)
        self.history.append(("write", int(level)))
