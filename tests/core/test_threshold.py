"""From the promise to tau."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorguard.core.threshold import (
    EXTRAPOLATED,
    FIXED,
    MEASURED,
    MatchRules,
    TableEntry,
    ThresholdTable,
    attempt_false_accepts,
    comparison_fmr,
    door_threshold,
    pair_threshold,
    wrong_openings_a_year,
)
from doorguard.errors import ConfigError, ModelError

RULES = MatchRules(target_false_accepts=1e-4, fixed_tau=None, margin=0.1, frames=5, agree=3)


def _entry(fmr: float, tau: float, fnmr: float, kind: str = MEASURED) -> TableEntry:
    return TableEntry(fmr, tau, kind, fnmr, impostor_comparisons=1000, genuine_comparisons=100)


ENTRIES = (
    _entry(1e-2, 1.4, 0.02),
    _entry(1e-4, 1.2, 0.10),
    _entry(1e-5, 1.0, 0.20),
    _entry(1e-6, 0.9, 0.30, EXTRAPOLATED),
)
TABLE = ThresholdTable(ENTRIES)


def _shipped(root: Path) -> ThresholdTable:
    profile = json.loads((root / "doorguard" / "models" / "facenet.profile.json").read_text("utf-8"))
    return ThresholdTable(TableEntry(**entry) for entry in profile["tau"])


@pytest.mark.parametrize("entry", ENTRIES)
def test_at_an_entry_gives_that_entry(entry: TableEntry) -> None:
    threshold = TABLE.at(entry.fmr, templates=7)
    assert (threshold.tau, threshold.fmr, threshold.fnmr) == (entry.tau, entry.fmr, entry.fnmr)
    assert (threshold.kind, threshold.templates) == (entry.kind, 7)


def test_at_the_middle_of_two_decades_gives_the_middle_of_their_taus() -> None:
    threshold = TABLE.at(1e-3, templates=1)
    assert threshold.tau == pytest.approx(1.3)
    assert threshold.fnmr == pytest.approx(0.06)
    assert threshold.fmr == 1e-3
    assert threshold.kind == MEASURED


def test_at_beside_an_extrapolated_entry_is_extrapolated() -> None:
    assert TABLE.at(5e-6, templates=1).kind == EXTRAPOLATED
    assert TABLE.at(2e-5, templates=1).kind == MEASURED


def test_at_below_an_extrapolated_entry_is_extrapolated_whatever_lies_under_it() -> None:
    table = ThresholdTable([_entry(1e-5, 1.0, 0.2), _entry(1e-4, 1.2, 0.1, EXTRAPOLATED)])
    assert table.at(5e-5, templates=1).kind == EXTRAPOLATED


def test_at_above_the_table_is_clamped_to_its_last_tau() -> None:
    threshold = TABLE.at(0.5, templates=1)
    assert (threshold.tau, threshold.fmr) == (1.4, 1e-2)


@pytest.mark.parametrize("fmr", [9e-7, 0.0, -1.0, math.nan])
def test_at_below_the_table_is_refused_and_says_what_to_change(fmr: float) -> None:
    with pytest.raises(ConfigError, match=r"raise match\.target_false_accepts"):
        TABLE.at(fmr, templates=1000)


def test_at_an_entry_missed_by_rounding_alone_is_that_entry() -> None:
    assert TABLE.at(1e-6 * (1 - 1e-12), templates=1).tau == 0.9


@given(st.floats(1e-6, 0.9), st.floats(1e-6, 0.9))
def test_at_a_smaller_fmr_gives_no_larger_tau(left: float, right: float) -> None:
    strict, lax = sorted((left, right))
    assert TABLE.at(strict, templates=1).tau <= TABLE.at(lax, templates=1).tau


@given(st.floats(1e-6, 1e-2))
def test_fixed_tau_from_the_table_gives_back_the_fmr_it_came_from(fmr: float) -> None:
    derived = TABLE.at(fmr, templates=1)
    fixed = TABLE.fixed(derived.tau, templates=1)
    assert fixed.kind == FIXED
    assert fixed.fmr == pytest.approx(fmr, rel=1e-6)
    assert fixed.fnmr == pytest.approx(derived.fnmr)


@pytest.mark.parametrize("tau", [0.5, 1.41, 4.0])
def test_fixed_tau_outside_the_table_promises_nothing(tau: float) -> None:
    fixed = TABLE.fixed(tau, templates=3)
    assert (fixed.tau, fixed.fmr, fixed.fnmr, fixed.kind, fixed.templates) == (tau, None, None, FIXED, 3)
    assert attempt_false_accepts(fixed, RULES) is None


@pytest.mark.parametrize(
    "change",
    [
        {"fmr": 0.0},
        {"fmr": 1.0},
        {"fmr": math.nan},
        {"tau": 0.0},
        {"tau": 4.1},
        {"tau": math.nan},
        {"fnmr": -0.1},
        {"fnmr": math.nan},
        {"kind": "guessed"},
        {"fmr_high": 0.009},
        {"fmr_high": 1.1},
        {"fmr_high": math.nan},
    ],
)
def test_table_with_an_impossible_entry_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="impossible entry"):
        ThresholdTable([replace(ENTRIES[0], **change), *ENTRIES[1:]])


def test_table_that_promises_less_than_one_in_ten_million_is_refused() -> None:
    assert ThresholdTable([*ENTRIES, _entry(1e-7, 0.8, 0.4)]).entries[0].fmr == 1e-7
    with pytest.raises(ModelError, match="nothing below 1e-07 a comparison is promised"):
        ThresholdTable([*ENTRIES, _entry(9e-8, 0.8, 0.4)])


def test_table_keeps_the_upper_bound_of_an_entry() -> None:
    table = ThresholdTable([*ENTRIES[:-1], replace(ENTRIES[-1], fmr_high=1e-6)])
    assert table.entries[0].fmr_high == 1e-6


@pytest.mark.parametrize(
    "second",
    [_entry(1e-2, 1.5, 0.01), _entry(1e-1, 1.4, 0.01), _entry(1e-1, 1.5, 0.03)],
    ids=["same_fmr", "tau_does_not_rise", "fnmr_rises"],
)
def test_table_that_does_not_rise_is_refused(second: TableEntry) -> None:
    with pytest.raises(ModelError, match="does not rise"):
        ThresholdTable([*ENTRIES, second])


def test_table_without_entries_is_refused() -> None:
    with pytest.raises(ModelError, match="empty"):
        ThresholdTable([])


def test_table_keeps_its_entries_in_order() -> None:
    table = ThresholdTable(reversed(ENTRIES))
    assert all(lower.tau < upper.tau for lower, upper in pairwise(table.entries))


def test_comparison_fmr_is_the_target_times_k_over_n_t() -> None:
    assert comparison_fmr(1e-4, agree=3, frames=5, templates=1) == pytest.approx(6e-5)
    assert comparison_fmr(1e-4, agree=1, frames=1, templates=100) == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("target", "agree", "frames", "templates"),
    [(1e-4, 0, 5, 1), (1e-4, 6, 5, 1), (1e-4, 3, 5, 0), (0.0, 3, 5, 1), (1.0, 3, 5, 1), (math.nan, 3, 5, 1)],
)
def test_comparison_fmr_without_an_attempt_is_refused(
    target: float, agree: int, frames: int, templates: int
) -> None:
    with pytest.raises(ValueError, match="no attempt"):
        comparison_fmr(target, agree=agree, frames=frames, templates=templates)


@given(
    st.lists(st.lists(st.integers(0, 1), min_size=6, max_size=6), min_size=1, max_size=40),
    st.integers(1, 3),
)
def test_the_bound_holds_for_any_dependence_of_frames_and_templates(
    draws: list[list[int]], agree: int
) -> None:
    """Each draw is one attempt of 3 frames x 2 templates of one resident; any joint law is a list of them."""
    matching_frames = [sum(map(max, draw[::2], draw[1::2])) for draw in draws]
    granted = sum(count >= agree for count in matching_frames)
    p = sum(map(sum, draws)) / (6 * len(draws))
    assert granted / len(draws) <= 3 * 2 * p / agree + 1e-12


def test_door_threshold_more_templates_is_stricter() -> None:
    taus = [door_threshold(TABLE, RULES, templates).tau for templates in range(1, 60)]
    assert taus == sorted(taus, reverse=True)
    assert len(set(taus)) == len(taus)


@pytest.mark.parametrize("templates", [1, 2, 6, 59])
def test_door_threshold_keeps_the_promise_for_the_whole_attempt(templates: int) -> None:
    threshold = door_threshold(TABLE, RULES, templates)
    assert threshold.templates == templates
    assert attempt_false_accepts(threshold, RULES) == pytest.approx(RULES.target_false_accepts)


def test_door_threshold_empty_gallery_counts_as_one_template() -> None:
    empty, one = door_threshold(TABLE, RULES, 0), door_threshold(TABLE, RULES, 1)
    assert (empty.tau, empty.templates) == (one.tau, 0)
    assert attempt_false_accepts(empty, RULES) == attempt_false_accepts(one, RULES)


def test_door_threshold_too_many_templates_is_refused() -> None:
    with pytest.raises(ConfigError, match="61 templates"):
        door_threshold(TABLE, RULES, 61)


def test_door_and_pair_threshold_fixed_tau_overrides_the_target() -> None:
    rules = replace(RULES, fixed_tau=1.1)
    for threshold in (door_threshold(TABLE, rules, 100_000), pair_threshold(TABLE, rules)):
        assert (threshold.tau, threshold.kind) == (1.1, FIXED)


def test_pair_threshold_is_the_tau_of_the_target_itself() -> None:
    assert pair_threshold(TABLE, RULES).tau == 1.2


def test_attempt_false_accepts_is_a_probability() -> None:
    assert attempt_false_accepts(TABLE.at(1e-2, templates=1000), RULES) == 1.0


def test_wrong_openings_a_year_counts_every_attempt_of_every_stranger() -> None:
    a_year = wrong_openings_a_year(1e-4, strangers_a_day=20, attempts_per_visit=3)
    assert a_year == pytest.approx(2.19)


def test_shipped_profile_default_promise_is_met_from_1_to_600_templates(root: Path) -> None:
    table = _shipped(root)
    for templates in (1, 2, 6, 60, 599, 600):
        threshold = door_threshold(table, RULES, templates)
        assert attempt_false_accepts(threshold, RULES) == pytest.approx(1e-4)
    assert door_threshold(table, RULES, 1).kind == MEASURED
    assert door_threshold(table, RULES, 600).kind == EXTRAPOLATED
    with pytest.raises(ConfigError):
        door_threshold(table, RULES, 601)
