"""The doorkeeper: carries decisions out, the strike first and then the record."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from doorguard.core.model import EventKind, ResidentId
from doorguard.core.policy import Decision, Policy, manual_grant
from doorguard.daemon.attempts import Models, attempt_detail
from doorguard.daemon.events import Recorder
from doorguard.daemon.faults import where
from doorguard.errors import StrikeError
from doorguard.ports import Clock, Strike

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DoorParts:
    """What the doorkeeper works with; `release_s` is the length of a pulse, `models` go into events."""

    strike: Strike
    recorder: Recorder
    clock: Clock
    models: Models
    release_s: float


class Doorkeeper:
    """Holds the strike on behalf of one `Policy`; `decisions` counts what was carried out."""

    def __init__(self, parts: DoorParts, policy: Policy) -> None:
        self.decisions = 0
        self._let_in: ResidentId | None = None
        self._stuck = False
        self._parts = parts
        self._policy = policy

    @property
    def released(self) -> bool:
        """Whether the strike is at its active level."""
        return self._parts.strike.released

    @property
    def fault(self) -> str | None:
        """Why the strike does not switch off, None while it obeys."""
        return self._parts.strike.fault

    def watch_strike(self) -> None:
        """Record once that the strike does not switch off: the door may stand open."""
        why = self.fault
        if why is not None and not self._stuck:
            self._parts.recorder.record(EventKind.STRIKE_FAULT, {"why": f"it does not switch off: {why}"})
        self._stuck = why is not None

    def carry_out(self, decision: Decision | None) -> None:
        """Release if it was granted, then record; None does nothing.

        The event is composed before the release, so that nothing can fail between release and record.
        """
        if decision is None:
            return
        detail = attempt_detail(decision, self._parts.models)
        if decision.grant is not None:
            try:
                self._parts.strike.release(decision.grant, self._parts.release_s)
            except Exception as error:  # noqa: BLE001  a strike that raises anything did not obey
                decision = self._strike_failed(error)
                detail |= {"outcome": decision.outcome.value, "reason": decision.reason.value}
            else:
                self._let_in = decision.resident_id
        self.decisions += 1
        self._parts.recorder.record(EventKind.ATTEMPT, detail, decision.resident_id)
        _log(decision)

    def unlock(self, reason: str, actor: str) -> float:
        """Release by hand and return for how many seconds; needs neither camera nor gallery nor store.

        Raises
        ------
        UsageError : no reason.
        StrikeError : the strike did not obey.

        """
        parts = self._parts
        grant = manual_grant(reason=reason, actor=actor, now_s=parts.clock.monotonic())
        try:
            parts.strike.release(grant, parts.release_s)
        except StrikeError as error:
            parts.recorder.record(EventKind.STRIKE_FAULT, {"why": str(error), "actor": actor})
            raise
        detail = {"reason": grant.reason, "actor": grant.actor, "release_s": parts.release_s}
        parts.recorder.record(EventKind.MANUAL_RELEASE, detail)
        LOG.info("released by hand by %s", actor)
        return parts.release_s

    def forget(self, resident_id: ResidentId) -> None:
        """Shut out a resident who was removed or disabled now, even if he was let in a moment ago."""
        if resident_id == self._let_in:
            self._parts.strike.relock()
        self.carry_out(self._policy.forget(resident_id, self._parts.clock.monotonic()))

    def _strike_failed(self, error: Exception) -> Decision:
        self._parts.strike.relock()
        why = str(error) if isinstance(error, StrikeError) else where(error)
        LOG.error("the strike did not obey: %s", why)
        self._parts.recorder.record(EventKind.STRIKE_FAULT, {"why": why})
        return self._policy.strike_failed(self._parts.clock.monotonic())


def _log(decision: Decision) -> None:
    best = decision.best
    LOG.info(
        "attempt %d of track %d %s: %s, nearest %s at %.3f, %d frames in %.0f ms",
        decision.attempt,
        decision.track_id,
        decision.outcome,
        decision.reason,
        best.nearest_id,
        best.distance_sq,
        len(decision.frames),
        (decision.ended_s - decision.started_s) * 1e3,
    )
