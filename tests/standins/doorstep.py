"""A doorstep for the policy's tests: a clock, a strike and a visitor, and words for what happens there."""

from __future__ import annotations

from dataclasses import replace

from doorguard.core.model import Comparison, QualityFault, ResidentId, Threshold
from doorguard.core.policy import Decision, Look, Policy, PolicyRules, State

ANN, BEN = ResidentId("a" * 16), ResidentId("b" * 16)
TAU = 1.0
THRESHOLD = Threshold(TAU, 1e-5, 0.2, "measured", 2)
RULES = PolicyRules(
    frames=5,
    agree=3,
    window_s=2.0,
    attempts_per_visit=3,
    attempt_gap_s=3.0,
    regrant_s=15.0,
    frame_age_max_s=0.5,
    track_gap_s=0.5,
    margin=0.1,
)

MATCHES_ANN = Comparison(ANN, 0.5, BEN, 1.5)
MATCHES_BEN = Comparison(BEN, 0.5, ANN, 1.5)
STRANGER = Comparison(ANN, 1.4, BEN, 1.5)
BETWEEN = Comparison(ANN, 0.5, BEN, 0.55)
NAN = Comparison(ANN, float("nan"), BEN, 1.5)


class Doorstep:
    """Runs a policy frame by frame; frames come every `step_s` and are decided on `late_s` later."""

    def __init__(self, rules: PolicyRules = RULES, *, step_s: float = 0.1, **changes: float) -> None:
        self.policy = Policy(replace(rules, **changes))  # type: ignore[arg-type]
        self.policy.set_threshold(THRESHOLD, residents=2)
        self.now_s = 100.0
        self.sequence = 0
        self.track_id = 1
        self.released = False
        self.step_s = step_s

    @property
    def state(self) -> State:
        return self.policy.state

    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    def look(
        self,
        comparison: Comparison | None,
        *faults: QualityFault,
        late_s: float = 0.05,
        captured_s: float | None = None,
        sequence: int | None = None,
    ) -> Decision | None:
        """Show one frame, and release the strike if it is granted."""
        self.now_s += self.step_s
        self.sequence = self.sequence + 1 if sequence is None else sequence
        captured_s = self.now_s - late_s if captured_s is None else captured_s
        shown = Look(self.track_id, self.sequence, captured_s, comparison, None, faults, {"encode": 1.0})
        decision = self.policy.step(shown, self.now_s, strike_released=self.released)
        if decision is not None and decision.grant is not None:
            self.released = True
        return decision

    def looks(self, *comparisons: Comparison | None) -> list[Decision]:
        """Show frames and return the decisions they led to."""
        return [decision for each in comparisons if (decision := self.look(each)) is not None]

    def tick(self, seconds: float = 0.0) -> Decision | None:
        """Let time pass with nobody in the frame."""
        self.wait(seconds)
        return self.policy.step(None, self.now_s, strike_released=self.released)

    def relock(self) -> None:
        self.released = False
        self.tick()

    def next_visitor(self) -> None:
        self.track_id += 1
