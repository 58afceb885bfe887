"""What the visits came to: attempts, from the daemon or from its log, beside what was expected of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doorguard.adapters.simulated.visits import Expected, Script, Visit
from doorguard.core.model import EventKind, StoredEvent
from doorguard.core.policy import Decision, Outcome

Names = Mapping[str, str]
"""Resident ids to names."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at the door.

    Parameters
    ----------
    at_s : monotonic seconds of the decision.
    granted : whether the door was opened.
    reason : the decision's word.
    who : name of the resident it was opened for; None when denied.
    nearest : name of the nearest resident.
    distances_sq : squared distance of each frame to its nearest resident, 0 to 4, in order.
    tau : the threshold in force, None without one.

    """

    at_s: float
    granted: bool
    reason: str
    who: str | None
    nearest: str | None
    distances_sq: tuple[float, ...]
    tau: float | None

    @property
    def best_sq(self) -> float | None:
        """The smallest distance; None where there was nobody to compare with."""
        return min(self.distances_sq, default=None)


def attempt_of_decision(decision: Decision, names: Names) -> Attempt:
    """Read a decision of the running daemon."""
    return Attempt(
        decision.ended_s,
        decision.outcome is Outcome.GRANTED,
        decision.reason.value,
        _name(decision.resident_id, names),
        _name(decision.best.nearest_id, names),
        tuple(frame.distance_sq for frame in decision.frames if frame.nearest_id is not None),
        None if decision.threshold is None else decision.threshold.tau,
    )


def attempts_in_log(events: Iterable[StoredEvent], names: Names) -> list[Attempt]:
    """Read the attempts among the events of an audit log, in their order."""
    attempts = []
    for stored in events:
        if stored.event.kind is EventKind.ATTEMPT:
            attempts.append(_attempt_of_event(stored, names))
    return attempts


def _attempt_of_event(stored: StoredEvent, names: Names) -> Attempt:
    detail: Mapping[str, Any] = stored.event.detail
    granted = detail["outcome"] == Outcome.GRANTED.value
    return Attempt(
        stored.event.monotonic_s,
        granted,
        detail["reason"],
        _name(stored.event.resident_id, names) if granted else None,
        _name(detail["nearest"]["resident"], names),
        tuple(frame["d"] for frame in detail["frames"] if frame["d"] is not None),
        detail["tau"],
    )


def _name(resident_id: str | None, names: Names) -> str | None:
    return None if resident_id is None else names.get(resident_id, resident_id)


@dataclass(frozen=True, slots=True)
class VisitResult:
    """One visit of the script and the attempts made during it; `person` is who should have been let in."""

    visit: Visit
    person: str | None
    attempts: tuple[Attempt, ...]

    @property
    def decided(self) -> Expected:
        """What the door did."""
        if any(attempt.granted for attempt in self.attempts):
            return Expected.GRANTED
        return Expected.DENIED if self.attempts else Expected.NOTHING

    @property
    def agrees(self) -> bool:
        """Whether the door did what was expected, and for the right person."""
        opened_for = {attempt.who for attempt in self.attempts if attempt.granted}
        return self.decided is self.visit.expected and opened_for <= {self.person}

    @property
    def telling(self) -> Attempt | None:
        """The attempt that tells most: the grant, else the one that came nearest."""
        order = sorted(
            self.attempts, key=lambda each: (not each.granted, min(each.distances_sq, default=4.0))
        )
        return order[0] if order else None


def sort_by_visit(
    script: Script, people: Mapping[str, str], attempts: Sequence[Attempt], zero_s: float
) -> list[VisitResult]:
    """Give each attempt to the visit that had begun last when it was decided.

    Parameters
    ----------
    script : the visits.
    people : who a visit's `person` is, by name.
    attempts : in the order they were made.
    zero_s : monotonic seconds of the script's start.

    """
    starts = [zero_s + start for start in script.starts()]
    ends = [*starts[1:], float("inf")]
    results = []
    for visit, start, end in zip(script.visits, starts, ends, strict=True):
        made = tuple(attempt for attempt in attempts if start <= attempt.at_s < end)
        results.append(VisitResult(visit, people[visit.person] if visit.person else None, made))
    return results
