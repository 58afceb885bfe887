"""The lower tail of impostor distances: how rare a distance is that nobody has come near often enough.

Peaks over a threshold (Pickands 1975): below a small enough distance u, how far strangers come nearer than u
follows a generalised Pareto distribution, whatever the distribution of all distances is. With p the share of
comparisons at or below u,

    FMR(tau) = p · (1 + shape · (u - tau) / scale) ^ (-1 / shape).

The nearest pairs of a set are where its wrong labels lie: one person under two names is nearer than any
stranger. So the fit is told only *how many* pairs are nearer than a second distance c, not how near (censored
likelihood), and a few wrong labels cannot bend it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from doorguard.core.metrics import Distances

_GRID: Final = np.linspace(-0.98, 3.98, 622)
"""Values of shape · (u - c) / scale that are tried, 0.008 apart and none of them 0. A step moves the shape by
a tenth of its standard error at 4,000 pairs, so the nearest value is near enough."""


@dataclass(frozen=True, slots=True)
class Tail:
    """A fitted lower tail.

    Parameters
    ----------
    limit : u, squared distance; the fit speaks of nothing above it.
    share : p, the share of comparisons at or below u.
    shape : of the generalised Pareto distribution; below 0 there is a nearest distance, `limit` +
        `scale` / `shape`.
    scale : squared distance, above 0.

    """

    limit: float
    share: float
    shape: float
    scale: float

    def fmr(self, tau: float) -> float:
        """Return the share of strangers at or below `tau`, which is at most u."""
        base = 1.0 + self.shape * (self.limit - tau) / self.scale
        return self.share * math.pow(base, -1.0 / self.shape) if base > 0.0 else 0.0

    def tau(self, fmr: float) -> float:
        """Return the distance at or below which the share `fmr` of strangers lies; `fmr` is at most p."""
        return self.limit - self.scale / self.shape * (math.pow(fmr / self.share, -self.shape) - 1.0)


class TailFit:
    """Fits the tail of one set of comparisons, again and again with other weights.

    Everything that does not depend on the weights is worked out once, so that a thousand bootstrap draws
    take seconds.
    """

    def __init__(self, distances: Distances, *, nearest: int) -> None:
        """Take the distances of the tail.

        Parameters
        ----------
        distances
            sorted; u is the largest of them.
        nearest
            how many count only as "nearer than the next one", which is c; at least 1.

        Raises
        ------
        ValueError : fewer than two different distances are left to fit.

        """
        if not 0 < nearest < len(distances) or not distances[nearest] < distances[-1]:
            raise ValueError(f"no tail: {len(distances)} distances, {nearest} of them not looked at")
        self._limit = float(distances[-1])
        self._nearest = nearest
        self._reach = self._limit - float(distances[nearest])
        self._excess = (self._limit - distances[nearest:]) / self._reach

    @cached_property
    def _logs(self) -> NDArray[np.float64]:
        """log(1 + t·z) for every excess z, in units of u - c, and every t of the grid."""
        logs: NDArray[np.float64] = np.log1p(np.outer(self._excess, _GRID))
        return logs

    def fit(self, weights: NDArray[np.float64], total: float) -> Tail | None:
        """Return the tail of largest likelihood.

        For a given ratio of shape and scale the best shape has a closed form, so one number is searched for
        (Davison 1984; Grimshaw 1993, with a term for the censored pairs).

        Parameters
        ----------
        weights
            one per distance, 0 or more.
        total
            weight of all comparisons, those above u included.

        Returns
        -------
        None when the weights leave nothing to fit.

        """
        seen, hidden = weights[self._nearest :], float(weights[: self._nearest].sum())
        count = float(seen.sum())
        if not (count > 0.0 and total > 0.0 and float(seen @ self._excess) > 0.0):
            return None
        observed = seen @ self._logs
        shapes = (observed + hidden * np.log1p(_GRID)) / count
        scales = shapes / _GRID
        best = int(np.argmax(-count * np.log(scales) - observed))
        share = float(weights.sum()) / total
        return Tail(self._limit, share, float(shapes[best]), float(scales[best]) * self._reach)
