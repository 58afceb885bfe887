"""Good enrolments, bad probes: what each degradation does to FMR and FNMR at the tau that is shipped.

Everybody is enrolled by the first usable picture; whoever has another comes back with it, degraded. Tau is
never derived again: at the door nobody would. A degradation that makes strangers match more than three times
as often has to be refused by the quality gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from doorguard.core.intervals import Interval, bootstrap_share
from doorguard.core.metrics import pairwise_distances
from doorguard.errors import UsageError
from doorguard.lab.degrade import UNITS, Condition
from doorguard.lab.gallery import Rules
from doorguard.lab.people import People, Person
from doorguard.lab.report import SEED, percent
from doorguard.lab.worker import Sample, Shot

RAISE_MAX = 3.0
"""By how much a degradation may raise FMR before the gate has to refuse it."""
_FEW = 0.02
"""Share of the probes that may slip through the gate where it has to refuse."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What happened to the probes of one condition, with the gate or without it.

    Parameters
    ----------
    probes : how many got as far as a comparison.
    fmr, fnmr : at the shipped tau, of those; None when none did.
    fmr_interval : over the probes' people.

    """

    probes: int
    fmr: float | None
    fmr_interval: Interval | None
    fnmr: float | None

    def as_json(self) -> dict[str, object]:
        """JSON values."""
        return {
            "probes": self.probes,
            "fmr": self.fmr,
            "fmr_low": self.fmr_interval and self.fmr_interval.low,
            "fmr_high": self.fmr_interval and self.fmr_interval.high,
            "fnmr": self.fnmr,
        }


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """One condition; `clean` is None for the undegraded probes themselves.

    Parameters
    ----------
    name, strength : which.
    presented : probes before anything was refused.
    without_gate, with_gate : of those that could be encoded, and of those the gate lets through.
    clean_fmr : of the same people's undegraded probes, without the gate.

    """

    name: str
    strength: float
    presented: int
    without_gate: Rates
    with_gate: Rates
    clean_fmr: float | None

    @property
    def raised(self) -> float | None:
        """By how much the degradation raises FMR without the gate."""
        if not self.clean_fmr or self.without_gate.fmr is None:
            return None
        return self.without_gate.fmr / self.clean_fmr

    @property
    def gate_holds(self) -> bool:
        """Whether strangers gain at most threefold behind the gate, or nearly nobody gets through it."""
        if self.with_gate.probes <= _FEW * self.presented:
            return True
        assert self.with_gate.fmr is not None
        return self.with_gate.fmr <= RAISE_MAX * (self.clean_fmr or 0.0)

    def as_json(self) -> dict[str, object]:
        """JSON values."""
        return {
            "condition": self.name,
            "strength": self.strength,
            "unit": UNITS.get(self.name),
            "presented": self.presented,
            "without_gate": self.without_gate.as_json(),
            "with_gate": self.with_gate.as_json(),
            "raises_fmr_by": self.raised,
            "gate_holds": self.gate_holds,
        }


@dataclass(frozen=True, slots=True)
class RobustnessReport:
    """All conditions, the undegraded probes first."""

    tau: float
    results: Sequence[ConditionResult]

    @property
    def holes(self) -> list[ConditionResult]:
        """Conditions in which the gate lets strangers gain."""
        return [result for result in self.results if not result.gate_holds]

    def as_json(self) -> dict[str, object]:
        """The contract of `evaluate robustness --json`."""
        return {
            "tau": self.tau,
            "conditions": [result.as_json() for result in self.results],
            "gate_holds": not self.holes,
        }

    def as_text(self) -> str:
        """A row per condition."""
        lines = [
            f"at tau {self.tau:.4f}                  without the gate      with the gate",
            f"{'condition':<16} {'strength':>8} {'FMR':>9} {'FNMR':>9} {'passed':>8} {'FMR':>9} {'FNMR':>9}",
        ]
        for each in self.results:
            open_, gated = each.without_gate, each.with_gate
            share = percent(gated.probes / each.presented if each.presented else None, 1)
            lines.append(
                f"{each.name:<16} {each.strength:>8g} {_rate(open_.fmr):>9} {percent(open_.fnmr):>9}"
                f" {share:>8} {_rate(gated.fmr):>9} {percent(gated.fnmr):>9}"
                f"{'' if each.gate_holds else '  NOT HELD'}"
            )
        return "\n".join(lines)


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1e}"


def probes_of(people: People, conditions: Sequence[Condition]) -> list[Shot]:
    """Return what has to be encoded: everybody's second usable picture under each condition."""
    second = [sample.path for _, sample in _returning(people)]
    return [Shot(path, condition) for condition in conditions for path in second]


def _returning(people: People) -> list[tuple[int, Sample]]:
    """Return who has a second usable picture, as an index among those enrolled, and that picture."""
    found = []
    for index, person in enumerate(_enrolled(people)):
        usable = [sample for sample in person.samples if sample.encoding is not None]
        if len(usable) > 1:
            found.append((index, usable[1]))
    return found


def _enrolled(people: People) -> list[Person]:
    return [person for person in people.persons if person.usable]


def evaluate_robustness(
    people: People, conditions: Sequence[Condition], degraded: Sequence[Sample], rules: Rules
) -> RobustnessReport:
    """Measure each condition.

    Parameters
    ----------
    people : the set, undegraded.
    conditions : in the order of `probes_of`.
    degraded : what `probes_of` names, encoded.
    rules : the shipped thresholds and the gate's limits.

    Raises
    ------
    UsageError : nobody has a second usable picture, or there is only one person.

    """
    enrolled = np.array([person.usable[0] for person in _enrolled(people)])
    returning = _returning(people)
    if not returning or len(enrolled) < 2:
        raise UsageError("robustness needs two people, and one of them with two usable pictures")
    trial = _Trial(enrolled, [index for index, _ in returning], rules)
    clean = trial.run(("clean", 0.0), [sample for _, sample in returning], None)
    results = [clean]
    for number, condition in enumerate(conditions):
        own = degraded[number * len(returning) : (number + 1) * len(returning)]
        results.append(trial.run((condition.name, condition.strength), own, clean.without_gate.fmr))
    return RobustnessReport(rules.pair_tau, results)


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """Probes of `owners` against everybody enrolled."""

    enrolled: NDArray[np.float32] = field(repr=False)
    owners: Sequence[int]
    rules: Rules

    def run(
        self, condition: tuple[str, float], samples: Sequence[Sample], clean_fmr: float | None
    ) -> ConditionResult:
        encoded = [sample.encoding is not None for sample in samples]
        passed = [
            there and not sample.faults(self.rules.limits)
            for there, sample in zip(encoded, samples, strict=True)
        ]
        without, gated = (self._rates(samples, np.array(chosen)) for chosen in (encoded, passed))
        baseline = without.fmr if clean_fmr is None else clean_fmr
        return ConditionResult(*condition, len(samples), without, gated, baseline)

    def _rates(self, samples: Sequence[Sample], chosen: NDArray[np.bool_]) -> Rates:
        probes = [
            sample.encoding
            for sample, taken in zip(samples, chosen, strict=True)
            if taken and sample.encoding is not None
        ]
        if not probes:
            return Rates(0, None, None, None)
        owners = np.array(self.owners)[chosen]
        matched = pairwise_distances(np.array(probes), self.enrolled) <= self.rules.pair_tau
        own = matched[np.arange(len(owners)), owners]
        false = matched.sum(axis=1) - own
        tried = np.full(len(owners), len(self.enrolled) - 1.0)
        interval = bootstrap_share(false.astype(float), tried, np.random.default_rng(SEED))
        return Rates(len(owners), float(false.sum() / tried.sum()), interval, 1.0 - float(own.mean()))
