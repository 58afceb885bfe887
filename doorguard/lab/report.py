"""What reports share: FNMR at an FMR with its intervals, and how rates look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from doorguard.core.intervals import Genuine, Impostors, Interval, bootstrap_fnmr_at, clopper_pearson
from doorguard.core.metrics import Scores

FMRS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
SEED = 20150312
"""Every random draw of an evaluation starts here, so that the same pictures give the same report."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """FNMR at one FMR; everything is None when the impostor comparisons are too few for it.

    Parameters
    ----------
    fmr : asked for.
    tau : the largest with no more false matches than that.
    fnmr : at that tau.
    exact : Clopper and Pearson, as if comparisons were independent.
    bootstrap : people drawn again, tau found again.

    """

    fmr: float
    tau: float | None = None
    fnmr: float | None = None
    exact: Interval | None = None
    bootstrap: Interval | None = None

    @property
    def interval(self) -> Interval | None:
        """The wider of both: each is blind to something the other sees."""
        return self.exact and self.bootstrap and self.exact.joined(self.bootstrap)

    def as_json(self) -> dict[str, object]:
        """JSON values."""
        return {
            "fnmr": self.fnmr,
            "low": self.interval and self.interval.low,
            "high": self.interval and self.interval.high,
            "tau": self.tau,
            "clopper_pearson": _ends(self.exact),
            "bootstrap": _ends(self.bootstrap),
        }


def operating_points(
    scores: Scores, genuine: Genuine, impostors: Impostors, fmrs: Sequence[float] = FMRS
) -> list[OperatingPoint]:
    """Measure FNMR at each FMR."""
    found = bootstrap_fnmr_at(genuine, impostors, fmrs, np.random.default_rng(SEED))
    points = []
    for fmr, interval in zip(fmrs, found, strict=True):
        tau = scores.tau_at(fmr)
        if tau is None:
            points.append(OperatingPoint(fmr))
            continue
        exact = clopper_pearson(scores.misses(tau), len(scores.genuine))
        points.append(OperatingPoint(fmr, tau, scores.fnmr(tau), exact, interval))
    return points


def fmr_key(fmr: float) -> str:
    """Return `1e-4` for 0.0001, as the JSON contract names it."""
    mantissa, exponent = f"{fmr:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def percent(rate: float | None, digits: int = 2) -> str:
    """Return a rate in percent, or a dash where there is none."""
    return "-" if rate is None else f"{100 * rate:.{digits}f} %"


def spread(interval: Interval | None, digits: int = 2) -> str:
    """Return an interval in percent, or a dash."""
    if interval is None:
        return "-"
    return f"{100 * interval.low:.{digits}f} to {100 * interval.high:.{digits}f} %"


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]
