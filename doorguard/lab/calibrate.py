"""Calibration: from a folder of people to a tau table, with what stands behind each line of it.

A line is *measured* where at least `MEASURED_MIN` pairs of strangers lie at or below its tau, and
*extrapolated* by an extreme-value fit (`lab.extremes`) where fewer do. Every face counts that can be aligned,
also those the quality gate would refuse: the gate can only lower the rates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from doorguard.core.intervals import Impostors, clopper_pearson, draws
from doorguard.core.metrics import Scores
from doorguard.core.threshold import EXTRAPOLATED, MEASURED, TableEntry, ThresholdTable
from doorguard.errors import ModelError, UsageError
from doorguard.lab.comparisons import Comparisons, compare_all
from doorguard.lab.extremes import Tail, TailFit
from doorguard.lab.people import People, Person
from doorguard.lab.report import SEED, fmr_key, percent

FMRS = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7)
MEASURED_MIN = 30
"""With 30 errors counted, the true rate lies within 30 % of the measured one with 90 % confidence, as if
trials were independent (Doddington's rule of 30, 1998)."""
TAIL_SHARE = 1e-3
"""Where the tail begins: a smaller share is nearer to what the theory says, and leaves less to fit. On
lfw-dev the fit gives tau 0.781 at FMR 1e-7; begun at 3e-3 or 1e-2, where it rests on more, 0.80 to 0.81."""
TAIL_MIN = 1000
"""Pairs the tail has at least; a smaller set begins its tail at a larger share, up to the largest FMR."""
_CONFIDENCE = 0.95
_DIGITS = 4
_UNLIKELY = 0.1
"""Two names may be one person when fewer pairs of strangers than this are expected to be so near."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A tau table with its origin.

    Parameters
    ----------
    entries : largest FMR first.
    tail : the extreme-value fit.
    fitted : pairs of strangers the fit rests on.
    comparisons : everything that was compared.

    """

    entries: tuple[TableEntry, ...]
    tail: Tail
    fitted: int
    comparisons: Comparisons = field(repr=False)

    @property
    def table(self) -> ThresholdTable:
        """The same for the door."""
        return ThresholdTable(self.entries)

    @property
    def suspects(self) -> list[tuple[str, str, float]]:
        """Two names nearer than any of so many strangers is expected: one person, or a wrong label.

        They are also as near as half of the comparisons of one person. The tail is taken two standard errors
        heavier than fitted, so that nobody is suspected by an unlucky fit; a maximum-likelihood shape has
        the standard error (1 + shape) / sqrt(n) (Smith 1985).
        """
        impostors, persons = self.comparisons.impostors, self.comparisons.persons
        doubt = 2.0 * (1.0 + self.tail.shape) / math.sqrt(self.fitted)
        heavier = replace(self.tail, shape=self.tail.shape + doubt)
        likely = min(float(np.median(self.comparisons.scores.genuine)), heavier.limit)
        found = []
        for index, distance in enumerate(impostors.distances.tolist()):
            if distance > likely or heavier.fmr(distance) * impostors.total >= _UNLIKELY:
                break
            one, two = int(impostors.first[index]), int(impostors.second[index])
            found.append((persons[one].name, persons[two].name, distance))
        return found


def calibrate(persons: Sequence[Person], *, bounds: bool = True) -> Calibration:
    """Measure a set.

    Parameters
    ----------
    persons : everybody; strangers are compared by the first usable picture of each.
    bounds : work out the upper bounds too, which takes a thousand times as long.

    Raises
    ------
    UsageError : too few people for FMR 1e-2 and a tail, or nobody with two pictures; the tail cannot be
        continued to FMR 1e-7.

    """
    comparisons = compare_all(persons)
    impostors = comparisons.impostors
    share = max(TAIL_SHARE, TAIL_MIN / impostors.total)
    if share > FMRS[0]:
        needed = math.ceil((1 + math.sqrt(1 + 8 * TAIL_MIN / FMRS[0])) / 2)
        raise UsageError(
            f"{len(impostors.compared)} people with a usable picture are too few to calibrate by:"
            f" {needed} are needed"
        )
    count = round(share * impostors.total)
    try:
        fit = TailFit(impostors.distances[:count], nearest=MEASURED_MIN)
    except ValueError as error:
        raise UsageError("all strangers of this set are equally near: no tail to calibrate by") from error
    tail = fit.fit(np.ones(count), impostors.total)
    assert tail is not None
    entries = _entries(comparisons.scores, tail)
    if bounds:
        entries = _bounded(entries, impostors, fit, count)
    found = Calibration(entries, tail, count - MEASURED_MIN, comparisons)
    _check(found)
    return found


def _entries(scores: Scores, tail: Tail) -> tuple[TableEntry, ...]:
    made = []
    for fmr in FMRS:
        is_measured = fmr * len(scores.impostor) >= MEASURED_MIN
        tau = scores.tau_at(fmr) if is_measured else tail.tau(fmr)
        assert tau is not None
        # Rounded down: a tau is never larger than what was measured.
        rounded = math.floor(tau * 10**_DIGITS) / 10**_DIGITS
        entry = TableEntry(
            fmr=fmr,
            tau=rounded,
            kind=MEASURED if is_measured else EXTRAPOLATED,
            fnmr=round(scores.fnmr(rounded), _DIGITS),
            impostor_comparisons=len(scores.impostor),
            genuine_comparisons=len(scores.genuine),
        )
        made.append(entry)
    return tuple(made)


def _bounded(
    entries: Sequence[TableEntry], impostors: Impostors, fit: TailFit, count: int
) -> tuple[TableEntry, ...]:
    """Add the upper bounds: people drawn again, the tail fitted again, and the chance of mere counting."""
    found = np.array(list(_replicates(entries, impostors, fit, count)))
    highs = np.quantile(found, _CONFIDENCE, axis=0)
    bounded = []
    for entry, high in zip(entries, highs.tolist(), strict=True):
        counted = 0.0
        if entry.kind == MEASURED:
            matches = int(np.searchsorted(impostors.distances, entry.tau, side="right"))
            # Of a two-sided interval of 90 %, the upper end is the one-sided bound of 95 %.
            counted = clopper_pearson(matches, impostors.total, 2 * _CONFIDENCE - 1).high
        upper = max(high, counted, entry.fmr)
        bounded.append(replace(entry, fmr_high=max(float(f"{upper:.3g}"), entry.fmr)))
    return tuple(bounded)


def _replicates(
    entries: Sequence[TableEntry], impostors: Impostors, fit: TailFit, count: int
) -> Iterator[list[float]]:
    """Yield the FMR of every entry's tau in each bootstrap draw of people."""
    matches = [int(np.searchsorted(impostors.distances, entry.tau, side="right")) for entry in entries]
    needed = max(*matches, count)
    first, second = impostors.first[:needed], impostors.second[:needed]
    for weights in draws(impostors.people, np.random.default_rng(SEED)):
        pairs: NDArray[np.float64] = weights[first] * weights[second]
        total = impostors.weighted_total(weights, pairs)
        tail = fit.fit(pairs[:count], total)
        sums = np.concatenate([[0.0], np.cumsum(pairs)])
        if tail is not None:
            yield [
                float(sums[matched]) / total if entry.kind == MEASURED else tail.fmr(entry.tau)
                for entry, matched in zip(entries, matches, strict=True)
            ]


def _check(found: Calibration) -> None:
    """Refuse a table that does not fall from line to line, or ends below D 0."""
    try:
        _ = found.table
    except ModelError as error:
        raise UsageError(
            f"these distances give no tau table (tail: shape {found.tail.shape:.2f}, scale"
            f" {found.tail.scale:.3f}): more people are needed, or labels are wrong"
        ) from error


def calibration_json(found: Calibration, people: People) -> dict[str, object]:
    """The contract of `calibrate --json`."""
    impostors = found.comparisons.impostors
    return {
        "tau": [entry_json(entry) for entry in found.entries],
        "counts": {
            "people": len(impostors.compared),
            "impostor": impostors.total,
            "genuine": len(found.comparisons.scores.genuine),
        },
        "tail": {
            "begins_at_fmr": found.tail.share,
            "begins_at_tau": found.tail.limit,
            "shape": found.tail.shape,
            "scale": found.tail.scale,
            "pairs": found.fitted,
            "pairs_not_looked_at": MEASURED_MIN,
        },
        "suspects": [{"names": [one, two], "distance_sq": distance} for one, two, distance in found.suspects],
        "problems": people.problems.as_json(),
    }


def entry_json(entry: TableEntry) -> dict[str, object]:
    """One line as the profile holds it; a bound nobody worked out is left out."""
    return {name: value for name, value in asdict(entry).items() if value is not None}


def calibration_text(found: Calibration, people: People) -> str:
    """Say it to a person."""
    impostors, tail = found.comparisons.impostors, found.tail
    failures, own = sum(people.problems.failures.values()), len(found.comparisons.scores.genuine)
    lines = [
        f"{people.pictures:,} pictures of {len(people.persons):,} people, {failures} failed;"
        f" {impostors.total:,} comparisons of strangers, {own:,} of one person",
        f"tail below D {tail.limit:.4f} (FMR {tail.share:.1e}): shape {tail.shape:.3f},"
        f" scale {tail.scale:.4f}, {found.fitted:,} pairs; the nearest {MEASURED_MIN} only counted",
        "",
        f"{'FMR':>6} {'tau':>7} {'found':>8} {'95 % bound':>11} {'FNMR':>9}",
    ]
    for entry in found.entries:
        matches = int(np.searchsorted(impostors.distances, entry.tau, side="right"))
        high = "-" if entry.fmr_high is None else f"{entry.fmr_high:.2e}"
        lines.append(
            f"{fmr_key(entry.fmr):>6} {entry.tau:>7.4f} {matches:>8,} {high:>11} {percent(entry.fnmr):>9}"
            f"  {entry.kind}"
        )
    lines += [
        f"one person or a wrong label? {one} and {two}: D {distance:.3f}"
        for one, two, distance in found.suspects
    ]
    return "\n".join(lines)
