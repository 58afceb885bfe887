"""A folder per person, evaluated: error rates, curves, the shipped thresholds, and a door with residents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from doorguard.config import QualitySettings
from doorguard.core.intervals import Interval, bootstrap_fmr, bootstrap_share, clopper_pearson
from doorguard.core.metrics import Scores, fold_accuracy
from doorguard.core.model import ModelId, Threshold
from doorguard.core.threshold import MatchRules, ThresholdTable, door_threshold, pair_threshold
from doorguard.errors import ConfigError, UsageError
from doorguard.lab.comparisons import PICTURES_PER_PERSON, Comparisons, compare_all
from doorguard.lab.people import People
from doorguard.lab.report import FMRS, SEED, OperatingPoint, fmr_key, operating_points
from doorguard.lab.search import Door, SearchResult, search

_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Rules:
    """What the encoder and the settings promise, and what is asked.

    Parameters
    ----------
    model_id, profile : the encoder's, and the digest of its profile.
    table : its thresholds.
    match : the door's rules.
    limits : the quality gate's.
    residents : T of the door that is simulated.

    """

    model_id: ModelId
    profile: str
    table: ThresholdTable
    match: MatchRules
    limits: QualitySettings
    residents: int = 10

    @property
    def pair_tau(self) -> float:
        """The tau of a single comparison, for the promised target."""
        return self.pair.tau

    @property
    def pair(self) -> Threshold:
        """The same, with where it comes from; raises `ConfigError`."""
        return pair_threshold(self.table, self.match)


@dataclass(frozen=True, slots=True)
class AtTau:
    """What a threshold of the profile gives on this set."""

    promised_fmr: float | None
    tau: float
    kind: str
    fmr: float
    fmr_interval: Interval
    fnmr: float
    fnmr_interval: Interval
    promised_fnmr: float | None

    def as_json(self) -> dict[str, object]:
        """JSON values."""
        return {
            "tau": self.tau,
            "kind": self.kind,
            "promised_fmr": self.promised_fmr,
            "fmr": self.fmr,
            "fmr_low": self.fmr_interval.low,
            "fmr_high": self.fmr_interval.high,
            "promised_fnmr": self.promised_fnmr,
            "fnmr": self.fnmr,
            "fnmr_low": self.fnmr_interval.low,
            "fnmr_high": self.fnmr_interval.high,
        }


@dataclass(frozen=True, slots=True, eq=False)
class GalleryReport:
    """Everything `evaluate gallery` found."""

    people: People
    rules: Rules
    comparisons: Comparisons = field(repr=False)
    accuracy: float
    eer: tuple[float, float]
    points: Sequence[OperatingPoint]
    every_picture: Sequence[float | None]
    every_comparison: int
    table: Sequence[AtTau]
    shipped: AtTau
    gate: dict[str, int]
    searches: Sequence[SearchResult]
    search_note: str

    @property
    def suspects(self) -> list[tuple[str, str, float]]:
        """Two names so near each other that they may be one person, or a wrong label: nearest first.

        Nearer than any of so many strangers is expected to come, by the profile's table.
        """
        impostors = self.comparisons.impostors
        rare = [entry.tau for entry in self.rules.table.entries if entry.fmr * impostors.total < 0.5]
        limit = max(rare, default=self.rules.table.entries[0].tau)
        names = [person.name for person in self.comparisons.persons]
        return [
            (names[one], names[two], distance)
            for one, two, distance in zip(
                impostors.first.tolist(),
                impostors.second.tolist(),
                impostors.distances.tolist(),
                strict=True,
            )
            if distance <= limit
        ]

    def as_json(self) -> dict[str, object]:
        """The contract of `evaluate gallery --json`."""
        scores = self.comparisons.scores
        taus, fmrs, fnmrs = scores.det()
        return {
            "root": str(self.people.root),
            "model": self.rules.model_id,
            "profile": self.rules.profile,
            "counts": self._counts(),
            "accuracy": self.accuracy,
            "eer": self.eer[0],
            "eer_tau": self.eer[1],
            "fnmr_at_fmr": {
                fmr_key(point.fmr): {
                    **point.as_json(),
                    "fnmr_compared": compared(scores, point.tau),
                    "fnmr_every_picture": every,
                }
                for point, every in zip(self.points, self.every_picture, strict=True)
            },
            "tau_shipped": self.shipped.as_json(),
            "tau_table": [entry.as_json() for entry in self.table],
            "quality_gate_refuses": self.gate,
            "identification": [each.as_json() for each in self.searches],
            "identification_note": self.search_note,
            "suspects": [
                {"names": [one, two], "distance_sq": distance} for one, two, distance in self.suspects
            ],
            "problems": self.people.problems.as_json(),
            "det": [
                {"tau": tau, "fmr": fmr, "fnmr": fnmr}
                for tau, fmr, fnmr in zip(taus.tolist(), fmrs.tolist(), fnmrs.tolist(), strict=True)
            ],
        }

    def _counts(self) -> dict[str, int]:
        scores = self.comparisons.scores
        failures = sum(self.people.problems.failures.values())
        return {
            "pictures": self.people.pictures,
            "encoded": self.people.pictures - failures,
            "failed": failures,
            "people": len(self.people.persons),
            "pictures_per_person": PICTURES_PER_PERSON,
            "genuine": len(scores.genuine),
            "genuine_without_encoding": int(np.isinf(scores.genuine).sum()),
            "genuine_every_picture": self.every_comparison,
            "impostor": len(scores.impostor),
        }


def evaluate_gallery(people: People, rules: Rules) -> GalleryReport:
    """Measure a set; raises `UsageError` when it holds nothing to compare."""
    comparisons = compare_all(people.persons)
    points = operating_points(comparisons.scores, comparisons.genuine, comparisons.impostors, FMRS)
    whole = compare_all(people.persons, pictures=None)
    searches, note = _searches(people, rules)
    return GalleryReport(
        people=people,
        rules=rules,
        comparisons=comparisons,
        accuracy=balanced_accuracy(comparisons),
        eer=comparisons.scores.eer(),
        points=points,
        every_picture=[None if point.tau is None else whole.scores.fnmr(point.tau) for point in points],
        every_comparison=len(whole.scores.genuine),
        table=[
            at_tau(comparisons, entry.tau, entry.kind, (entry.fmr, entry.fnmr))
            for entry in reversed(rules.table.entries)
        ],
        shipped=_shipped(comparisons, rules),
        gate=refusals(people, rules.limits),
        searches=searches,
        search_note=note,
    )


def at_tau(
    comparisons: Comparisons, tau: float, kind: str, promised: tuple[float | None, float | None]
) -> AtTau:
    """Measure what one threshold gives, with intervals over people."""
    scores, rng = comparisons.scores, np.random.default_rng(SEED)
    owners, people = comparisons.genuine.owners, len(comparisons.persons)
    missed = np.bincount(owners[len(owners) - scores.misses(tau) :], minlength=people).astype(float)
    tried = np.bincount(owners, minlength=people).astype(float)
    fmr = clopper_pearson(scores.false_matches(tau), len(scores.impostor))
    if tau <= comparisons.impostors.distances[-1]:
        fmr = fmr.joined(bootstrap_fmr(comparisons.impostors, tau, rng))
    fnmr = clopper_pearson(scores.misses(tau), len(scores.genuine))
    return AtTau(
        promised_fmr=promised[0],
        tau=tau,
        kind=kind,
        fmr=scores.fmr(tau),
        fmr_interval=fmr,
        fnmr=scores.fnmr(tau),
        fnmr_interval=fnmr.joined(bootstrap_share(missed, tried, rng)),
        promised_fnmr=promised[1],
    )


def _shipped(comparisons: Comparisons, rules: Rules) -> AtTau:
    threshold = rules.pair
    return at_tau(comparisons, threshold.tau, threshold.kind, (threshold.fmr, threshold.fnmr))


def balanced_accuracy(comparisons: Comparisons) -> float:
    """Return the accuracy on as many pairs of strangers as of one person, tau chosen on other pairs."""
    rng = np.random.default_rng(SEED)
    genuine = comparisons.scores.genuine
    strangers = rng.choice(comparisons.scores.impostor, size=len(genuine))
    distances = np.concatenate([np.where(np.isinf(genuine), np.nan, genuine), strangers])
    same = np.arange(len(distances)) < len(genuine)
    known = ~np.isnan(distances)
    # Dealt out one by one, those with a distance first, so that no fold is without.
    order = np.concatenate([rng.permutation(np.flatnonzero(known)), np.flatnonzero(~known)])
    folds = np.empty(len(distances), dtype=np.intp)
    folds[order] = np.arange(len(distances)) % min(_FOLDS, int(known.sum()))
    return fold_accuracy(distances, same, folds).mean


def compared(scores: Scores, tau: float | None) -> float | None:
    """Return the FNMR of comparisons that could be made: failures to acquire left out."""
    made = np.isfinite(scores.genuine)
    return None if tau is None else float((scores.genuine[made] > tau).mean())


def refusals(people: People, limits: QualitySettings) -> dict[str, int]:
    """Count the pictures the quality gate would refuse, by each fault, and all of them."""
    faults = [sample.faults(limits) for person in people.persons for sample in person.samples]
    counts = Counter(fault.value for found in faults for fault in found)
    return {"pictures": sum(bool(found) for found in faults), **counts}


def _searches(people: People, rules: Rules) -> tuple[list[SearchResult], str]:
    try:
        threshold = door_threshold(rules.table, rules.match, rules.residents)
    except ConfigError as error:
        return [], str(error)
    door = Door.of(rules.residents, threshold, rules.match)
    rng = np.random.default_rng(SEED)
    try:
        return [search(people.persons, each, rng) for each in (door, door.each_frame_alone())], ""
    except UsageError as error:
        return [], str(error)
