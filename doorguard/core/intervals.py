"""How sure a rate is: Clopper and Pearson for independent trials, the bootstrap for people.

Comparisons of one person are not independent: whoever is hard to recognise is missed in all of his pictures.
Counting comparisons as if they were independent makes an interval too narrow, so identities are drawn
again, with replacement, each with everything that hangs on it (Bolle, Ratha, Pankanti 2004).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from doorguard.core.metrics import Distances

CONFIDENCE: Final = 0.95
REPLICATES: Final = 1000

_STEPS: Final = 200  # halvings of [0, 1]: beyond a double's resolution anywhere in it
_CONVERGED: Final = 1e-14
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval of a rate, both ends within 0 to 1."""

    low: float
    high: float

    def joined(self, other: Interval) -> Interval:
        """Return the smallest interval that holds both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))


def clopper_pearson(errors: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the exact binomial interval of `errors` in `trials` independent trials (1934).

    Raises `ValueError` when the counts are none.

    Examples
    --------
    >>> round(clopper_pearson(0, 100).high, 4)  # about 3.7 / n, the rule of three's two-sided sister
    0.0362

    """
    if not 0 <= errors <= trials or trials < 1:
        raise ValueError(f"{errors} errors in {trials} trials")
    tail = (1 - confidence) / 2
    low = 0.0 if errors == 0 else _beta_quantile(tail, errors, trials - errors + 1)
    high = 1.0 if errors == trials else _beta_quantile(1 - tail, errors + 1, trials - errors)
    return Interval(low, high)


def _beta_quantile(share: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if beta_cdf(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), 0 <= x <= 1, a and b above 0.

    By its continued fraction (Abramowitz and Stegun 26.5.8), which converges fast below the mean.
    """
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """Return 1 + d1/(1 + d2/(1 + …)) by the method of Lentz."""
    value, c, d = 1.0, 1.0, 0.0
    for term in count(1):
        half, is_odd = divmod(term, 2)
        if is_odd:
            step = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            step = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1.0 / (1.0 + step * d or _TINY)
        c = 1.0 + step / c or _TINY
        value *= c * d
        if abs(c * d - 1.0) < _CONVERGED:
            return value
    raise AssertionError("unreachable: the fraction converges for every a, b > 0")


@dataclass(frozen=True, slots=True, eq=False)
class Genuine:
    """Genuine distances, sorted, and whose each is: an index of a person, 0 to `people` - 1."""

    distances: Distances = field(repr=False)
    owners: NDArray[np.intp] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Impostors:
    """The smallest impostor distances, sorted, with the two people behind each.

    Parameters
    ----------
    distances : sorted; all there are, or the smallest of a full comparison of everybody with everybody.
    first, second : indices of the two people of each.
    total : comparisons made; more than `distances` holds means one for each two of `compared`.
    compared : who was compared.
    people : how many people there are; indices lie below it.

    """

    distances: Distances = field(repr=False)
    first: NDArray[np.intp] = field(repr=False)
    second: NDArray[np.intp] = field(repr=False)
    total: int
    compared: NDArray[np.intp] = field(repr=False)
    people: int

    @property
    def is_complete(self) -> bool:
        """Whether every comparison is here, not the smallest alone."""
        return len(self.distances) == self.total

    def weighted_total(self, weights: NDArray[np.float64], pairs: NDArray[np.float64]) -> float:
        """Return the comparisons made when each person counts so many times, never with himself."""
        if self.is_complete:
            return float(pairs.sum())
        taken = weights[self.compared]
        return float(taken.sum() ** 2 - taken @ taken) / 2


def bootstrap_share(
    errors: NDArray[np.float64], trials: NDArray[np.float64], rng: np.random.Generator
) -> Interval:
    """Return the interval of `errors.sum() / trials.sum()` when people are drawn again.

    Parameters
    ----------
    errors, trials : per person.
    rng : where the draws come from.

    Raises
    ------
    ValueError : there were no trials.

    """
    if not trials.sum() > 0:
        raise ValueError("no trials")
    shares = []
    for weights in draws(len(trials), rng):
        tried = float(weights @ trials)
        if tried:
            shares.append(float(weights @ errors) / tried)
    return _interval(shares)


def bootstrap_fmr(impostors: Impostors, tau: float, rng: np.random.Generator) -> Interval:
    """Return the interval of the FMR at a tau that lies within `impostors.distances`."""
    matched = int(np.searchsorted(impostors.distances, tau, side="right"))
    needed = len(impostors.distances) if impostors.is_complete else matched
    first, second = impostors.first[:needed], impostors.second[:needed]
    shares = []
    for weights in draws(impostors.people, rng):
        pairs = weights[first] * weights[second]
        total = impostors.weighted_total(weights, pairs)
        if total:
            shares.append(float(pairs[:matched].sum()) / total)
    return _interval(shares)


def bootstrap_fnmr_at(
    genuine: Genuine, impostors: Impostors, fmrs: Sequence[float], rng: np.random.Generator
) -> list[Interval]:
    """Return the interval of the FNMR at each FMR, tau being found again in every draw.

    So the interval holds both what the genuine comparisons leave open and what the impostor ones do.
    A draw in which no tau keeps the FMR counts as FNMR 1.
    """
    found: list[list[float]] = []
    for weights in draws(impostors.people, rng):
        shares = _cumulated(weights[genuine.owners])
        pairs = weights[impostors.first] * weights[impostors.second]
        total = impostors.weighted_total(weights, pairs)
        if shares is None or not total:
            continue
        matches = np.cumsum(pairs)
        row = []
        for fmr in fmrs:
            cut = int(np.searchsorted(matches, fmr * total, side="right")) - 1
            matched = (
                0 if cut < 0 else int(np.searchsorted(genuine.distances, impostors.distances[cut], "right"))
            )
            row.append(1.0 - float(shares[matched]))
        found.append(row)
    return [_interval([row[index] for row in found]) for index in range(len(fmrs))]


def _cumulated(weights: NDArray[np.float64]) -> Distances | None:
    """Return the share of the weight before each position, and 1 after the last; None with no weight."""
    total = float(weights.sum())
    return np.concatenate([[0.0], np.cumsum(weights) / total]) if total else None


def draws(people: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Yield how often each person is drawn when as many as there are are drawn with replacement."""
    for _ in range(REPLICATES):
        yield np.bincount(rng.integers(people, size=people), minlength=people).astype(np.float64)


def _interval(values: Sequence[float]) -> Interval:
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))
