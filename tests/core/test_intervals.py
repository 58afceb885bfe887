"""Intervals against tables, scipy's beta distribution, and draws whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from doorguard.core.intervals import (
    Genuine,
    Impostors,
    Interval,
    beta_cdf,
    bootstrap_fmr,
    bootstrap_fnmr_at,
    bootstrap_share,
    clopper_pearson,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# Clopper and Pearson


@pytest.mark.parametrize(
    ("errors", "trials"),
    [(1, 10), (5, 10), (9, 10), (3, 1000), (707, 5983), (415, 4_151_521), (0, 7), (7, 7)],
)
def test_exact_interval_agrees_with_scipy(errors: int, trials: int) -> None:
    expected = stats.binomtest(errors, trials).proportion_ci(0.95, method="exact")
    found = clopper_pearson(errors, trials)
    assert found.low == pytest.approx(expected.low, rel=1e-8, abs=1e-15)
    assert found.high == pytest.approx(expected.high, rel=1e-8)


def test_exact_interval_of_no_error_is_known_in_closed_form() -> None:
    assert clopper_pearson(0, 10) == Interval(0.0, pytest.approx(1 - 0.025**0.1))
    assert clopper_pearson(10, 10) == Interval(pytest.approx(0.025**0.1), 1.0)


@pytest.mark.parametrize(("errors", "trials"), [(-1, 5), (6, 5), (0, 0)])
def test_counts_that_are_none_are_refused(errors: int, trials: int) -> None:
    with pytest.raises(ValueError, match="trials"):
        clopper_pearson(errors, trials)


@pytest.mark.parametrize(
    ("x", "a", "b"), [(0.0, 2, 3), (1.0, 2, 3), (0.3, 2, 3), (0.9, 0.5, 7), (0.5, 1e4, 1e4)]
)
def test_beta_distribution_agrees_with_scipy(x: float, a: float, b: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), rel=1e-9, abs=1e-12)


def test_joined_interval_holds_both() -> None:
    assert Interval(0.1, 0.3).joined(Interval(0.2, 0.5)) == Interval(0.1, 0.5)


# Bootstrap of a share


def test_share_interval_of_independent_people_is_near_the_exact_one(rng: np.random.Generator) -> None:
    errors = (np.arange(1000) < 100).astype(float)
    found = bootstrap_share(errors, np.ones(1000), rng)
    exact = clopper_pearson(100, 1000)
    assert found.low == pytest.approx(exact.low, abs=0.006)
    assert found.high == pytest.approx(exact.high, abs=0.006)


def test_share_interval_is_wider_when_each_persons_comparisons_go_together(
    rng: np.random.Generator,
) -> None:
    """100 people with 10 comparisons each, all right or all wrong, know no more than 100 comparisons."""
    errors = np.where(np.arange(100) < 10, 10.0, 0.0)
    found = bootstrap_share(errors, np.full(100, 10.0), rng)
    exact = clopper_pearson(10, 100)
    naive = clopper_pearson(100, 1000)
    assert found.high - found.low > 2 * (naive.high - naive.low)
    assert found.high == pytest.approx(exact.high, abs=0.03)


def test_share_skips_draws_that_hold_no_trial(rng: np.random.Generator) -> None:
    found = bootstrap_share(np.array([1.0, 0.0]), np.array([2.0, 0.0]), rng)
    assert found == Interval(0.5, 0.5)


def test_share_of_no_trials_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="no trials"):
        bootstrap_share(np.zeros(3), np.zeros(3), rng)


# Bootstrap of FMR and of FNMR at an FMR


def everybody_with_everybody(people: int, rng: np.random.Generator, *, keep: int | None = None) -> Impostors:
    first, second = np.triu_indices(people, 1)
    distances = rng.normal(2.0, 0.2, len(first))
    order = np.argsort(distances)[:keep]
    return Impostors(distances[order], first[order], second[order], len(first), np.arange(people), people)


def test_fmr_interval_of_the_smallest_is_that_of_all(rng: np.random.Generator) -> None:
    whole = everybody_with_everybody(60, np.random.default_rng(5))
    part = everybody_with_everybody(60, np.random.default_rng(5), keep=400)
    tau = float(whole.distances[100])
    assert whole.is_complete
    assert not part.is_complete
    one = bootstrap_fmr(whole, tau, np.random.default_rng(1))
    two = bootstrap_fmr(part, tau, np.random.default_rng(1))
    assert one.low == pytest.approx(two.low)
    assert one.high == pytest.approx(two.high)
    assert one.low < 101 / 1770 < one.high


def test_fmr_interval_knows_of_one_person_behind_every_false_match(rng: np.random.Generator) -> None:
    """Whoever resembles everybody is drawn once, twice, or not at all."""
    first, second = np.triu_indices(40, 1)
    distances = np.where(first == 0, 0.5, 2.0)
    order = np.argsort(distances, kind="stable")
    impostors = Impostors(distances[order], first[order], second[order], 780, np.arange(40), 40)
    found = bootstrap_fmr(impostors, 1.0, rng)
    assert found.low == 0.0
    assert found.high > 2 * 39 / 780 * 0.9


def test_fmr_skips_draws_of_a_single_person(rng: np.random.Generator) -> None:
    one = Impostors(np.array([0.5]), np.array([0]), np.array([1]), 1, np.arange(2), 2)
    assert bootstrap_fmr(one, 1.0, rng) == Interval(1.0, 1.0)


def test_fnmr_interval_holds_the_rate_and_grows_towards_rarer_matches(rng: np.random.Generator) -> None:
    impostors = everybody_with_everybody(120, rng)
    owners = np.repeat(np.arange(120), 3)
    distances = rng.normal(1.3, 0.25, 360)
    order = np.argsort(distances)
    genuine = Genuine(distances[order], owners[order])
    loose, strict, none = bootstrap_fnmr_at(genuine, impostors, [1e-1, 1e-3, 1e-5], rng)
    for fmr, found in ((1e-1, loose), (1e-3, strict)):
        tau = impostors.distances[int(fmr * 7140) - 1]
        assert found.low < float((genuine.distances > tau).mean()) < found.high
    assert strict.high - strict.low > loose.high - loose.low
    assert none.high == 1.0


def test_fnmr_skips_draws_without_anybody_genuine_or_compared(rng: np.random.Generator) -> None:
    genuine = Genuine(np.array([0.2]), np.array([0]))
    impostors = Impostors(np.array([1.0]), np.array([0]), np.array([1]), 1, np.arange(2), 2)
    assert bootstrap_fnmr_at(genuine, impostors, [1.0], rng) == [Interval(0.0, 0.0)]
