"""The check of a calibration on people it has never seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from standins.crowd import as_people, crowd, rules, sample, unit

from doorguard.core.threshold import MatchRules
from doorguard.errors import ConfigError, UsageError
from doorguard.lab.people import People
from doorguard.lab.splits import CheckReport, check

MATCH = MatchRules(1e-2, None, 0.1, 5, 3)
SPLITS = 4


@pytest.fixture(scope="module")
def people() -> People:
    samples = crowd([5 if index % 10 == 0 else 2 for index in range(920)])
    assert samples[0][0].encoding is not None
    samples[1][0] = sample("p001", 1, unit(samples[0][0].encoding + 0.01))
    return as_people(samples)


@pytest.fixture(scope="module")
def report(people: People) -> CheckReport:
    return check(people.persons, MATCH, residents=5, splits=SPLITS)


def test_realised_rate_is_near_the_promised_one(report: CheckReport) -> None:
    for row in report.table[:3]:
        assert row.kind == "measured"
        assert row.mean == pytest.approx(row.fmr, rel=0.25)
        assert row.low <= row.mean <= row.high
        assert row.comparisons == 460 * 459 // 2
    assert [row.fmr for row in report.table][-1] == 1e-7


def test_pair_that_may_be_one_person_is_taken_out_of_the_second_figure(report: CheckReport) -> None:
    assert report.suspects == 1
    last = report.table[-1]
    assert last.mean > 0.0
    together = (last.mean - last.undoubted) * last.comparisons * SPLITS
    assert together == pytest.approx(round(together))
    assert 1 <= round(together) <= SPLITS  # in how many splits both names were on the other side


def test_several_frames_let_fewer_strangers_in_than_promised(report: CheckReport) -> None:
    several, single = report.searches
    assert (several.frames, several.agree, single.frames, single.agree) == (5, 3, 1, 1)
    assert several.promised == pytest.approx(1e-2)
    assert single.promised == pytest.approx(1e-2 * 3 / 5)
    assert several.rate <= several.promised
    assert 0.0 < single.rate <= 1.5 * single.promised
    assert single.errors <= single.attempts
    assert single.worst >= single.rate


def test_check_is_the_same_twice_and_counts_its_splits(people: People, report: CheckReport) -> None:
    seen: list[tuple[int, int]] = []
    again = check(people.persons, MATCH, residents=5, splits=SPLITS, progress=lambda *step: seen.append(step))
    assert again == report
    assert seen == [(done, SPLITS) for done in range(SPLITS + 1)]


def test_tau_set_by_hand_is_left_aside(people: People, report: CheckReport) -> None:
    by_hand = replace(MATCH, fixed_tau=1.9)
    assert check(people.persons, by_hand, residents=5, splits=1).searches[0].promised == pytest.approx(1e-2)


def test_report_says_so_in_words_and_as_json(report: CheckReport) -> None:
    told = report.as_json()
    assert told["splits"] == SPLITS
    assert told["suspects"] == 1
    text = report.as_text()
    assert "3 of 5 frames, 5 residents: promised at most 1.0000 % an attempt" in text
    assert "1 pairs of the whole set are suspected" in text


def test_attempts_nobody_could_make_count_as_none() -> None:
    people = as_people(crowd([2] * 900))
    several, single = check(people.persons, MATCH, residents=5, splits=1).searches
    assert (several.attempts, several.rate, several.worst) == (0, 0.0, 0.0)
    assert single.attempts > 0


def test_halves_that_are_too_small_are_refused(people: People) -> None:
    with pytest.raises(UsageError, match="too few"):
        check(people.persons[:700], MATCH, residents=5, splits=1)


def test_promise_nobody_can_keep_is_refused(people: People) -> None:
    strict = replace(rules().match, target_false_accepts=1e-6)
    with pytest.raises(ConfigError, match="no tau is known"):
        check(people.persons, strict, residents=50, splits=1)
