"""Does a calibration keep its word? Tau from half of the people, the rates it gives on the other half.

A threshold judged on the data it was chosen on flatters itself, so it is judged on people it has never seen,
and since one split may be lucky, on many. The splits share their people, so their spread says how much one
calibration of that size may be off, not how sure the mean is.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from doorguard.core.model import Threshold
from doorguard.core.threshold import MatchRules, TableEntry, door_threshold
from doorguard.lab.calibrate import Calibration, calibrate
from doorguard.lab.comparisons import compare_people
from doorguard.lab.encodings import Progress
from doorguard.lab.people import Person
from doorguard.lab.report import SEED, fmr_key, percent
from doorguard.lab.search import Door, SearchResult, search

SPLITS = 100


@dataclass(frozen=True, slots=True)
class Realised:
    """What one FMR of the table became on the other half.

    Parameters
    ----------
    fmr : promised.
    kind : of the first split's tau.
    mean : realised, over all splits.
    undoubted : the same without the pairs suspected to be one person.
    low, high : between which the realised rate lay in nine splits of ten.
    comparisons : of strangers in one split's other half.

    """

    fmr: float
    kind: str
    mean: float
    undoubted: float
    low: float
    high: float
    comparisons: int

    def as_json(self) -> dict[str, object]:
        """JSON values."""
        return {
            "fmr": self.fmr,
            "kind": self.kind,
            "realised": self.mean,
            "realised_without_suspects": self.undoubted,
            "p5": self.low,
            "p95": self.high,
            "comparisons": self.comparisons,
        }


@dataclass(frozen=True, slots=True)
class RealisedSearch:
    """FPIR per attempt on the other half, at the tau the door would use; `frames` and `agree` are n and k."""

    frames: int
    agree: int
    promised: float
    errors: int
    attempts: int
    worst: float

    @property
    def rate(self) -> float:
        """Strangers let in, per attempt, over all splits; 0 without an attempt."""
        return self.errors / self.attempts if self.attempts else 0.0

    def as_json(self) -> dict[str, object]:
        """JSON values."""
        return {
            "frames": self.frames,
            "agree": self.agree,
            "promised": self.promised,
            "realised": self.rate,
            "worst_split": self.worst,
            "errors": self.errors,
            "attempts": self.attempts,
        }


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `calibrate --check` found."""

    splits: int
    residents: int
    suspects: int
    table: tuple[Realised, ...]
    searches: tuple[RealisedSearch, ...]

    def as_json(self) -> dict[str, object]:
        """JSON values."""
        return {
            "splits": self.splits,
            "residents": self.residents,
            "suspects": self.suspects,
            "table": [row.as_json() for row in self.table],
            "fpir": [row.as_json() for row in self.searches],
        }

    def as_text(self) -> str:
        """Say it to a person."""
        lines = [
            f"tau from half of the people, judged on the other half; {self.splits} splits",
            f"{'FMR':>6} {'realised':>9} {'nine splits of ten':>22} {'without suspects':>17}",
        ]
        lines += [
            f"{fmr_key(row.fmr):>6} {row.mean:>9.2e} {row.low:>10.2e} to {row.high:.2e}"
            f" {row.undoubted:>17.2e}  {row.kind}"
            for row in self.table
        ]
        lines += [
            f"{row.agree} of {row.frames} frames, {self.residents} residents: promised at most"
            f" {percent(row.promised, 4)} an attempt, realised {percent(row.rate, 4)}"
            f" ({row.errors} of {row.attempts:,}; worst split {percent(row.worst, 4)})"
            for row in self.searches
        ]
        lines.append(
            f"({self.suspects} pairs of the whole set are suspected to be one person or a wrong label)"
        )
        lines.append(
            "(the frames of these attempts are different photographs, less alike than the frames of a visit;"
            " one frame alone is the other extreme)"
        )
        return "\n".join(lines)


def check(
    persons: Sequence[Person],
    rules: MatchRules,
    *,
    residents: int,
    splits: int = SPLITS,
    progress: Progress = lambda done, total: None,
) -> CheckReport:
    """Split the people again and again, calibrate by one half and judge by the other.

    Parameters
    ----------
    persons : everybody.
    rules : the door's; a tau set by hand is left aside.
    residents : of the door simulated, each enrolled by one picture.
    splits : how often.
    progress : told of each split.

    Raises
    ------
    UsageError : half of the people are too few to calibrate by, or to be residents and strangers.
    ConfigError : no tau is known for so many residents.

    """
    rng = np.random.default_rng(SEED)
    usable = [person for person in persons if person.usable]
    rules = replace(rules, fixed_tau=None)
    suspects = calibrate(usable, bounds=False).suspects
    halves = []
    for done in range(splits):
        progress(done, splits)
        order = rng.permutation(len(usable))
        mine, others = ([usable[index] for index in half] for half in np.array_split(order, 2))
        half = _judge(calibrate(mine, bounds=False), others, rules, residents, rng)
        halves.append(replace(half, doubtful=_doubtful(half, suspects, {each.name for each in others})))
    progress(splits, splits)
    return CheckReport(splits, residents, len(suspects), _table(halves), _sum_up(halves))


@dataclass(frozen=True, slots=True, eq=False)
class _Half:
    """One split: what a half's table became on the other half, and what that half's strangers achieved."""

    entries: tuple[TableEntry, ...]
    matches: NDArray[np.float64]
    doubtful: NDArray[np.float64]
    comparisons: int
    threshold: Threshold
    searches: tuple[SearchResult, ...]


def _judge(
    found: Calibration,
    others: Sequence[Person],
    rules: MatchRules,
    residents: int,
    rng: np.random.Generator,
) -> _Half:
    every, _ = compare_people([person.usable[0] for person in others])
    every.sort()
    taus = [entry.tau for entry in found.entries]
    matches = np.searchsorted(every, taus, side="right").astype(np.float64)
    threshold = door_threshold(found.table, rules, residents)
    door = Door.of(residents, threshold, rules)
    searches = tuple(search(others, each, rng) for each in (door, door.each_frame_alone()))
    return _Half(found.entries, matches, np.zeros(len(taus)), len(every), threshold, searches)


def _doubtful(
    half: _Half, suspects: Sequence[tuple[str, str, float]], names: Container[str]
) -> NDArray[np.float64]:
    """Return how many of the matches are pairs that may be one person."""
    there = np.array([distance for one, two, distance in suspects if one in names and two in names])
    return np.array([float((there <= entry.tau).sum()) for entry in half.entries])


def _table(halves: Sequence[_Half]) -> tuple[Realised, ...]:
    rates = np.array([half.matches / half.comparisons for half in halves])
    undoubted = np.array([(half.matches - half.doubtful) / half.comparisons for half in halves])
    lows, highs = np.quantile(rates, [0.05, 0.95], axis=0)
    return tuple(
        Realised(
            fmr=entry.fmr,
            kind=entry.kind,
            mean=float(rates[:, row].mean()),
            undoubted=float(undoubted[:, row].mean()),
            low=float(lows[row]),
            high=float(highs[row]),
            comparisons=halves[0].comparisons,
        )
        for row, entry in enumerate(halves[0].entries)
    )


def _sum_up(halves: Sequence[_Half]) -> tuple[RealisedSearch, ...]:
    summed = []
    for column, first in enumerate(halves[0].searches):
        rates = [half.searches[column].fpir for half in halves]
        threshold, door = halves[0].threshold, first.door
        # The union bound of `core.threshold.comparison_fmr`; on one frame k = n = 1.
        promised = (threshold.fmr or 0.0) * threshold.templates * door.frames / door.agree
        summed.append(
            RealisedSearch(
                frames=door.frames,
                agree=door.agree,
                promised=promised,
                errors=sum(each.errors for each in rates),
                attempts=sum(each.attempts for each in rates),
                worst=max(each.rate or 0.0 for each in rates),
            )
        )
    return tuple(summed)
