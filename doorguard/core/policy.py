"""Whether the door opens. This module stands between a stranger and the door, and makes every `Grant`.

The rules
---------
1. **Evidence.** A frame counts when it is fresh (at most `frame_age_max_s` old, newer than every frame
   before it), shows a face worth encoding, and its distances are numbers. It speaks for the nearest
   resident when `D <= tau` and the second resident is at least `margin` farther away (`core.evidence`).
2. **Attempt.** At most n (`frames`) counting frames of one visitor within `window_s` of the first. The k-th
   (`agree`) that speaks for the same resident grants at once. It is denied as soon as k is out of reach or
   time is up.
3. **Visit.** One track is one visit. When the visitor is replaced, or out of sight for more than
   `track_gap_s`, the attempt in progress is denied. After `attempts_per_visit` attempts the door pauses
   until he has left.
4. **Pace.** After a denied attempt no new one begins for `attempt_gap_s`, whoever stands there.
5. **Not twice.** A resident who was let in is not granted again for `regrant_s` and until the strike has
   relocked; his face then begins no attempt. Another resident may be let in meanwhile.
6. **Nothing in force.** Without a tau or without a template every attempt is denied at its first frame.

An attempt that is interrupted from outside (3, camera lost, stopping) with fewer than k frames could not
have been granted. It is still an event, but uses up no attempt and starts no gap, so that a passer-by costs
the resident behind him nothing.

Each frame is judged with the tau in force when it arrives. That keeps the promise when the gallery changes
in mid-attempt: n · T · FMR / k is the same for every T (`core.threshold.comparison_fmr`).

How a step runs
---------------
`step` takes one frame's look, or None for a frame without a face or a mere tick of the clock, and returns
at most one decision; a frame that ends one attempt begins no other. An exception leaves it without a
decision, and without a decision there is no grant. Comparisons of times are put so that a value that is not
a number denies.

"""

from __future__ import annotations

from dataclasses import replace

from doorguard.core.attempt import Attempt, Visit
from doorguard.core.decision import (
    Decision,
    FrameVerdict,
    Look,
    Outcome,
    PolicyRules,
    Reason,
    State,
)
from doorguard.core.evidence import LONG_AGO_S, Evidence, judge
from doorguard.core.model import Comparison, Grant, ResidentId, Threshold
from doorguard.errors import UsageError

__all__ = [
    "Decision",
    "FrameVerdict",
    "Look",
    "Outcome",
    "Policy",
    "PolicyRules",
    "Reason",
    "State",
    "manual_grant",
]

NO_TRACK = -1
VISITS_REMEMBERED = 64
"""Far more than faces fit into one picture; two who take turns in front do not refill their attempts."""
INTERRUPTIONS = frozenset({Reason.TRACK_BROKEN, Reason.CAMERA_LOST, Reason.STOPPING})


def manual_grant(*, reason: str, actor: str, now_s: float) -> Grant:
    """Return permission for a release by hand; raises `UsageError` unless it says why and who."""
    if not reason.strip() or not actor.strip():
        raise UsageError("a release by hand needs a reason and an actor: give --reason TEXT")
    return Grant(resident_id=None, reason=reason.strip(), actor=actor.strip(), issued_s=now_s)


class Policy:
    """The decision about every visitor of one door. Not thread-safe; reads no clock.

    `state` says where the door stands after the last call, `last_decision` how the last attempt ended.
    """

    def __init__(self, rules: PolicyRules) -> None:
        self.state = State.IDLE
        self.last_decision: Decision | None = None
        self._rules = rules
        self._evidence = Evidence(rules)
        self._threshold: Threshold | None = None
        self._why_shut = Reason.NO_THRESHOLD
        self._visit = Visit(NO_TRACK)
        self._visits: dict[int, Visit] = {}
        self._attempt: Attempt | None = None
        self._next_attempt_s = LONG_AGO_S
        self._granted_s: dict[ResidentId, float] = {}
        self._awaits_relock = False

    def set_threshold(self, threshold: Threshold | None, residents: int) -> None:
        """Put a tau in force for a gallery of so many residents; None denies everybody."""
        self._threshold = threshold if residents > 0 else None
        self._why_shut = Reason.NO_THRESHOLD if residents > 0 else Reason.NO_TEMPLATES

    def step(self, look: Look | None, now_s: float, *, strike_released: bool) -> Decision | None:
        """Take the next look at the visitor, and decide if it is time to.

        Parameters
        ----------
        look
            the visitor's face; None for a frame without one, or when only time has passed.
        now_s
            monotonic seconds.
        strike_released
            whether the strike is at its active level.

        """
        self._follow_strike(now_s, strike_released)
        decision = self._follow_visitor(look, now_s)
        if decision is None and look is not None:
            decision = self._weigh(look, now_s)
        if decision is None:
            decision = self._expire(now_s)
        self._show_state(now_s)
        return decision

    def forget(self, resident_id: ResidentId, now_s: float) -> Decision | None:
        """End the visit in progress if a frame of it speaks for this resident, removed or disabled now."""
        attempt, decision = self._attempt, None
        if attempt is not None and resident_id in attempt.matches:
            decision = self._deny(attempt, Reason.RESIDENT_REMOVED, now_s)
            attempt.visit.attempts = self._rules.attempts_per_visit
        self._show_state(now_s)
        return decision

    def abort(self, reason: Reason, now_s: float) -> Decision | None:
        """End the visit: the camera is lost or the daemon stops. The next frame may be numbered anew."""
        decision = self._interrupt(reason, now_s)
        self._show_state(now_s)
        return decision

    def strike_failed(self, now_s: float) -> Decision:
        """Record that the strike did not obey the last grant, and let its resident try again.

        Raises
        ------
        ValueError : the last attempt was not granted.

        """
        granted = self.last_decision
        if granted is None or granted.outcome is not Outcome.GRANTED:
            raise ValueError("the strike cannot have failed: the last attempt was not granted")
        self._granted_s = {who: at for who, at in self._granted_s.items() if who != granted.resident_id}
        self._awaits_relock = False
        self._next_attempt_s = now_s + self._rules.attempt_gap_s
        failed = replace(granted, outcome=Outcome.DENIED, reason=Reason.STRIKE_FAILED, grant=None)
        self.last_decision = failed
        self._show_state(now_s)
        return failed

    # What has happened since the last step.

    def _follow_strike(self, now_s: float, released: bool) -> None:
        """Let cool-downs end, but none while the strike is released (rule 5)."""
        if released:
            return
        self._awaits_relock = False
        regrant_s = self._rules.regrant_s
        self._granted_s = {who: at for who, at in self._granted_s.items() if not now_s - at >= regrant_s}

    def _follow_visitor(self, look: Look | None, now_s: float) -> Decision | None:
        """Begin, continue or end the visit (rule 3)."""
        if look is None:
            still_there = now_s - self._visit.seen_s <= self._rules.track_gap_s
            return None if still_there else self._interrupt(Reason.TRACK_BROKEN, now_s)
        decision = None
        if look.track_id != self._visit.track_id:
            decision = self._interrupt(Reason.TRACK_BROKEN, now_s)
            self._visit = self._visits.pop(look.track_id, Visit(look.track_id))
            self._visits[look.track_id] = self._visit
            if len(self._visits) > VISITS_REMEMBERED:
                del self._visits[next(iter(self._visits))]
        self._visit.present, self._visit.seen_s = True, now_s
        return decision

    def _interrupt(self, reason: Reason, now_s: float) -> Decision | None:
        self._visit.present = False
        self._evidence.renumber()
        return None if self._attempt is None else self._deny(self._attempt, reason, now_s)

    # What the frame says.

    def _weigh(self, look: Look, now_s: float) -> Decision | None:
        """Add a look to the attempt, beginning one where that is allowed, and end it if that decides it."""
        comparison, lacks = self._evidence.take(look, now_s)
        if comparison is None:
            if self._attempt is not None:
                self._attempt.skipped.update(lacks)
            return None
        if self._attempt is not None and self._attempt.over(look.captured_s):
            return self._deny(self._attempt, self._attempt.shortfall, now_s)
        why = self._judge(comparison)
        attempt = self._attempt or self._begin(look, why)
        if attempt is None:
            return None
        attempt.add(look, comparison, why)
        if (winner := attempt.winner) is not None:
            return self._grant(attempt, winner, now_s)
        return self._deny(attempt, attempt.shortfall, now_s) if attempt.hopeless else None

    def _judge(self, comparison: Comparison) -> Reason:
        if self._threshold is None:
            return self._why_shut
        return judge(comparison, self._threshold, margin=self._rules.margin, cooling=self._granted_s)

    def _begin(self, look: Look, why: Reason) -> Attempt | None:
        """Begin an attempt with this look unless the visit, the pace or a cool-down forbids it (3, 4, 5)."""
        visit = self._visit
        just_let_in = visit.granted_id in self._granted_s and why is not Reason.MATCH
        if (
            visit.attempts < self._rules.attempts_per_visit
            and look.captured_s >= self._next_attempt_s
            and why is not Reason.COOLING_DOWN
            and not just_let_in
        ):
            self._attempt = Attempt(self._rules, visit, visit.attempts + 1, look.captured_s)
        return self._attempt

    def _expire(self, now_s: float) -> Decision | None:
        """Deny the attempt when no frame that counts can come any more."""
        attempt = self._attempt
        if attempt is None:
            return None
        if self._threshold is None:
            return self._deny(attempt, self._why_shut, now_s)
        oldest_s = now_s - self._rules.frame_age_max_s
        return self._deny(attempt, attempt.shortfall, now_s) if attempt.over(oldest_s) else None

    # How an attempt ends.

    def _grant(self, attempt: Attempt, winner: ResidentId, now_s: float) -> Decision:
        grant = Grant(resident_id=winner, reason="face", actor="door", issued_s=now_s)
        attempt.visit.attempts += 1
        attempt.visit.granted_id = winner
        self._granted_s[winner] = now_s
        self._awaits_relock = True
        return self._conclude(attempt, Reason.MATCH, now_s, grant=grant)

    def _deny(self, attempt: Attempt, reason: Reason, now_s: float) -> Decision:
        could_have_won = len(attempt.frames) >= self._rules.agree
        if could_have_won or reason not in INTERRUPTIONS:
            attempt.visit.attempts += 1
            self._next_attempt_s = now_s + self._rules.attempt_gap_s
        return self._conclude(attempt, reason, now_s, grant=None)

    def _conclude(self, attempt: Attempt, reason: Reason, now_s: float, *, grant: Grant | None) -> Decision:
        self._attempt = None
        self.last_decision = Decision(
            outcome=Outcome.DENIED if grant is None else Outcome.GRANTED,
            reason=reason,
            resident_id=None if grant is None else grant.resident_id,
            grant=grant,
            threshold=self._threshold,
            frames=tuple(attempt.frames),
            skipped=dict(attempt.skipped),
            track_id=attempt.visit.track_id,
            started_s=attempt.started_s,
            ended_s=now_s,
            attempt=attempt.number,
        )
        return self.last_decision

    def _show_state(self, now_s: float) -> None:
        """Name where the door stands, out of what is known; no rule reads it."""
        visit = self._visit
        used_up = visit.attempts >= self._rules.attempts_per_visit
        if self._attempt is not None:
            self.state = State.DECIDING
        elif self._awaits_relock:
            self.state = State.GRANTED
        elif now_s < self._next_attempt_s:
            self.state = State.DENIED
        elif not visit.present:
            self.state = State.IDLE
        elif used_up or visit.granted_id in self._granted_s:
            self.state = State.PAUSED
        else:
            self.state = State.LOOKING
