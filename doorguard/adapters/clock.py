"""The machine's own clock."""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path

TIMEX_BYTES = 512
"""Room for the kernel's `struct timex` (208 bytes on 64-bit Linux), zeroed: mode 0 only reads."""

TIME_ERROR = 5
"""`adjtimex(2)`: the clock is not synchronised."""

TIMESYNC_MARK = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd makes this file once it has set the clock."""


class SystemClock:
    """`ports.Clock` on CLOCK_MONOTONIC and the kernel's wall clock."""

    def monotonic(self) -> float:
        """Return seconds that never step back."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Return the aware UTC wall time."""
        return datetime.now(UTC)

    def synced(self) -> bool:
        """Whether a time service keeps the wall clock; False when neither kernel nor systemd says so."""
        return kernel_synced() or TIMESYNC_MARK.exists()

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass; nothing for a negative value."""
        time.sleep(max(seconds, 0.0))


def kernel_synced() -> bool:
    """Ask the kernel by a read-only `adjtimex(2)`; False where that call is missing or forbidden.

    The return value is the clock's state, -1 on an error and `TIME_ERROR` while it is not synchronised.
    """
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return False
    state = int(adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    return state not in (-1, TIME_ERROR)
