"""What the daemon does once a day: old events go, and the audit chain's head goes to the journal."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Protocol

from doorguard.core.audit import Head
from doorguard.daemon.events import EventStamp
from doorguard.errors import DoorguardError

LOG = logging.getLogger(__name__)

DAY_S = 86400.0

UNSET_S = 3600.0
"""Pause while nobody has set the clock: a machine that starts anew every day must prune all the same."""


class AuditedLog(Protocol):
    """What of the store the upkeep needs."""

    def prune(self, before_utc: datetime, *, door: str = "", boot_id: str = "") -> int:
        """Delete older events and say so in the chain; with none, nothing is written."""
        ...

    def head(self) -> Head:
        """The last event's number and code."""
        ...


class Upkeep:
    """Called again and again on the loop's thread; works at the first call and then once a day.

    While nobody has set the clock it looks every `UNSET_S` whether somebody has.
    """

    def __init__(self, log: AuditedLog, stamp: EventStamp, keep_days: int) -> None:
        self._log, self._stamp, self._keep = log, stamp, timedelta(days=keep_days)
        self._due_s: float | None = None

    def __call__(self) -> None:
        """Prune and tell the head, if a day has passed; never raises."""
        clock = self._stamp.clock
        now_s = clock.monotonic()
        if self._due_s is not None and now_s < self._due_s:
            return
        is_set = clock.synced()
        self._due_s = now_s + (DAY_S if is_set else UNSET_S)
        try:
            # A clock that nobody has set might call every event old.
            if is_set:
                removed = self._log.prune(
                    clock.utc() - self._keep, door=self._stamp.door, boot_id=self._stamp.boot_id
                )
                if removed:
                    LOG.info("%d events older than %d days pruned", removed, self._keep.days)
            head = self._log.head()
            LOG.info("audit head %d:%s", head.event_id, head.mac.hex())
        except DoorguardError as error:
            LOG.error("upkeep of the event log failed: %s", error)
