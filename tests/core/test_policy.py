"""The policy, rule by rule; the numbers in the section heads are those of its docstring."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from standins.doorstep import (
    ANN,
    BEN,
    BETWEEN,
    MATCHES_ANN,
    MATCHES_BEN,
    NAN,
    RULES,
    STRANGER,
    TAU,
    THRESHOLD,
    Doorstep,
)

from doorguard.core import policy
from doorguard.core.model import Comparison, Grant, QualityFault
from doorguard.core.policy import Outcome, PolicyRules, Reason, State, manual_grant
from doorguard.errors import ConfigError, UsageError

# 1. Evidence


def test_frame_at_tau_itself_matches_and_just_above_it_does_not() -> None:
    at = Comparison(ANN, TAU, BEN, TAU + 0.5)
    above = Comparison(ANN, math.nextafter(TAU, 4.0), BEN, TAU + 0.5)
    assert [decision.outcome for decision in Doorstep().looks(at, at, at)] == [Outcome.GRANTED]
    (denied,) = Doorstep().looks(above, above, above)
    assert (denied.outcome, denied.reason) == (Outcome.DENIED, Reason.NO_MATCH)


def test_frame_at_the_margin_itself_matches_and_just_below_it_does_not() -> None:
    at = Comparison(ANN, 0.5, BEN, 0.75)
    below = Comparison(ANN, 0.5, BEN, math.nextafter(0.75, 0.0))
    (granted,) = Doorstep(margin=0.25).looks(at, at, at)
    assert granted.resident_id == ANN
    (denied,) = Doorstep(margin=0.25).looks(below, below, below)
    assert denied.reason == Reason.AMBIGUOUS


def test_frame_with_one_resident_enrolled_needs_no_second() -> None:
    alone = Comparison(ANN, 0.5, None, math.inf)
    assert Doorstep().looks(alone, alone, alone)[0].resident_id == ANN


@pytest.mark.parametrize(
    "comparison",
    [
        Comparison(None, math.inf, None, math.inf),
        Comparison(None, 0.5, None, math.inf),
        Comparison(ANN, -0.1, BEN, 1.5),
    ],
    ids=["nobody", "nobody_near", "below_zero"],
)
def test_frame_with_an_impossible_distance_does_not_match(comparison: Comparison) -> None:
    (denied,) = Doorstep().looks(comparison, comparison, comparison)
    assert denied.reason == Reason.NO_MATCH


@pytest.mark.parametrize(
    "comparison", [NAN, Comparison(ANN, 0.5, BEN, math.nan), None], ids=["nan", "nan_second", "none"]
)
def test_frame_without_comparable_distances_does_not_count(comparison: Comparison | None) -> None:
    door = Doorstep()
    assert door.looks(*[comparison] * 20) == []
    assert door.state == State.LOOKING
    door.look(MATCHES_ANN)
    door.look(comparison)
    (granted,) = door.looks(MATCHES_ANN, MATCHES_ANN)
    assert granted.skipped == {"not_comparable": 1}
    assert len(granted.frames) == 3


def test_frame_with_a_quality_fault_does_not_count_whatever_its_distance() -> None:
    door = Doorstep()
    door.look(MATCHES_ANN)
    for _ in range(6):
        assert door.look(MATCHES_ANN, QualityFault.BLURRED, QualityFault.TURNED) is None
    (granted,) = door.looks(MATCHES_ANN, MATCHES_ANN)
    assert granted.skipped == {"blurred": 6, "turned": 6}


def test_frame_exactly_as_old_as_allowed_counts_and_an_older_one_does_not() -> None:
    door = Doorstep(step_s=0.25)
    assert [door.look(MATCHES_ANN, late_s=0.5) for _ in range(2)] == [None, None]
    granted = door.look(MATCHES_ANN, late_s=0.5)
    assert granted is not None
    assert granted.outcome == Outcome.GRANTED
    door = Doorstep(step_s=0.25)
    assert [door.look(MATCHES_ANN, late_s=0.51) for _ in range(20)] == [None] * 20
    assert door.state == State.LOOKING


@pytest.mark.parametrize("captured_s", [1e6, math.nan, math.inf, -math.inf])
def test_frame_from_no_time_or_from_the_future_does_not_count(captured_s: float) -> None:
    door = Doorstep()
    assert [door.look(MATCHES_ANN, captured_s=captured_s) for _ in range(6)] == [None] * 6
    assert door.looks(MATCHES_ANN, MATCHES_ANN, MATCHES_ANN)[0].outcome == Outcome.GRANTED


def test_frame_a_moment_in_the_future_does_not_count() -> None:
    door = Doorstep()
    assert [door.look(MATCHES_ANN, late_s=-0.01) for _ in range(6)] == [None] * 6
    assert door.state == State.LOOKING


def test_frame_with_a_number_seen_before_does_not_count() -> None:
    door = Doorstep()
    door.look(MATCHES_ANN, sequence=7)
    assert door.look(MATCHES_ANN, sequence=7) is None
    assert door.look(MATCHES_ANN, sequence=6) is None
    assert door.look(MATCHES_ANN, sequence=8) is None
    granted = door.look(MATCHES_ANN, sequence=9)
    assert granted is not None
    assert [frame.sequence for frame in granted.frames] == [7, 8, 9]
    assert granted.skipped == {"repeated": 2}


def test_frame_exposed_no_later_than_the_one_before_does_not_count() -> None:
    door = Doorstep()
    door.look(MATCHES_ANN, captured_s=100.05)
    assert door.look(MATCHES_ANN, captured_s=100.05) is None
    assert door.look(MATCHES_ANN, captured_s=100.04) is None
    assert door.look(MATCHES_ANN) is None
    granted = door.look(MATCHES_ANN)
    assert granted is not None
    assert [frame.sequence for frame in granted.frames] == [1, 4, 5]
    assert granted.skipped == {"repeated": 2}


# 2. Attempt


def test_attempt_kth_match_grants_at_once_with_a_grant_for_that_resident() -> None:
    door = Doorstep()
    assert door.looks(MATCHES_ANN, MATCHES_ANN) == []
    assert door.state == State.DECIDING
    granted = door.look(MATCHES_ANN)
    assert granted is not None
    assert granted.grant == Grant(ANN, "face", "door", door.now_s)
    assert (granted.resident_id, granted.reason, granted.attempt) == (ANN, Reason.MATCH, 1)
    assert granted.threshold == THRESHOLD
    assert granted.track_id == 1
    assert granted.started_s == pytest.approx(100.05)
    assert granted.ended_s == door.now_s
    assert door.policy.last_decision is granted
    assert door.state == State.GRANTED


def test_attempt_k_of_n_may_be_mixed_with_misses() -> None:
    door = Doorstep()
    (granted,) = door.looks(STRANGER, MATCHES_ANN, BETWEEN, MATCHES_ANN, MATCHES_ANN)
    assert granted.resident_id == ANN
    assert [frame.why for frame in granted.frames] == ["no_match", "match", "ambiguous", "match", "match"]
    assert [frame.speaks_for for frame in granted.frames] == [None, ANN, None, ANN, ANN]
    assert granted.best.distance_sq == 0.5


def test_attempt_is_denied_as_soon_as_k_is_out_of_reach() -> None:
    door = Doorstep()
    assert door.looks(STRANGER, STRANGER) == []
    denied = door.look(STRANGER)
    assert denied is not None
    assert (denied.outcome, denied.reason, denied.grant) == (Outcome.DENIED, Reason.NO_MATCH, None)
    assert denied.resident_id is None
    assert denied.best.nearest_id == ANN


def test_attempt_says_what_most_frames_lacked() -> None:
    (denied,) = Doorstep().looks(STRANGER, BETWEEN, BETWEEN)
    assert denied.reason == Reason.AMBIGUOUS


def test_attempt_frames_of_two_residents_do_not_add_up() -> None:
    (denied,) = Doorstep().looks(MATCHES_ANN, MATCHES_BEN, MATCHES_ANN, MATCHES_BEN, STRANGER)
    assert (denied.reason, len(denied.frames)) == (Reason.DISAGREEMENT, 5)


def test_attempt_frame_at_the_end_of_the_window_counts_and_a_later_one_ends_it() -> None:
    door = Doorstep(step_s=1.0, track_gap_s=5.0)
    assert door.looks(MATCHES_ANN, MATCHES_ANN) == []
    assert door.looks(MATCHES_ANN)[0].outcome == Outcome.GRANTED
    door = Doorstep(step_s=1.01, track_gap_s=5.0)
    assert door.looks(MATCHES_ANN, MATCHES_ANN) == []
    (denied,) = door.looks(MATCHES_ANN)
    assert (denied.reason, len(denied.frames)) == (Reason.TOO_FEW_FRAMES, 2)


def test_attempt_ends_by_itself_when_no_frame_can_come_in_time_any_more() -> None:
    door = Doorstep(track_gap_s=5.0)
    door.look(MATCHES_ANN, late_s=0.0)
    assert door.tick(2.4) is None
    assert door.state == State.DECIDING
    denied = door.tick(0.2)
    assert denied is not None
    assert denied.reason == Reason.TOO_FEW_FRAMES
    assert door.state == State.DENIED


def test_attempt_bad_frames_do_not_keep_it_open() -> None:
    door = Doorstep()
    door.look(MATCHES_ANN)
    decisions = [door.look(MATCHES_ANN, QualityFault.BLURRED) for _ in range(30)]
    (denied,) = [decision for decision in decisions if decision is not None]
    assert denied.reason == Reason.TOO_FEW_FRAMES
    assert denied.skipped["blurred"] >= 20


def test_attempt_that_one_frame_decides_works_for_one_of_one() -> None:
    assert Doorstep(frames=1, agree=1).looks(MATCHES_ANN)[0].outcome == Outcome.GRANTED
    assert Doorstep(frames=1, agree=1).looks(STRANGER)[0].reason == Reason.NO_MATCH


# 3. Visit


def test_visit_without_a_usable_frame_is_no_attempt() -> None:
    door = Doorstep()
    for _ in range(50):
        assert door.look(None, QualityFault.TOO_SMALL) is None
    assert door.state == State.LOOKING
    assert door.tick(0.6) is None
    assert door.state == State.IDLE


def test_visit_replaced_visitor_breaks_the_attempt_and_his_frames_count_for_nobody_else() -> None:
    door = Doorstep()
    door.looks(MATCHES_ANN, MATCHES_ANN)
    door.next_visitor()
    broken = door.look(MATCHES_ANN)
    assert broken is not None
    assert (broken.reason, broken.track_id) == (Reason.TRACK_BROKEN, 1)
    assert door.looks(MATCHES_ANN, MATCHES_ANN) == [], "the frames before belong to somebody else"
    assert door.looks(MATCHES_ANN)[0].outcome == Outcome.GRANTED


def test_visit_short_absence_is_the_same_visit_and_a_longer_one_breaks_the_attempt() -> None:
    door = Doorstep()
    door.looks(MATCHES_ANN, MATCHES_ANN)
    assert door.tick(0.5) is None
    broken = door.tick(0.01)
    assert broken is not None
    assert broken.reason == Reason.TRACK_BROKEN
    assert door.state == State.IDLE


def test_visit_broken_early_uses_up_no_attempt_and_starts_no_gap() -> None:
    door = Doorstep()
    door.looks(STRANGER, STRANGER)
    door.next_visitor()
    assert door.looks(MATCHES_ANN)[0].attempt == 1
    granted = door.looks(MATCHES_ANN, MATCHES_ANN, MATCHES_ANN)[0]
    assert (granted.outcome, granted.attempt) == (Outcome.GRANTED, 1)


def test_visit_broken_late_starts_the_gap() -> None:
    door = Doorstep()
    door.looks(STRANGER, MATCHES_ANN, STRANGER)
    door.next_visitor()
    assert door.looks(*[MATCHES_ANN] * 10)[0].reason == Reason.TRACK_BROKEN
    assert door.state == State.DENIED


def test_visit_that_used_up_its_attempts_pauses_until_the_visitor_has_left() -> None:
    door = Doorstep(attempt_gap_s=0.0)
    assert [each.attempt for each in door.looks(*[STRANGER] * 9)] == [1, 2, 3]
    assert door.state == State.PAUSED
    assert door.looks(*[MATCHES_ANN] * 50) == []
    assert door.tick(0.6) is None
    assert door.state == State.IDLE
    assert door.looks(*[MATCHES_ANN] * 5) == [], "stepping aside does not refill the attempts of a track"
    door.next_visitor()
    assert door.looks(*[MATCHES_ANN] * 3)[0].outcome == Outcome.GRANTED


def test_visit_granted_attempts_count_too() -> None:
    door = Doorstep(regrant_s=0.0, attempt_gap_s=0.0)
    for number in (1, 2, 3):
        assert door.looks(*[MATCHES_ANN] * 3)[0].attempt == number
        door.relock()
    assert door.looks(*[MATCHES_ANN] * 10) == []
    assert door.state == State.PAUSED


def test_visit_two_who_take_turns_do_not_refill_their_attempts() -> None:
    door = Doorstep(attempt_gap_s=0.0)
    tried: list[int] = []
    for turn in range(12):
        door.track_id = 1 + turn % 2
        tried += [each.track_id for each in door.looks(*[STRANGER] * 3)]
    assert sorted(tried) == [1, 1, 1, 2, 2, 2]


def test_visit_is_forgotten_after_many_others() -> None:
    door = Doorstep(attempt_gap_s=0.0)
    door.looks(*[STRANGER] * 9)
    for _ in range(policy.VISITS_REMEMBERED):
        door.next_visitor()
        door.look(None)
    door.track_id = 1
    assert door.looks(*[STRANGER] * 3)[0].attempt == 1


# 4. Pace


def test_pace_no_attempt_begins_within_the_gap_whoever_stands_there() -> None:
    door = Doorstep()
    ended_s = door.looks(STRANGER, STRANGER, STRANGER)[0].ended_s
    assert door.state == State.DENIED
    door.next_visitor()
    while not (decisions := door.looks(MATCHES_ANN)):
        assert door.now_s < ended_s + 4
    assert decisions[0].outcome == Outcome.GRANTED
    assert ended_s + 3.0 <= decisions[0].started_s < ended_s + 3.2


# 5. Not twice


def test_granted_resident_begins_no_attempt_while_he_cools_down() -> None:
    door = Doorstep()
    door.looks(*[MATCHES_ANN] * 3)
    door.relock()
    assert door.looks(*[MATCHES_ANN] * 20, *[STRANGER] * 20) == [], "turning away is no attempt either"
    assert door.state == State.PAUSED
    door.next_visitor()
    assert door.looks(*[MATCHES_ANN] * 20) == []
    assert door.state == State.LOOKING


def test_granted_resident_is_granted_again_after_the_time() -> None:
    door = Doorstep()
    granted_s = door.looks(*[MATCHES_ANN] * 3)[0].ended_s
    door.relock()
    while not (decisions := door.looks(MATCHES_ANN)):
        assert door.now_s < granted_s + 16
    assert decisions[0].outcome == Outcome.GRANTED
    assert granted_s + 15.0 <= decisions[0].started_s


def test_granted_resident_is_not_granted_again_before_the_strike_has_relocked() -> None:
    door = Doorstep(regrant_s=0.0)
    door.looks(*[MATCHES_ANN] * 3)
    door.wait(60.0)
    assert door.looks(*[MATCHES_ANN] * 10) == []
    assert door.state == State.GRANTED
    door.relock()
    assert door.looks(*[MATCHES_ANN] * 3)[0].outcome == Outcome.GRANTED


def test_another_resident_is_granted_while_the_strike_is_released() -> None:
    door = Doorstep()
    door.looks(*[MATCHES_ANN] * 3)
    assert door.looks(*[MATCHES_BEN] * 3)[0].resident_id == BEN, "on the same track, if need be"
    door.next_visitor()
    assert door.looks(*[MATCHES_ANN] * 10) == []


def test_cooling_resident_in_another_visitors_attempt_does_not_match() -> None:
    door = Doorstep()
    door.looks(*[MATCHES_ANN] * 3)
    door.next_visitor()
    (denied,) = door.looks(STRANGER, MATCHES_ANN, MATCHES_ANN)
    assert denied.reason == Reason.COOLING_DOWN


def test_release_by_hand_does_not_keep_a_resident_out() -> None:
    door = Doorstep()
    door.released = True
    assert door.looks(*[MATCHES_ANN] * 3)[0].outcome == Outcome.GRANTED


def test_strike_failed_is_told_and_the_resident_may_try_again_after_the_gap() -> None:
    door = Doorstep()
    granted = door.looks(*[MATCHES_ANN] * 3)[0]
    door.released = False
    failed = door.policy.strike_failed(door.now_s)
    assert failed == replace(granted, outcome=Outcome.DENIED, reason=Reason.STRIKE_FAILED, grant=None)
    assert failed.resident_id == ANN
    assert door.policy.last_decision is failed
    assert door.state == State.DENIED
    assert door.looks(*[MATCHES_ANN] * 29) == []
    assert door.looks(*[MATCHES_ANN] * 4)[0].outcome == Outcome.GRANTED


def test_strike_failed_keeps_the_cool_down_of_everybody_else() -> None:
    door = Doorstep()
    door.looks(*[MATCHES_ANN] * 3, *[MATCHES_BEN] * 3)
    door.released = False
    door.policy.strike_failed(door.now_s)
    door.wait(5.0)
    assert door.looks(*[MATCHES_ANN] * 10) == []
    assert door.looks(*[MATCHES_BEN] * 3)[0].resident_id == BEN


def test_strike_failed_without_a_grant_is_refused() -> None:
    door = Doorstep()
    with pytest.raises(ValueError, match="was not granted"):
        door.policy.strike_failed(door.now_s)
    door.looks(STRANGER, STRANGER, STRANGER)
    with pytest.raises(ValueError, match="was not granted"):
        door.policy.strike_failed(door.now_s)


# 6. Nothing in force


@pytest.mark.parametrize(
    ("threshold", "residents", "reason"),
    [(None, 2, Reason.NO_THRESHOLD), (THRESHOLD, 0, Reason.NO_TEMPLATES), (None, 0, Reason.NO_TEMPLATES)],
)
def test_nothing_in_force_denies_at_the_first_frame(threshold: None, residents: int, reason: Reason) -> None:
    door = Doorstep()
    door.policy.set_threshold(threshold, residents)
    denied = door.look(MATCHES_ANN)
    assert denied is not None
    assert (denied.outcome, denied.reason, denied.threshold) == (Outcome.DENIED, reason, None)


def test_nothing_in_force_from_the_start() -> None:
    door = Doorstep()
    door.policy = type(door.policy)(RULES)
    assert door.looks(MATCHES_ANN)[0].reason == Reason.NO_THRESHOLD


def test_nothing_in_force_any_more_ends_the_attempt_at_the_next_step() -> None:
    door = Doorstep()
    door.looks(MATCHES_ANN, MATCHES_ANN)
    door.policy.set_threshold(None, residents=2)
    denied = door.tick()
    assert denied is not None
    assert denied.reason == Reason.NO_THRESHOLD


def test_changed_tau_holds_from_the_next_frame_on() -> None:
    door = Doorstep()
    door.looks(MATCHES_ANN, MATCHES_ANN)
    door.policy.set_threshold(replace(THRESHOLD, tau=0.4), residents=2)
    (denied,) = door.looks(MATCHES_ANN, MATCHES_ANN, MATCHES_ANN)
    assert (denied.outcome, denied.reason) == (Outcome.DENIED, Reason.NO_MATCH)


# Interruptions and the rest


def test_forget_resident_whom_a_frame_matched_ends_the_visit() -> None:
    door = Doorstep(attempt_gap_s=0.0)
    door.looks(MATCHES_ANN, MATCHES_ANN)
    denied = door.policy.forget(ANN, door.now_s)
    assert denied is not None
    assert (denied.outcome, denied.reason) == (Outcome.DENIED, Reason.RESIDENT_REMOVED)
    assert door.state == State.PAUSED
    assert door.looks(*[MATCHES_ANN] * 10) == []


def test_forget_somebody_else_leaves_the_visit_alone() -> None:
    door = Doorstep()
    assert door.policy.forget(BEN, door.now_s) is None
    door.looks(MATCHES_ANN, MATCHES_ANN)
    assert door.policy.forget(BEN, door.now_s) is None
    assert door.state == State.DECIDING
    assert door.looks(MATCHES_ANN)[0].outcome == Outcome.GRANTED


@pytest.mark.parametrize("reason", [Reason.CAMERA_LOST, Reason.STOPPING])
def test_abort_ends_the_attempt_and_the_next_frames_may_be_numbered_anew(reason: Reason) -> None:
    door = Doorstep()
    door.looks(MATCHES_ANN, MATCHES_ANN)
    denied = door.policy.abort(reason, door.now_s)
    assert denied is not None
    assert (denied.outcome, denied.reason) == (Outcome.DENIED, reason)
    assert door.state == State.IDLE
    assert door.policy.abort(reason, door.now_s) is None
    door.sequence = -1
    assert door.looks(MATCHES_ANN, MATCHES_ANN, MATCHES_ANN)[0].outcome == Outcome.GRANTED


def test_step_at_a_time_that_is_no_number_grants_nothing() -> None:
    door = Doorstep()
    door.looks(MATCHES_ANN, MATCHES_ANN)
    door.wait(math.nan)
    denied = door.look(MATCHES_ANN, captured_s=100.3)
    assert denied is not None
    assert denied.outcome == Outcome.DENIED


def test_step_that_raises_decides_nothing_and_counts_nothing() -> None:
    door = Doorstep()
    door.looks(MATCHES_ANN, MATCHES_ANN)
    with pytest.raises(TypeError):
        door.look(Comparison(ANN, "0.1", BEN, 1.5))  # type: ignore[arg-type]
    assert door.policy.last_decision is None
    granted = door.looks(MATCHES_ANN)[0]
    assert len(granted.frames) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"agree": 0},
        {"agree": 6},
        {"attempts_per_visit": 0},
        {"window_s": math.inf},
        {"window_s": -1.0},
        {"frame_age_max_s": math.nan},
        {"margin": math.nan},
    ],
)
def test_rules_that_would_let_anything_pass_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="decision:"):
        replace(RULES, **change)  # type: ignore[arg-type]


def test_rules_at_their_limits_are_accepted() -> None:
    assert PolicyRules(1, 1, 0.0, 1, 0.0, 0.0, 0.0, 0.0, 0.0).agree == 1


def test_manual_grant_says_who_and_why_and_is_nobodys_face() -> None:
    grant = manual_grant(reason=" parcel ", actor="uid 1000 pid 77", now_s=5.0)
    assert grant == Grant(None, "parcel", "uid 1000 pid 77", 5.0)


@pytest.mark.parametrize(("reason", "actor"), [("", "uid 0"), ("  ", "uid 0"), ("parcel", " ")])
def test_manual_grant_without_reason_or_actor_is_refused(reason: str, actor: str) -> None:
    with pytest.raises(UsageError, match="reason"):
        manual_grant(reason=reason, actor=actor, now_s=5.0)


def test_policy_docstring_names_every_setting_it_obeys() -> None:
    assert policy.__doc__ is not None
    for setting in fields(PolicyRules):
        assert f"`{setting.name}`" in policy.__doc__
