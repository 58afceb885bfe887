"""Attempts beside visits: who is given what, and what agrees."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from doorguard.adapters.simulated.visits import DISABLED, PASSER_BY, RESIDENT, Expected, Script
from doorguard.core.model import Event, EventKind, ResidentId, StoredEvent
from doorguard.demo.results import Attempt, VisitResult, attempts_in_log, sort_by_visit
from doorguard.demo.screen import outcome_words

GRANT = Attempt(10.0, True, "match", "Barack", "Barack", (0.74, 0.71, 0.73), 1.05)
DENIAL = replace(GRANT, granted=False, reason="no_match", who=None, distances_sq=(2.1, 2.0))
NAMES = {"aa" * 8: "Barack"}


def _stored(kind: EventKind, detail: dict[str, object], who: str | None) -> StoredEvent:
    resident = None if who is None else ResidentId(who)
    return StoredEvent(1, Event(kind, datetime.now(UTC), 7.5, True, "b", "front", resident, detail), b"")


@pytest.mark.parametrize(
    ("visit", "attempts", "decided", "agrees"),
    [
        (RESIDENT, (GRANT,), Expected.GRANTED, True),
        (RESIDENT, (DENIAL, GRANT), Expected.GRANTED, True),
        (RESIDENT, (replace(GRANT, who="Eileen"),), Expected.GRANTED, False),
        (RESIDENT, (DENIAL,), Expected.DENIED, False),
        (RESIDENT, (), Expected.NOTHING, False),
        (DISABLED, (DENIAL, DENIAL), Expected.DENIED, True),
        (DISABLED, (GRANT,), Expected.GRANTED, False),
        (PASSER_BY, (), Expected.NOTHING, True),
        (PASSER_BY, (DENIAL,), Expected.DENIED, False),
    ],
)
def test_visit_agrees_only_with_what_was_expected(
    visit: object, attempts: tuple[Attempt, ...], decided: Expected, agrees: bool
) -> None:
    result = VisitResult(visit, "Barack" if visit is RESIDENT else None, attempts)  # type: ignore[arg-type]

    assert (result.decided, result.agrees) == (decided, agrees)


def test_telling_attempt_is_the_grant_else_the_nearest() -> None:
    far = replace(DENIAL, distances_sq=(2.5,))
    blind = replace(DENIAL, distances_sq=())

    assert VisitResult(RESIDENT, "Barack", (DENIAL, GRANT)).telling is GRANT
    assert VisitResult(RESIDENT, "Barack", (blind, far, DENIAL)).telling is DENIAL
    assert blind.best_sq is None


def test_sorting_gives_an_attempt_to_the_visit_that_began_last() -> None:
    script = Script((RESIDENT, DISABLED), pause_s=1.0)
    _, second = script.starts()
    late = replace(DENIAL, at_s=100.0 + second - 0.1)
    next_one = replace(DENIAL, at_s=100.0 + second)
    early = replace(DENIAL, at_s=100.5)

    results = sort_by_visit(script, {"obama": "Barack"}, [early, late, next_one], 100.0)

    assert [result.attempts for result in results] == [(late,), (next_one,)]
    assert [result.person for result in results] == ["Barack", None]


def test_log_is_read_back_to_the_attempts_in_it() -> None:
    who = "aa" * 8
    nearest = {"resident": who, "distance_sq": 0.7}
    frames = [{"d": 0.7}, {"d": None}]
    told = {"reason": "match", "nearest": nearest, "frames": frames, "tau": 1.05}
    events = [
        _stored(EventKind.STARTED, {}, None),
        _stored(EventKind.ATTEMPT, {"outcome": "granted", **told}, who),
        _stored(EventKind.ATTEMPT, {"outcome": "denied", **told, "nearest": {"resident": "zz"}}, None),
    ]

    granted, denied = attempts_in_log(events, NAMES)

    assert granted == Attempt(7.5, True, "match", "Barack", "Barack", (0.7,), 1.05)
    assert (denied.granted, denied.who, denied.nearest) == (False, None, "zz")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (VisitResult(RESIDENT, "Barack", (GRANT,)), "let in Barack  D 0.71"),
        (VisitResult(DISABLED, None, (DENIAL,)), "denied  D 2.00"),
        (VisitResult(DISABLED, None, (DENIAL, DENIAL)), "denied 2 times  D 2.00"),
        (VisitResult(DISABLED, None, (replace(DENIAL, distances_sq=()),)), "denied"),
        (VisitResult(PASSER_BY, None, ()), "no attempt"),
        (VisitResult(DISABLED, None, ()), ""),
    ],
)
def test_outcome_in_words(result: VisitResult, words: str) -> None:
    assert outcome_words(result) == words
