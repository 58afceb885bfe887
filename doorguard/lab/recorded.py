"""Attempts as the log has them: what was decided, and the distances it was decided by."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from doorguard.core.decision import Look, Outcome, Reason
from doorguard.core.model import Comparison, EventKind, ModelId, ResidentId, StoredEvent


class Verdict(StrEnum):
    """What an attempt comes to."""

    GRANTED = "granted"
    DENIED = "denied"
    OPEN = "open"
    """It would have gone on, and what came then is not known."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One attempt as the log has it.

    Parameters
    ----------
    event_id, at_utc, resident_id : of the event; the resident who was let in, or None.
    verdict, reason : what was decided, the strike's obedience aside.
    model_id : whose distances these are.
    tau : in force then; None where none was.
    looks : the frames that counted.
    cooling : residents who had been let in a moment before.

    """

    event_id: int
    at_utc: datetime
    resident_id: ResidentId | None
    verdict: Verdict
    reason: Reason
    model_id: ModelId
    tau: float | None
    looks: tuple[tuple[Look, Comparison], ...]
    cooling: frozenset[ResidentId]


def read_attempts(events: Iterable[StoredEvent], regrant_s: float) -> Iterable[Recorded | None]:
    """Yield the attempts of a log; None for one that cannot be understood."""
    granted: dict[tuple[str, ResidentId], float] = {}
    for stored in events:
        event = stored.event
        if event.kind is not EventKind.ATTEMPT:
            continue
        began_s = event.monotonic_s - (_number(event.detail.get("duration_ms")) or 0.0) / 1e3
        just_now = {
            who for (boot, who), at in granted.items() if boot == event.boot_id and began_s - at < regrant_s
        }
        try:
            yield _read(stored, just_now)
        except (KeyError, TypeError, ValueError):
            yield None
        if event.detail.get("outcome") == Outcome.GRANTED and event.resident_id is not None:
            granted[event.boot_id, event.resident_id] = event.monotonic_s


def _read(stored: StoredEvent, just_let_in: Container[ResidentId]) -> Recorded:
    event, detail = stored.event, stored.event.detail
    frames: Sequence[Mapping[str, Any]] = detail["frames"]  # type: ignore[assignment]
    reason = Reason(str(detail["reason"]))
    looks = tuple(_look(frame) for frame in frames)
    if not looks:
        raise ValueError("an attempt has a frame at least")
    said = [(ResidentId(frame["nearest"]), Reason(frame["why"])) for frame in frames if frame["nearest"]]
    matched = {who for who, why in said if why is Reason.MATCH}
    # The log says so itself where it can; times alone may be off by the moment it took to write them.
    cooling = {who for who, _ in said if who in just_let_in and who not in matched}
    cooling |= {who for who, why in said if why is Reason.COOLING_DOWN}
    obeyed = reason in (Reason.MATCH, Reason.STRIKE_FAILED)
    return Recorded(
        stored.event_id,
        event.at_utc,
        event.resident_id,
        Verdict.GRANTED if obeyed else Verdict.DENIED,
        reason,
        ModelId(str(detail["model"])),
        _number(detail["tau"]),
        looks,
        frozenset(cooling),
    )


def _look(frame: Mapping[str, Any]) -> tuple[Look, Comparison]:
    nearest = frame["nearest"]
    comparison = Comparison(
        None if nearest is None else ResidentId(str(nearest)),
        _distance(frame["d"]),
        None,
        _distance(frame["d2"]),
    )
    captured_s = float(frame["t_ms"]) / 1e3
    return Look(0, int(frame["sequence"]), captured_s, comparison, None, (), {}), comparison


def _distance(value: object) -> float:
    """Return a distance as it was measured: null stands for nobody to compare with."""
    return math.inf if value is None else float(value)  # type: ignore[arg-type]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
