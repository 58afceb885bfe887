"""The recorder: events go into a bounded queue and from there, on a thread of its own, into the log.

The strike never waits for a disk. When the log refuses (a full disk, a store that does not open), events
stay queued in memory, an alarm is raised, and the write is tried again; when the queue is full the oldest
is dropped and counted, and the count is written as soon as the log takes anything.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from doorguard.core.model import Event, EventKind, ResidentId
from doorguard.daemon.faults import where
from doorguard.errors import DoorguardError
from doorguard.ports import Clock, EventLog

LOG = logging.getLogger(__name__)

RETRY_S = 5.0
"""Pause between two tries to write while the log refuses."""


@dataclass(frozen=True, slots=True)
class EventStamp:
    """Makes events of one door and one boot."""

    clock: Clock
    door: str
    boot_id: str

    def make(
        self, kind: EventKind, detail: Mapping[str, object], resident_id: ResidentId | None = None
    ) -> Event:
        """Return an event that happened now."""
        clock = self.clock
        return Event(
            kind, clock.utc(), clock.monotonic(), clock.synced(), self.boot_id, self.door, resident_id, detail
        )


@dataclass(frozen=True, slots=True)
class RecorderHealth:
    """How the log is: `alarm` is one line while it refuses, else empty; `lost` counts dropped events."""

    queued: int
    lost: int
    alarm: str


class Recorder:
    """Queue in front of an `EventLog`; `put` never blocks on it and never raises."""

    def __init__(
        self, log: EventLog, stamp: EventStamp, queue_max: int, ring: Callable[[], None] = lambda: None
    ) -> None:
        self._log, self._stamp, self._ring = log, stamp, ring
        self._queue: deque[Event] = deque()
        self._queue_max = queue_max
        self._lost = 0
        self._alarm = ""
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def record(
        self, kind: EventKind, detail: Mapping[str, object], resident_id: ResidentId | None = None
    ) -> None:
        """Queue an event that happened now."""
        self.put(self._stamp.make(kind, detail, resident_id))

    def put(self, event: Event) -> None:
        """Queue an event; the oldest is dropped when `queue_max` wait already."""
        with self._lock:
            if len(self._queue) >= self._queue_max:
                self._queue.popleft()
                self._lost += 1
            self._queue.append(event)
        self._work.set()

    @property
    def health(self) -> RecorderHealth:
        """How the log is now."""
        with self._lock:
            return RecorderHealth(len(self._queue), self._lost, self._alarm)

    def drain(self) -> bool:
        """Write what is queued, oldest first; False when the log refused and events are left."""
        while True:
            with self._lock:
                event = self._queue[0] if self._queue else None
            if event is None:
                return True
            try:
                self._log.append(event)
            except (TypeError, ValueError) as error:
                # No log will ever take this one; kept, it would keep all others waiting for ever.
                LOG.error("an event of kind %s cannot be stored: %s", event.kind, where(error))
                with self._lock:
                    self._lost += 1
            except Exception as error:  # noqa: BLE001  whatever a log raises, the thread must live on
                self._refused(str(error) if isinstance(error, DoorguardError) else where(error))
                return False
            else:
                self._accepted()
            with self._lock:
                # Overflow may have dropped this very event while it was being written.
                if self._queue and self._queue[0] is event:
                    self._queue.popleft()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Write what can be written and end; False when a write did not return within `timeout_s`."""
        self._stopping = True
        self._work.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        left = self.health.queued
        if left:
            LOG.error("%d events could not be written and are lost with this process", left)
        return not self._thread.is_alive()

    def _run(self) -> None:
        written, stopping = True, False
        while not stopping:
            self._work.wait(None if written else RETRY_S)
            self._work.clear()
            # Read after `clear`: `stop` sets the flag before it sets the event.
            stopping = self._stopping
            written = self.drain()

    def _refused(self, why: str) -> None:
        first = not self._alarm
        self._alarm = why
        if first:
            LOG.critical("ALARM: events cannot be written: %s", why)
            self.record(EventKind.STORE_FULL, {"why": why})
            self._ring()

    def _accepted(self) -> None:
        if not self._alarm:
            return
        LOG.warning("events are written again")
        with self._lock:
            self._alarm, lost, self._lost = "", self._lost, 0
        self.record(EventKind.STORE_BACK, {"lost": lost})
        self._ring()
