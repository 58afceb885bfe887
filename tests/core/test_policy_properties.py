"""Whatever happens at the door, in whatever order: what the policy may never do.

The machine below shows frames, lets time pass, changes visitors, residents and the strike at random, and
keeps its own record of what it showed. Each decision is then held against that record, not against what the
policy says of itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from standins.doorstep import ANN, BEN, RULES, THRESHOLD

from doorguard.core.model import Comparison, QualityFault, ResidentId, Threshold
from doorguard.core.policy import Decision, Look, Outcome, Policy, PolicyRules, Reason, State

INTERRUPTED = {Reason.TRACK_BROKEN, Reason.CAMERA_LOST, Reason.STOPPING}


@dataclass(frozen=True)
class Shown:
    """A frame as it was shown, with what was in force at that moment."""

    look: Look
    now_s: float
    threshold: Threshold | None
    residents: int

    def speaks_for(self, resident_id: ResidentId, rules: PolicyRules) -> bool:
        """The rules of evidence, written down a second time."""
        seen = self.look.comparison
        return (
            seen is not None
            and self.threshold is not None
            and self.residents > 0
            and not self.look.faults
            and seen.nearest_id == resident_id
            and seen.distance_sq <= self.threshold.tau
            and seen.second_distance_sq - seen.distance_sq >= rules.margin
            and self.look.captured_s <= self.now_s <= self.look.captured_s + rules.frame_age_max_s + 1e-9
        )


distances = st.one_of(
    st.sampled_from([0.0, 0.5, 1.0, math.nextafter(1.0, 2.0), 1.4, math.inf, math.nan]), st.floats(0, 4)
)
comparisons = st.one_of(
    st.none(),
    st.just(Comparison(ANN, 0.5, BEN, 1.5)),
    st.just(Comparison(BEN, 0.5, ANN, 1.5)),
    st.builds(Comparison, st.sampled_from([ANN, BEN]), distances, st.none(), distances),
    st.just(Comparison(None, math.inf, None, math.inf)),
)
all_rules = st.builds(
    lambda frames, agree, **other: PolicyRules(frames=frames, agree=min(agree, frames), **other),
    frames=st.integers(1, 6),
    agree=st.integers(1, 6),
    window_s=st.sampled_from([0.3, 2.0]),
    attempts_per_visit=st.integers(1, 3),
    attempt_gap_s=st.sampled_from([0.0, 0.3, 3.0]),
    regrant_s=st.sampled_from([0.0, 0.5, 15.0]),
    frame_age_max_s=st.sampled_from([0.1, 0.5]),
    track_gap_s=st.sampled_from([0.0, 0.5, 5.0]),
    margin=st.sampled_from([0.0, 0.1]),
)


class AnyDay(RuleBasedStateMachine):
    """One door over one random day."""

    @initialize(rules=all_rules)
    def open_for_business(self, rules: PolicyRules) -> None:
        self.rules = rules
        self.policy = Policy(rules)
        self.policy.set_threshold(THRESHOLD, residents=2)
        self.threshold: Threshold | None = THRESHOLD
        self.residents = 2
        self.now_s = 1000.0
        self.sequence = 0
        self.track_id = 1
        self.released = False
        self.shown: list[Shown] = []
        self.decisions: list[Decision] = []
        self.not_relocked: set[ResidentId] = set()
        self.used_frames: set[float] = set()
        self.forgotten_at = dict.fromkeys((ANN, BEN), 0)

    @rule(
        comparison=comparisons,
        pause_s=st.sampled_from([0.0, 0.05, 0.1, 0.3, 1.0]),
        late_s=st.sampled_from([0.0, 0.0, 0.05, 0.1, 0.5, 0.6, -0.1]),
        ahead=st.sampled_from([1, 1, 1, 2, 0, -1]),
        faults=st.sampled_from([(), (), (), (QualityFault.BLURRED,)]),
    )
    def show(
        self,
        comparison: Comparison | None,
        pause_s: float,
        late_s: float,
        ahead: int,
        faults: tuple[QualityFault, ...],
    ) -> None:
        self.now_s += pause_s
        self.sequence += ahead
        look = Look(self.track_id, self.sequence, self.now_s - late_s, comparison, None, faults, {})
        if self.shown and self.shown[-1].look.track_id != self.track_id:
            self.forget_frames()
        self.shown.append(Shown(look, self.now_s, self.threshold, self.residents))
        self.step(look)

    @rule(resident=st.sampled_from([ANN, BEN]), count=st.integers(1, 4))
    def show_a_resident(self, resident: ResidentId, count: int) -> None:
        other = BEN if resident == ANN else ANN
        for _ in range(count):
            self.show(Comparison(resident, 0.5, other, 1.5), 0.1, 0.05, 1, ())

    @rule(resident=st.sampled_from([ANN, BEN]), ahead=st.sampled_from([0, 1]))
    def show_one_picture_many_times(self, resident: ResidentId, ahead: int) -> None:
        """A frozen camera: the same exposure, under the same number or under new ones."""
        other = BEN if resident == ANN else ANN
        for _ in range(self.rules.frames):
            self.show(Comparison(resident, 0.5, other, 1.5), 0.0, 0.0, ahead, ())

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.6, 3.0, 16.0]))
    def nobody(self, seconds: float) -> None:
        self.now_s += seconds
        if self.shown and self.now_s - self.shown[-1].now_s > self.rules.track_gap_s:
            self.forget_frames()
        self.step(None)

    @rule(track_id=st.integers(1, 4))
    def somebody_else(self, track_id: int) -> None:
        self.track_id = track_id

    @rule()
    def relock(self) -> None:
        self.released = False
        self.step(None)

    @rule()
    def release_by_hand(self) -> None:
        self.released = True

    @rule(tau=st.sampled_from([None, 0.4, 1.0, 1.2]), residents=st.sampled_from([0, 2, 2, 2]))
    def change_tau(self, tau: float | None, residents: int) -> None:
        self.threshold = None if tau is None else replace(THRESHOLD, tau=tau)
        self.residents = residents
        self.policy.set_threshold(self.threshold, residents)

    @rule(resident=st.sampled_from([ANN, BEN]))
    def forget(self, resident: ResidentId) -> None:
        decision = self.policy.forget(resident, self.now_s)
        assert decision is None or decision.reason is Reason.RESIDENT_REMOVED
        self.note(decision)
        self.forgotten_at[resident] = len(self.shown)

    @rule(reason=st.sampled_from([Reason.CAMERA_LOST, Reason.STOPPING]))
    def abort(self, reason: Reason) -> None:
        self.note(self.policy.abort(reason, self.now_s))
        self.forget_frames()

    def forget_frames(self) -> None:
        """The track is broken: no frame shown until now may count from here on."""
        self.forgotten_at = dict.fromkeys((ANN, BEN), len(self.shown))

    def step(self, look: Look | None) -> None:
        if not self.released:
            self.not_relocked.clear()
        self.note(self.policy.step(look, self.now_s, strike_released=self.released))

    def note(self, decision: Decision | None) -> None:
        if decision is None:
            return
        self.check(decision)
        self.decisions.append(decision)
        self.used_frames.update(frame.captured_s for frame in decision.frames)
        if decision.resident_id is not None:
            self.released = True
            self.not_relocked.add(decision.resident_id)

    def check(self, decision: Decision) -> None:
        assert (decision.outcome is Outcome.GRANTED) == (decision.grant is not None)
        assert 1 <= len(decision.frames) <= self.rules.frames
        assert not {frame.captured_s for frame in decision.frames} & self.used_frames
        assert 1 <= decision.attempt <= self.rules.attempts_per_visit
        self.check_pace(decision)
        if decision.grant is not None:
            self.check_evidence(decision)
            self.check_not_twice(decision)

    def check_evidence(self, decision: Decision) -> None:
        assert decision.grant is not None
        resident_id = decision.grant.resident_id
        assert resident_id is not None
        assert decision.resident_id == resident_id
        assert decision.grant.issued_s == decision.ended_s == self.now_s
        speaking = {
            shown.look.captured_s: shown
            for shown in self.shown[self.forgotten_at[resident_id] :]
            if shown.look.track_id == decision.track_id == self.track_id
            and shown.look.captured_s not in self.used_frames
            and decision.started_s <= shown.look.captured_s <= decision.started_s + self.rules.window_s
            and shown.speaks_for(resident_id, self.rules)
        }
        assert len(speaking) >= self.rules.agree
        assert self.shown[-1].look.captured_s in speaking, "granted at the frame that made it enough"

    def check_not_twice(self, decision: Decision) -> None:
        before = [each for each in self.decisions if each.resident_id == decision.resident_id]
        if before:
            assert decision.started_s >= before[-1].ended_s
            assert decision.ended_s - before[-1].ended_s >= self.rules.regrant_s - 1e-9
            assert decision.resident_id not in self.not_relocked

    def check_pace(self, decision: Decision) -> None:
        counted = [each for each in self.decisions if self.counts(each)]
        denied = [each for each in counted if each.outcome is Outcome.DENIED]
        if denied:
            assert decision.started_s >= denied[-1].ended_s + self.rules.attempt_gap_s
        of_this_visit = [each for each in counted if each.track_id == decision.track_id]
        assert len(of_this_visit) < self.rules.attempts_per_visit

    def counts(self, decision: Decision) -> bool:
        return decision.reason not in INTERRUPTED or len(decision.frames) >= self.rules.agree

    @invariant()
    def state_agrees_with_what_happened(self) -> None:
        state = self.policy.state
        if state is State.GRANTED:
            assert any(each.grant is not None for each in self.decisions)
        if state is State.DENIED:
            assert any(self.counts(each) for each in self.decisions)
        assert self.policy.last_decision is (self.decisions[-1] if self.decisions else None)


AnyDay.TestCase.settings = settings(max_examples=250, stateful_step_count=60, deadline=None)
TestAnyDay = AnyDay.TestCase


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(1.0, 4.0, exclude_min=True), min_size=1, max_size=60))
def test_stranger_beyond_tau_is_never_granted(stream: list[float]) -> None:
    policy = Policy(replace(RULES, attempt_gap_s=0.0, attempts_per_visit=100))
    policy.set_threshold(THRESHOLD, residents=2)
    for number, distance_sq in enumerate(stream):
        look = Look(1, number, number * 0.1, Comparison(ANN, distance_sq, None, math.inf), None, (), {})
        decision = policy.step(look, number * 0.1, strike_released=False)
        assert decision is None or decision.outcome is Outcome.DENIED


@settings(max_examples=200, deadline=None)
@given(st.lists(st.booleans(), min_size=5, max_size=5))
def test_one_window_is_granted_exactly_when_k_of_n_frames_match(hits: list[bool]) -> None:
    policy = Policy(RULES)
    policy.set_threshold(THRESHOLD, residents=1)
    decisions = []
    for number, hit in enumerate(hits):
        seen = Comparison(ANN, 0.5 if hit else 1.5, None, math.inf)
        look = Look(1, number, number * 0.1, seen, None, (), {})
        decisions.append(policy.step(look, number * 0.1, strike_released=False))
    (ended,) = [decision for decision in decisions if decision is not None]
    assert (ended.outcome is Outcome.GRANTED) == (sum(hits) >= RULES.agree)


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_fewer_than_k_matches_before_any_end_are_never_enough(stop: int) -> None:
    for reason in INTERRUPTED:
        policy = Policy(RULES)
        policy.set_threshold(THRESHOLD, residents=1)
        for number in range(stop):
            look = Look(1, number, number * 0.1, Comparison(ANN, 0.1, None, math.inf), None, (), {})
            assert policy.step(look, number * 0.1, strike_released=False) is None
        ended = policy.abort(reason, 1.0)
        assert (ended is None) == (stop == 0)
        assert ended is None or ended.grant is None
