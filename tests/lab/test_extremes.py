"""The tail fit, against distributions whose tail is known and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from doorguard.lab.extremes import Tail, TailFit

LIMIT = 1.3


def drawn(shape: float, scale: float, count: int, seed: int = 0) -> np.ndarray:
    """Distances below `LIMIT`, sorted, that follow the tail of this shape."""
    excess = stats.genpareto.rvs(shape, scale=scale, size=count, random_state=seed)
    return np.sort(np.append(LIMIT - excess, LIMIT))


def fit(distances: np.ndarray, nearest: int = 30, total: float = 1e6) -> Tail:
    found = TailFit(distances, nearest=nearest).fit(np.ones(len(distances)), total)
    assert found is not None
    return found


@pytest.mark.parametrize("shape", [-0.3, -0.1, 0.0, 0.2])
def test_fit_finds_the_tail_it_was_drawn_from(shape: float) -> None:
    tail = fit(drawn(shape, 0.07, 20_000))
    assert tail.shape == pytest.approx(shape, abs=0.03)
    assert tail.scale == pytest.approx(0.07, rel=0.03)
    assert tail.share == pytest.approx(20_001 / 1e6)
    truth = LIMIT - stats.genpareto.isf(1e-7 / tail.share, shape, scale=0.07)
    assert tail.tau(1e-7) == pytest.approx(truth, abs=0.1 * (LIMIT - truth))


def test_fit_agrees_with_scipy_where_nothing_is_hidden() -> None:
    distances = drawn(-0.1, 0.07, 5000)
    tail = fit(distances, nearest=1)
    shape, _, scale = stats.genpareto.fit((LIMIT - distances)[:-1], floc=0.0)
    assert tail.shape == pytest.approx(shape, abs=0.01)
    assert tail.scale == pytest.approx(scale, rel=0.01)


def test_wrong_labels_bend_nothing_but_are_counted() -> None:
    clean = drawn(-0.1, 0.07, 5000)
    wrong = clean.copy()
    wrong[:5] = [0.01, 0.02, 0.1, 0.2, 0.3]
    assert fit(wrong) == fit(clean)
    one_more = np.sort(np.append(clean, 0.01))
    assert fit(one_more, nearest=31).tau(1e-7) == pytest.approx(fit(clean).tau(1e-7), abs=0.02)
    # A fit that looks at the nearest distances is bent by five of five thousand.
    assert abs(fit(wrong, nearest=1).tau(1e-7) - fit(clean, nearest=1).tau(1e-7)) > 0.1


def test_weight_two_is_the_same_distance_twice() -> None:
    distances = drawn(-0.1, 0.07, 2000)
    weights = np.ones(len(distances))
    weights[100:400] = 2.0
    weighted = TailFit(distances, nearest=30).fit(weights, 1e5)
    twice = fit(np.sort(np.concatenate([distances, distances[100:400]])), total=1e5)
    assert weighted is not None
    assert (weighted.shape, weighted.scale) == pytest.approx((twice.shape, twice.scale), rel=1e-9)
    assert weighted.share == pytest.approx(twice.share)


def test_total_changes_the_share_alone() -> None:
    distances = drawn(-0.1, 0.07, 2000)
    one, other = fit(distances, total=1e5), fit(distances, total=1e6)
    assert (one.shape, one.scale, one.limit) == (other.shape, other.scale, other.limit)
    assert one.share == pytest.approx(10 * other.share)


@given(st.sampled_from([-0.4, -0.1, 0.05, 0.3]), st.floats(-7.0, -3.0))
def test_tau_is_where_the_fmr_is(shape: float, exponent: float) -> None:
    tail = Tail(LIMIT, 1e-3, shape, 0.07)
    assert tail.fmr(tail.tau(10.0**exponent)) == pytest.approx(10.0**exponent, rel=1e-6)


def test_rate_at_the_limit_is_the_share_and_beyond_the_nearest_distance_nothing() -> None:
    tail = Tail(LIMIT, 1e-3, -0.2, 0.07)
    assert tail.fmr(LIMIT) == pytest.approx(1e-3)
    assert tail.tau(1e-3) == pytest.approx(LIMIT)
    assert tail.fmr(LIMIT - 0.07 / 0.2 - 1e-9) == 0.0


@pytest.mark.parametrize(
    ("distances", "nearest"),
    [([1.0, 1.1, 1.2], 0), ([1.0, 1.1, 1.2], 3), ([1.0, 1.2, 1.2], 1), ([], 1)],
)
def test_no_tail_is_refused(distances: list[float], nearest: int) -> None:
    with pytest.raises(ValueError, match="no tail"):
        TailFit(np.array(distances), nearest=nearest)


@pytest.mark.parametrize("kept", ["nearest", "limit", "none"])
def test_weights_that_leave_nothing_give_no_tail(kept: str) -> None:
    distances = drawn(-0.1, 0.07, 200)
    weights = np.zeros(len(distances))
    if kept == "nearest":
        weights[:30] = 1.0
    if kept == "limit":
        weights[-1] = 1.0
    assert TailFit(distances, nearest=30).fit(weights, 1e5) is None
