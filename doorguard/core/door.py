"""The pulse of the strike as arithmetic: when it began, when it ends, and that it does end."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

HARD_CAP_S = 30.0
"""Longest pulse of the strike in seconds, whatever any file or request says."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """One release of the strike: active from `started_s` on, inactive at `until_s` (monotonic seconds)."""

    started_s: float
    until_s: float

    def active(self, now_s: float) -> bool:
        """Whether the line belongs at its active level; at `until_s` itself it no longer does."""
        return self.started_s <= now_s < self.until_s


class Door:
    """At most one pulse at a time, none longer than the hard cap. Not thread-safe; reads no clock."""

    def __init__(self) -> None:
        self._pulse: Pulse | None = None

    def release(self, now_s: float, duration_s: float) -> Pulse:
        """Begin a pulse, or lengthen the one in progress to at most the cap counted from its own start.

        Parameters
        ----------
        now_s
            monotonic seconds.
        duration_s
            seconds above 0; more than `HARD_CAP_S` is cut to it.

        Raises
        ------
        ValueError : a time is not finite, or the duration is not above 0; the door stays as it was.

        """
        if not (math.isfinite(now_s) and math.isfinite(duration_s) and duration_s > 0):
            raise ValueError(f"no pulse: {duration_s} s at {now_s} s; give a finite duration above 0 s")
        if self._pulse is None or not self._pulse.active(now_s):
            self._pulse = Pulse(now_s, now_s + min(duration_s, HARD_CAP_S))
        else:
            latest = self._pulse.started_s + HARD_CAP_S
            wanted = min(max(now_s + duration_s, self._pulse.until_s), latest)
            self._pulse = replace(self._pulse, until_s=wanted)
        return self._pulse

    def level(self, now_s: float) -> bool:
        """Whether the line belongs at its active level now."""
        return self._pulse is not None and self._pulse.active(now_s)

    def relock(self) -> None:
        """End the pulse in progress, if there is one."""
        self._pulse = None
