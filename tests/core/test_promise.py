"""The promise in numbers and words."""

from __future__ import annotations

import pytest

from doorguard.core.model import Threshold
from doorguard.core.promise import Promise
from doorguard.core.threshold import MatchRules

RULES = MatchRules(target_false_accepts=1e-4, fixed_tau=None, margin=0.1, frames=5, agree=3)


def _promise(threshold: Threshold) -> Promise:
    return Promise(threshold, RULES, attempts_per_visit=3, strangers_a_day=20)


def test_promise_derived_tau_gives_back_the_target_and_the_yearly_bound() -> None:
    promise = _promise(Threshold(tau=1.0, fmr=6e-5 / 4, fnmr=0.2, kind="measured", templates=4))
    assert promise.per_attempt == pytest.approx(1e-4)
    assert promise.wrong_openings_a_year == pytest.approx(1e-4 * 3 * 20 * 365)
    assert "at most 2.2 wrong openings a year" in promise.as_text()
    assert "4 enabled templates" in promise.as_text()


def test_promise_fixed_tau_is_marked() -> None:
    text = _promise(Threshold(tau=1.1234, fmr=1e-4, fnmr=0.1, kind="fixed", templates=1)).as_text()
    assert "set by hand" in text
    assert "1 enabled template\n" in text


def test_promise_tau_outside_the_table_promises_nothing() -> None:
    promise = _promise(Threshold(tau=2.5, fmr=None, fnmr=None, kind="fixed", templates=1))
    assert promise.per_attempt is None
    assert promise.wrong_openings_a_year is None
    assert promise.as_json()["wrong_openings_a_year"] is None
    assert "nothing is promised" in promise.as_text()
