"""A strike line made of memory: remembers every edge, and fails on request."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from doorguard.errors import StrikeError
from doorguard.ports import Clock


@dataclass(frozen=True, slots=True)
class Edge:
    """One level driven on the line: monotonic seconds and whether it was the active one."""

    at_s: float
    active: bool


class SimulatedLine:
    """Implements `ports.StrikeLine`. Thread-safe.

    `history` starts with the inactive level of the claim and holds every later write, repeated levels
    included, so that a test compares the whole of it. While `broken` is true, every write raises
    `StrikeError` and leaves the level as it was, like a relay board that came unplugged.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._edges = [Edge(clock.monotonic(), False)]
        self._closed = False
        self.broken = False

    @property
    def history(self) -> tuple[Edge, ...]:
        """Every level driven so far, oldest first."""
        with self._lock:
            return tuple(self._edges)

    @property
    def levels(self) -> list[bool]:
        """The history without its times."""
        return [edge.active for edge in self.history]

    @property
    def active(self) -> bool:
        """The level last driven."""
        with self._lock:
            return self._edges[-1].active

    @property
    def closed(self) -> bool:
        """Whether the line was given back."""
        with self._lock:
            return self._closed

    def set_active(self, active: bool) -> None:
        """Drive the line; raises `StrikeError` when broken or closed."""
        with self._lock:
            if self._closed:
                raise StrikeError("the simulated line is closed; claim it again", fatal=True)
            if self.broken:
                raise StrikeError("the simulated line is broken; set broken to False")
            self._edges.append(Edge(self._clock.monotonic(), active))

    def close(self) -> None:
        """Inactive, then release the line; closing a closed line does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._edges.append(Edge(self._clock.monotonic(), False))
