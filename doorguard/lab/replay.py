"""Decide stored attempts again, at another tau: what would have changed at this door.

An event holds the distances of every frame that counted, so the rules of `core.policy` can be applied to it
again: what each frame is worth (`core.evidence`) and when an attempt is won or lost (`core.attempt`). Each
attempt is judged alone, as it was recorded. What a changed decision would have led to (a further attempt, a
shorter wait) is not followed, and where an attempt ended earlier than it would have now, the frames that were
never looked at leave it open.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from doorguard.core.attempt import Attempt, Visit
from doorguard.core.decision import PolicyRules, Reason
from doorguard.core.evidence import judge
from doorguard.core.model import ModelId, ResidentId, StoredEvent, Threshold
from doorguard.core.threshold import FIXED
from doorguard.core.words import REASON_WORDS
from doorguard.errors import UsageError
from doorguard.lab.recorded import Recorded, Verdict, read_attempts

_SINCE = re.compile(r"(\d{1,5})\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NOTHING_MORE_CAME = frozenset(
    {
        Reason.TOO_FEW_FRAMES,
        Reason.TRACK_BROKEN,
        Reason.CAMERA_LOST,
        Reason.STOPPING,
        Reason.RESIDENT_REMOVED,
        Reason.NO_TEMPLATES,
    }
)
"""Attempts that ended so had no frames left to look at, whatever tau was."""


@dataclass(frozen=True, slots=True)
class Change:
    """One attempt that ends otherwise at the other tau; `resident_id` is whom it lets in, or let in."""

    event_id: int
    at_utc: datetime
    was: Verdict
    now: Verdict
    reason: str
    resident_id: ResidentId | None
    nearest_sq: float | None

    def as_json(self) -> dict[str, object]:
        """JSON values; an id, never a name."""
        return {
            "id": self.event_id,
            "at": self.at_utc.isoformat(timespec="milliseconds"),
            "was": self.was.value,
            "now": self.now.value,
            "reason": self.reason,
            "resident": self.resident_id,
            "nearest_sq": self.nearest_sq,
        }


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What replay found.

    Parameters
    ----------
    tau, since : asked for.
    counts : attempts by what they were and are, `granted → denied` and so on.
    changes : those that changed, oldest first.
    other_model : attempts of another encoder, whose distances mean nothing here.
    unreadable : attempts whose detail this release does not understand.
    other_rules : attempts that the rules in force now decide otherwise at their own tau already.

    """

    tau: float
    since: datetime
    counts: Mapping[tuple[Verdict, Verdict], int]
    changes: tuple[Change, ...]
    other_model: int
    unreadable: int
    other_rules: int

    def as_json(self) -> dict[str, object]:
        """The contract of `replay --json`."""
        return {
            "tau": self.tau,
            "since": self.since.isoformat(timespec="seconds"),
            "attempts": sum(self.counts.values()),
            "counts": {f"{was} to {now}": count for (was, now), count in sorted(self.counts.items())},
            "changes": [each.as_json() for each in self.changes],
            "other_model": self.other_model,
            "unreadable": self.unreadable,
            "decided_by_other_rules": self.other_rules,
        }

    def as_text(self, names: Mapping[ResidentId, str]) -> str:
        """Say it to a person; times are local."""
        lines = [
            f"{sum(self.counts.values()):,} attempts since {self.since.astimezone():%Y-%m-%d %H:%M}, at tau"
            f" {self.tau:.4f}:"
        ]
        lines += [f"{count:>8,}  {was} then, {now} now" for (was, now), count in sorted(self.counts.items())]
        for each in self.changes:
            who = "nobody" if each.resident_id is None else names.get(each.resident_id, each.resident_id)
            near = "" if each.nearest_sq is None else f", nearest D {each.nearest_sq:.3f}"
            lines.append(
                f"{each.event_id:>6}  {each.at_utc.astimezone():%Y-%m-%d %H:%M:%S}  {each.was} → {each.now}:"
                f" {who}{near} ({each.reason})"
            )
        for count, what in (
            (self.other_model, "left out: distances of another encoder"),
            (self.unreadable, "left out: not readable by this release"),
            (self.other_rules, "decided by other settings than those in force now"),
        ):
            lines += [f"{count:>8,}  {what}"] if count else []
        return "\n".join(lines)


def parse_since(text: str) -> timedelta:
    """Return the time span `30d`, `12h`, `45m` or `2w` stands for; raises `UsageError`."""
    found = _SINCE.fullmatch(text.strip().lower())
    if found is None or not int(found[1]):
        raise UsageError(f"{text!r} is no time span; give a number and m, h, d or w, such as 30d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def replay(
    events: Iterable[StoredEvent], since: datetime, rules: PolicyRules, *, tau: float, model_id: ModelId
) -> ReplayReport:
    """Decide every attempt since then again.

    Parameters
    ----------
    events : the log, oldest first; events before `since` still say who had just been let in.
    since : aware.
    rules : in force now.
    tau : 0 to 4; a distance is known to six decimals, as the log keeps it.
    model_id : the encoder tau belongs to.

    Raises
    ------
    UsageError : tau is no distance.

    """
    if not 0.0 < tau <= 4.0:
        raise UsageError(f"tau {tau} is no squared distance of two encodings; give a number up to 4")
    counts: Counter[tuple[Verdict, Verdict]] = Counter()
    changes: list[Change] = []
    other_model = unreadable = other_rules = 0
    for recorded in read_attempts(events, rules.regrant_s):
        if recorded is None:
            unreadable += 1
        elif recorded.at_utc < since:
            continue
        elif recorded.model_id != model_id:
            other_model += 1
        else:
            verdict, reason, winner = decide(recorded, rules, tau)
            counts[recorded.verdict, verdict] += 1
            if verdict is not recorded.verdict:
                changes.append(_change(recorded, verdict, reason, winner))
            if recorded.tau is not None:
                other_rules += decide(recorded, rules, recorded.tau)[0] is not recorded.verdict
    return ReplayReport(tau, since, counts, tuple(changes), other_model, unreadable, other_rules)


def decide(recorded: Recorded, rules: PolicyRules, tau: float) -> tuple[Verdict, Reason, ResidentId | None]:
    """Return what the rules make of an attempt at this tau, why, and whom they let in."""
    threshold = Threshold(tau, None, None, FIXED, 0)
    attempt = Attempt(rules, Visit(0), 1, 0.0)
    for look, comparison in recorded.looks:
        if attempt.over(look.captured_s):
            return Verdict.DENIED, attempt.shortfall, None
        why = judge(comparison, threshold, margin=rules.margin, cooling=recorded.cooling)
        attempt.add(look, comparison, why)
        if (winner := attempt.winner) is not None:
            return Verdict.GRANTED, Reason.MATCH, winner
        if attempt.hopeless:
            return Verdict.DENIED, attempt.shortfall, None
    ended = recorded.reason in _NOTHING_MORE_CAME
    return (Verdict.DENIED if ended else Verdict.OPEN), recorded.reason, None


def _change(recorded: Recorded, verdict: Verdict, reason: Reason, winner: ResidentId | None) -> Change:
    nearest = min(comparison.distance_sq for _, comparison in recorded.looks)
    words = REASON_WORDS[reason] if verdict is not Verdict.OPEN else "frames that came later are not known"
    return Change(
        event_id=recorded.event_id,
        at_utc=recorded.at_utc,
        was=recorded.verdict,
        now=verdict,
        reason=words,
        resident_id=winner or recorded.resident_id,
        nearest_sq=nearest if math.isfinite(nearest) else None,
    )
