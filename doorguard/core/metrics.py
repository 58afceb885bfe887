"""How good a matcher is: error rates of distances, accuracy over folds, searches over several frames.

A comparison matches when `D <= tau`, the boundary included. *Genuine* distances compare a person with
himself, *impostor* distances two people. FNMR is the share of genuine ones above tau, FMR the share of
impostor ones at or below it (ISO/IEC 19795-1). Intervals of these rates are in `core.intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.float64]
"""Squared distances, 0 to 4, one dimension."""

NOBODY: Final = -1
"""Stands for "no resident" among indices of residents."""

_ROUNDING: Final = 1e-9  # 0.29 * 100 is 28.999999999999996; it means 29


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Genuine and impostor distances, each sorted; `Scores.of` makes one."""

    genuine: Distances = field(repr=False)
    impostor: Distances = field(repr=False)

    @classmethod
    def of(cls, genuine: NDArray[Any], impostor: NDArray[Any]) -> Scores:
        """Sort both.

        An infinite genuine distance stands for a comparison that could not be made: a miss at any tau.

        Raises
        ------
        ValueError : one is empty or holds NaN, or an impostor distance is infinite.

        """
        if not np.isfinite(impostor).all():
            raise ValueError("impostor distances must be finite")
        ordered: list[Distances] = []
        for name, values in (("genuine", genuine), ("impostor", impostor)):
            if not len(values) or np.isnan(values).any():
                raise ValueError(f"{name} distances must be numbers, and at least one")
            ordered.append(np.sort(values.astype(np.float64)))
            ordered[-1].setflags(write=False)
        return cls(*ordered)

    def fmr(self, tau: float) -> float:
        """Return the share of impostor comparisons that match."""
        return float(np.searchsorted(self.impostor, tau, side="right")) / len(self.impostor)

    def fnmr(self, tau: float) -> float:
        """Return the share of genuine comparisons that do not match."""
        return 1.0 - float(np.searchsorted(self.genuine, tau, side="right")) / len(self.genuine)

    def misses(self, tau: float) -> int:
        """Return how many genuine comparisons do not match."""
        return len(self.genuine) - int(np.searchsorted(self.genuine, tau, side="right"))

    def false_matches(self, tau: float) -> int:
        """Return how many impostor comparisons match."""
        return int(np.searchsorted(self.impostor, tau, side="right"))

    def tau_at(self, fmr: float) -> float | None:
        """Return the largest impostor distance at which no more than `fmr` of the impostors match.

        None when not one comparison may match: so few cannot say where such a tau lies.
        """
        allowed = math.floor(fmr * len(self.impostor) + _ROUNDING)
        if allowed >= len(self.impostor):
            return float(self.impostor[-1])
        # Distances equal to the first one too many would match with it.
        within = int(np.searchsorted(self.impostor, self.impostor[allowed], side="left"))
        return float(self.impostor[within - 1]) if within else None

    def eer(self) -> tuple[float, float]:
        """Return the equal error rate and its tau: where FMR, rising, meets FNMR, falling.

        The two are steps and may jump past each other; of the two taus around the jump the one where they
        are nearer counts, and the rate is their mean.
        """
        taus = np.sort(np.concatenate([self.genuine[np.isfinite(self.genuine)], self.impostor]))
        low, high = 0, len(taus) - 1
        while low < high:
            middle = (low + high) // 2
            if self.fmr(taus[middle]) >= self.fnmr(taus[middle]):
                high = middle
            else:
                low = middle + 1
        around = [float(taus[index]) for index in (max(low - 1, 0), low)]
        best = min(around, key=lambda tau: abs(self.fmr(tau) - self.fnmr(tau)))
        return (self.fmr(best) + self.fnmr(best)) / 2, best

    def det(self, points: int = 200) -> tuple[Distances, Distances, Distances]:
        """Return tau, FMR and FNMR along the curve, at impostor ranks spaced evenly in log(FMR)."""
        ranks = np.unique(np.geomspace(1, len(self.impostor), points).astype(np.intp))
        taus = np.unique(self.impostor[ranks - 1])
        matches = np.searchsorted(self.impostor, taus, side="right") / len(self.impostor)
        misses = 1.0 - np.searchsorted(self.genuine, taus, side="right") / len(self.genuine)
        return taus, matches, misses


@dataclass(frozen=True, slots=True)
class FoldAccuracy:
    """Accuracy of "same or different" over folds, each at the tau that was best on the others.

    `per_fold` counts a pair without a distance as answered "different": a door that sees no face stays
    locked. `answered` leaves such pairs out.
    """

    per_fold: tuple[float, ...]
    answered: tuple[float, ...]
    taus: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.per_fold))

    @property
    def mean_answered(self) -> float:
        """Mean over the folds, of pairs that have a distance."""
        return float(np.mean(self.answered))

    @property
    def deviation(self) -> float:
        """Sample standard deviation over the folds."""
        return float(np.std(self.per_fold, ddof=1))


def fold_accuracy(distances: Distances, same: NDArray[np.bool_], folds: NDArray[np.intp]) -> FoldAccuracy:
    """Return the accuracy of each fold at the tau that is best on all others.

    Parameters
    ----------
    distances : one per pair; NaN where there is none.
    same : whether the pair shows one person.
    folds : which fold a pair belongs to; two different numbers at least.

    Raises
    ------
    ValueError : fewer than two folds, or a fold that leaves no distances to choose tau by, or has none.

    """
    names = np.unique(folds)
    if len(names) < 2:
        raise ValueError("a tau chosen on other folds needs two folds at least")
    known = ~np.isnan(distances)
    whole, answered, taus = [], [], []
    for name in names:
        others, own = known & (folds != name), folds == name
        if not others.any() or not (known & own).any():
            raise ValueError(f"fold {name} has no distances, or all there are")
        tau = best_tau(distances[others], same[others])
        right = (distances <= tau) == same
        whole.append(float(right[own].mean()))
        answered.append(float(right[own & known].mean()))
        taus.append(tau)
    return FoldAccuracy(tuple(whole), tuple(answered), tuple(taus))


def best_tau(distances: Distances, same: NDArray[np.bool_]) -> float:
    """Return the tau with the most right answers, the smallest of several, half way to the next distance."""
    order = np.argsort(distances, kind="stable")
    ordered, mates = distances[order], same[order]
    last_of_equals = np.append(ordered[1:] > ordered[:-1], True)
    right = np.cumsum(np.where(mates, 1, -1))
    cut = int(np.argmax(np.where(last_of_equals, right, np.iinfo(right.dtype).min)))
    if right[cut] <= 0:  # to match nothing at all does as well
        return float(ordered[0]) / 2
    following = ordered[min(cut + 1, len(ordered) - 1)]
    return float(ordered[cut] + following) / 2


def votes(distances: Distances, *, tau: float, margin: float) -> NDArray[np.intp]:
    """Return which resident each frame speaks for, by the rule of the door; `NOBODY` for none.

    Parameters
    ----------
    distances : `(frames, residents)`, D to each resident's nearest template; at least one resident.
    tau : a frame speaks only at `D <= tau`.
    margin : and only when the second resident is at least this much farther.

    """
    nearest = np.argmin(distances, axis=1)
    rows = np.arange(len(distances))
    first = distances[rows, nearest]
    others = distances.copy()
    others[rows, nearest] = np.inf
    speaks = (first <= tau) & (others.min(axis=1) - first >= margin)
    return np.where(speaks, nearest, NOBODY)


def granted(frames: NDArray[np.intp], agree: int) -> NDArray[np.intp]:
    """Return whom each attempt lets in: the resident whom `agree` of its frames speak for first.

    Parameters
    ----------
    frames : `(attempts, frames)` as `votes` returns them, in order of time.
    agree : k of k-of-n.

    """
    result = np.full(len(frames), NOBODY, dtype=np.intp)
    for index in range(frames.shape[1]):
        spoken = frames[:, index]
        agreeing = (frames[:, : index + 1] == spoken[:, None]).sum(axis=1)
        now = (result == NOBODY) & (spoken != NOBODY) & (agreeing >= agree)
        result[now] = spoken[now]
    return result


def pairwise_distances(left: NDArray[Any], right: NDArray[Any]) -> Distances:
    """Return D of every row of `left` to every row of `right`, `(m, n)`; rows are unit vectors.

    D = 2 - 2·cos holds for unit vectors; float64 keeps it right to 1e-7, which is what float32 encodings
    are good for.
    """
    cosines = left.astype(np.float64) @ right.astype(np.float64).T
    return np.maximum(2.0 - 2.0 * cosines, 0.0)


def own_pairs(encodings: NDArray[Any]) -> Distances:
    """Return D of every two different rows, each pair once, in the order of `numpy.triu_indices`."""
    first, second = np.triu_indices(len(encodings), 1)
    return pairwise_distances(encodings, encodings)[first, second]


def fused(vectors: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Return the mean direction of unit vectors, `(dim,)`; raises `ValueError` when there is none."""
    total = np.sum([vector.astype(np.float64) for vector in vectors], axis=0)
    length = float(np.linalg.norm(total))
    if not length > _ROUNDING:
        raise ValueError("opposite encodings have no mean direction")
    mean: NDArray[np.float32] = (total / length).astype(np.float32)
    return mean
