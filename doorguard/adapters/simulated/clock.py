"""A clock that stands still until it is told to move: time in tests and in the fast demo."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

EPOCH_UTC = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class ManualClock:
    """Implements `ports.Clock`; monotonic and wall time advance together and only by hand. Thread-safe.

    Parameters
    ----------
    monotonic_s : seconds at which the monotonic clock starts.
    start_utc : aware UTC wall time at that moment.
    synced : what `synced` answers; may be changed at any time through `is_synced`.

    """

    def __init__(
        self, monotonic_s: float = 1000.0, *, start_utc: datetime = EPOCH_UTC, synced: bool = True
    ) -> None:
        self._lock = threading.Lock()
        self._start_s = monotonic_s
        self._now_s = monotonic_s
        self._start_utc = start_utc
        self.is_synced = synced

    def monotonic(self) -> float:
        """Seconds that never step back."""
        with self._lock:
            return self._now_s

    def utc(self) -> datetime:
        """The aware UTC wall time."""
        return self._start_utc + timedelta(seconds=self.monotonic() - self._start_s)

    def synced(self) -> bool:
        """Whether the wall clock counts as synchronised."""
        return self.is_synced

    def wait(self, seconds: float) -> None:
        """Advance by `seconds` at once; zero or less does nothing, as a real wait would."""
        self.advance(max(seconds, 0.0))

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass.

        Raises
        ------
        ValueError : `seconds` is negative or not a number; a monotonic clock never steps back.

        """
        if not seconds >= 0.0:
            raise ValueError(f"time only moves forward, not by {seconds} s")
        with self._lock:
            self._now_s += seconds
