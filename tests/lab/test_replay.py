"""Stored attempts decided again: by the same rules, and at another tau."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standins.doorstep import ANN, BEN, RULES, TAU, THRESHOLD

from doorguard.core.model import Comparison, Event, EventKind, ModelId, ResidentId, StoredEvent
from doorguard.core.policy import Decision, Look, Outcome, Policy, Reason
from doorguard.daemon.attempts import Models, attempt_detail
from doorguard.errors import UsageError
from doorguard.lab.replay import ReplayReport, Verdict, parse_since, replay

MODEL = ModelId("m@1")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def stored(
    number: int, detail: dict[str, Any], *, resident: ResidentId | None = None, at_s: float = 0.0
) -> StoredEvent:
    event = Event(
        EventKind.ATTEMPT, NOON + timedelta(seconds=at_s), at_s, True, "boot", "front", resident, detail
    )
    return StoredEvent(number, event, b"")


def attempt(
    number: int, distances: Sequence[float], reason: Reason, *, tau: float = TAU, **more: Any
) -> StoredEvent:
    """An attempt on Ann, Ben far away, as the daemon writes it."""
    frames = [
        {
            "sequence": index,
            "t_ms": 100.0 * index,
            "d": distance,
            "d2": None,
            "nearest": ANN,
            "matched": distance <= tau,
            "why": "match" if distance <= tau else "no_match",
            "quality": None,
        }
        for index, distance in enumerate(distances)
    ]
    granted = reason is Reason.MATCH
    detail = {
        "outcome": "granted" if granted else "denied",
        "reason": reason.value,
        "tau": tau,
        "frames": frames,
        "duration_ms": 100.0 * len(frames),
        "model": MODEL,
    }
    detail.update(more.pop("detail", {}))
    return stored(number, detail, resident=ANN if granted else None, **more)


def again(*events: StoredEvent, tau: float, since: datetime = NOON - timedelta(days=1)) -> ReplayReport:
    return replay(events, since, RULES, tau=tau, model_id=MODEL)


WON = attempt(1, [0.9, 0.95, 0.99], Reason.MATCH)
LOST = attempt(2, [1.1, 1.1, 1.1], Reason.NO_MATCH)


# Changes


def test_stricter_tau_turns_a_grant_into_an_open_end_or_a_denial() -> None:
    report = again(WON, tau=0.96)
    assert report.counts == {(Verdict.GRANTED, Verdict.OPEN): 1}
    assert report.changes[0].reason == "frames that came later are not known"
    hopeless = again(WON, tau=0.5)
    assert hopeless.counts == {(Verdict.GRANTED, Verdict.DENIED): 1}
    assert hopeless.changes[0].resident_id == ANN
    assert hopeless.changes[0].nearest_sq == 0.9


def test_looser_tau_turns_a_denial_into_a_grant() -> None:
    report = again(LOST, tau=1.1)
    assert report.counts == {(Verdict.DENIED, Verdict.GRANTED): 1}
    assert report.changes[0].resident_id == ANN


def test_boundary_counts_as_a_match() -> None:
    assert again(WON, tau=0.99).counts == {(Verdict.GRANTED, Verdict.GRANTED): 1}
    assert again(WON, tau=0.989999).changes[0].now is Verdict.OPEN


def test_attempt_that_ran_out_of_frames_stays_denied() -> None:
    few = attempt(1, [1.2, 0.9], Reason.TOO_FEW_FRAMES)
    assert again(few, tau=1.3).counts == {(Verdict.DENIED, Verdict.DENIED): 1}
    left = attempt(1, [1.2, 1.2, 1.2], Reason.TRACK_BROKEN)
    assert again(left, tau=1.3).counts == {(Verdict.DENIED, Verdict.GRANTED): 1}


def test_second_resident_as_near_stays_ambiguous() -> None:
    two = attempt(1, [1.1, 1.1, 1.1], Reason.NO_MATCH)
    for frame in two.event.detail["frames"]:  # type: ignore[attr-defined]
        frame["d2"] = 1.15
    assert again(two, tau=1.3).counts == {(Verdict.DENIED, Verdict.DENIED): 1}


def test_resident_let_in_a_moment_ago_is_not_granted_again() -> None:
    soon = attempt(2, [1.1, 1.1, 1.1], Reason.NO_MATCH, at_s=5.0)
    late = attempt(3, [1.1, 1.1, 1.1], Reason.NO_MATCH, at_s=40.0)
    report = again(WON, soon, late, tau=1.2)
    assert [(each.event_id, each.now) for each in report.changes] == [(3, Verdict.GRANTED)]


def test_frames_recorded_as_cooling_down_stay_so() -> None:
    cooling = attempt(1, [0.5, 0.5, 0.5], Reason.COOLING_DOWN)
    for frame in cooling.event.detail["frames"]:  # type: ignore[attr-defined]
        frame.update(why="cooling_down", matched=False)
    assert again(cooling, tau=1.2).counts == {(Verdict.DENIED, Verdict.DENIED): 1}


def test_grant_the_strike_did_not_obey_counts_as_a_grant() -> None:
    failed = attempt(1, [0.9, 0.9, 0.9], Reason.STRIKE_FAILED)
    assert again(failed, tau=TAU).counts == {(Verdict.GRANTED, Verdict.GRANTED): 1}


def test_attempt_without_a_tau_is_open_and_without_anybody_enrolled_denied() -> None:
    shut = attempt(1, [0.5], Reason.NO_THRESHOLD, detail={"tau": None})
    assert again(shut, tau=TAU).counts == {(Verdict.DENIED, Verdict.OPEN): 1}
    empty = attempt(1, [0.5], Reason.NO_TEMPLATES, detail={"tau": None})
    empty.event.detail["frames"][0].update(nearest=None, d=None)  # type: ignore[index]
    report = again(empty, tau=TAU)
    assert report.counts == {(Verdict.DENIED, Verdict.DENIED): 1}
    assert report.other_rules == 0


def test_frames_beyond_the_window_in_force_do_not_count() -> None:
    slow = attempt(1, [0.9, 0.9, 0.9], Reason.MATCH)
    slow.event.detail["frames"][2]["t_ms"] = 2500.0  # type: ignore[index]
    report = again(slow, tau=TAU)
    assert report.counts == {(Verdict.GRANTED, Verdict.DENIED): 1}
    assert report.other_rules == 1
    assert "decided by other settings" in report.as_text({})


# What is left out


def test_attempts_of_another_encoder_are_left_out_and_counted() -> None:
    report = again(attempt(1, [0.5], Reason.NO_MATCH, detail={"model": "n@1"}), WON, tau=TAU)
    assert (report.other_model, sum(report.counts.values())) == (1, 1)
    assert "distances of another encoder" in report.as_text({})


def test_attempts_before_the_span_are_left_out() -> None:
    assert not again(WON, tau=TAU, since=NOON + timedelta(seconds=1)).counts


@pytest.mark.parametrize(
    "detail",
    [{"frames": None}, {"frames": []}, {"reason": "whim"}, {"frames": [{"d": 1.0}]}, {"frames": ["x"]}],
)
def test_attempt_nobody_understands_is_counted(detail: dict[str, object]) -> None:
    report = again(attempt(1, [0.5], Reason.NO_MATCH, detail=detail), tau=TAU)
    assert (report.unreadable, dict(report.counts)) == (1, {})
    assert "not readable" in report.as_text({})


def test_other_events_are_no_attempts() -> None:
    event = replace(WON.event, kind=EventKind.STARTED)
    assert not again(StoredEvent(1, event, b""), tau=TAU).counts


@pytest.mark.parametrize("tau", [0.0, -1.0, 4.1, float("nan")])
def test_tau_that_is_no_distance_is_refused(tau: float) -> None:
    with pytest.raises(UsageError, match="no squared distance"):
        again(WON, tau=tau)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        (" 45 M", timedelta(minutes=45)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_span_is_read(text: str, span: timedelta) -> None:
    assert parse_since(text) == span


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-3d", "3y", "1.5d", "999999d"])
def test_span_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no time span"):
        parse_since(text)


def test_report_names_residents_for_people_and_ids_for_machines() -> None:
    report = again(LOST, tau=1.1)
    assert "denied → granted: Ann, nearest D 1.100" in report.as_text({ANN: "Ann"})
    told = report.as_json()
    assert told["counts"] == {"denied to granted": 1}
    assert told["changes"][0]["resident"] == ANN  # type: ignore[index]


# Against the policy itself

distances = st.sampled_from([0.3, 0.9, 1.0, 1.05, 1.3])
frames = st.lists(
    st.one_of(
        st.builds(
            Comparison, st.sampled_from([ANN, BEN]), distances, st.none(), st.sampled_from([1.35, 9.0])
        ),
        st.none(),
    ),
    min_size=1,
    max_size=60,
)


def visit(shown: Sequence[Comparison | None], tau: float) -> list[StoredEvent]:
    """Let the policy decide about these frames, and write down what it decided as the daemon does."""
    policy = Policy(RULES)
    policy.set_threshold(replace(THRESHOLD, tau=tau), residents=2)
    events: list[StoredEvent] = []

    def note(decision: Decision | None, now_s: float) -> None:
        if decision is not None:
            detail = attempt_detail(decision, Models(MODEL, "p"))
            who = decision.resident_id if decision.outcome is Outcome.GRANTED else None
            events.append(stored(len(events) + 1, detail, resident=who, at_s=now_s + 0.001))

    now_s = 100.0
    for index, comparison in enumerate(shown):
        now_s += 0.4
        look = None
        if comparison is not None:
            look = Look(index // 20, index, now_s - 0.05, comparison, None, (), {})
        note(policy.step(look, now_s, strike_released=False), now_s)
    note(policy.abort(Reason.STOPPING, now_s), now_s)
    return events


@settings(max_examples=300, deadline=None)
@given(frames, st.sampled_from([0.5, 1.0, 1.2]))
def test_at_its_own_tau_every_attempt_ends_as_it_did(shown: list[Comparison | None], tau: float) -> None:
    report = again(*visit(shown, tau), tau=tau)
    assert not report.changes
    assert (report.unreadable, report.other_rules) == (0, 0)


@settings(max_examples=300, deadline=None)
@given(frames)
def test_stricter_tau_never_lets_in_where_nobody_else_was_near(shown: list[Comparison | None]) -> None:
    report = again(*visit(shown, 1.2), tau=0.5)
    assert (Verdict.DENIED, Verdict.GRANTED) not in report.counts
