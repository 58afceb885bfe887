"""Where tau comes from: a promise about strangers, turned into a distance by the profile's table.

What is promised is a rate per *attempt*: a stranger who is unrelated to the residents, and not chosen to
resemble one, is let in with probability at most `target`. What the table knows is a rate per *comparison*.
`comparison_fmr` leads from the one to the other, and the table from there to tau.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from doorguard.core.model import Threshold
from doorguard.errors import ConfigError, ModelError

MEASURED = "measured"
EXTRAPOLATED = "extrapolated"
FIXED = "fixed"

FMR_MIN = 1e-7
"""The smallest rate per comparison anything is promised for. Nobody has counted that many strangers, and
other errors (a brother, a photograph held up) are far more likely than a chance match so rare."""

DAYS_A_YEAR = 365


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One line of a profile's calibration: at this tau, this share of impostor comparisons matches.

    Parameters
    ----------
    fmr : false matches per comparison of two unrelated people, 0 to 1.
    tau : squared distance, 0 to 4.
    kind : `measured`, or `extrapolated` where the data held too few impostors to count.
    fnmr : share of comparisons of one person with himself that lie above tau, 0 to 1.
    impostor_comparisons, genuine_comparisons : how many comparisons stand behind the two rates.
    fmr_high : with 95 % confidence the rate at this tau is not above it; None where nobody worked it out.

    """

    fmr: float
    tau: float
    kind: str
    fnmr: float
    impostor_comparisons: int
    genuine_comparisons: int
    fmr_high: float | None = None


@dataclass(frozen=True, slots=True)
class MatchRules:
    """What the settings say about matching.

    Parameters
    ----------
    target_false_accepts : expected grants per attempt of one unrelated stranger, at most.
    fixed_tau : a tau set by hand, which overrides the target; None is the rule.
    margin : how much nearer the best resident must be than the second, squared distance.
    frames, agree : n and k; an attempt is at most n frames, and k of them must match one resident.

    """

    target_false_accepts: float
    fixed_tau: float | None
    margin: float
    frames: int
    agree: int


class ThresholdTable:
    """A profile's tau table, ordered; tau strictly falls as FMR falls."""

    def __init__(self, entries: Iterable[TableEntry]) -> None:
        """Check and order the entries; raises `ModelError` when they are no usable table."""
        self._entries = tuple(sorted(entries, key=lambda entry: entry.fmr))
        if not self._entries:
            raise ModelError("the profile's tau table is empty; restore the profile that came with doorguard")
        for entry in self._entries:
            _check_entry(entry)
        for lower, upper in pairwise(self._entries):
            if not (lower.fmr < upper.fmr and lower.tau < upper.tau and lower.fnmr >= upper.fnmr):
                raise ModelError(
                    f"the profile's tau table does not rise from FMR {lower.fmr:g} to {upper.fmr:g};"
                    " restore the profile that came with doorguard"
                )

    @property
    def entries(self) -> tuple[TableEntry, ...]:
        """The entries, smallest FMR (and tau) first."""
        return self._entries

    def at(self, fmr: float, *, templates: int) -> Threshold:
        """Return the tau that stands for `fmr`, linear in log10(FMR) between two entries.

        The result is extrapolated when either neighbour is. Above the table's largest FMR its last tau
        holds (stricter than asked for); the `fmr` returned is then that entry's.

        Raises
        ------
        ConfigError : `fmr` lies below the table; nothing is known about so strict a tau.

        """
        smallest, largest = self._entries[0], self._entries[-1]
        if fmr >= largest.fmr:
            return _threshold(largest, templates)
        for entry in self._entries:
            # n·T/k rarely divides without a rounding error; an entry hit within it is that entry.
            if math.isclose(fmr, entry.fmr, rel_tol=1e-9):
                return _threshold(entry, templates)
        if not fmr > smallest.fmr:
            raise ConfigError(
                f"no tau is known for {fmr:.2g} false matches per comparison ({templates} templates; the"
                f" model's table ends at {smallest.fmr:g}): raise match.target_false_accepts, raise"
                " decision.agree or remove templates"
            )
        lower, upper = next(pair for pair in pairwise(self._entries) if fmr < pair[1].fmr)
        weight = math.log(fmr / lower.fmr) / math.log(upper.fmr / lower.fmr)
        return Threshold(
            tau=_between(lower.tau, upper.tau, weight),
            fmr=fmr,
            fnmr=_between(lower.fnmr, upper.fnmr, weight),
            kind=_joint_kind(lower, upper),
            templates=templates,
        )

    def fixed(self, tau: float, *, templates: int) -> Threshold:
        """Return a tau set by hand with the rates the table gives it; outside the table they are None."""
        fmr = fnmr = None
        for entry in self._entries:
            if tau == entry.tau:
                fmr, fnmr = entry.fmr, entry.fnmr
        for lower, upper in pairwise(self._entries):
            if lower.tau < tau < upper.tau:
                weight = (tau - lower.tau) / (upper.tau - lower.tau)
                fmr = lower.fmr * (upper.fmr / lower.fmr) ** weight
                fnmr = _between(lower.fnmr, upper.fnmr, weight)
        return Threshold(tau, fmr, fnmr, FIXED, templates)


def comparison_fmr(target: float, *, agree: int, frames: int, templates: int) -> float:
    """Return the FMR per comparison that keeps a whole attempt below `target`: target · k / (n · T).

    An attempt of one stranger makes at most n·T comparisons: each of at most n frames with each of T
    templates. Let p be the chance that one of them falls at or below tau. Whatever their dependence, the
    expected number of matching (frame, template) pairs is at most n·T·p (expectation is linear). A grant
    needs k frames that match one and the same resident, hence at least k matching pairs, and by Markov's
    inequality the chance of that is at most n·T·p / k. Setting this equal to `target` gives p.

    Frames of one visit show one face and are far from independent, so multiplying their probabilities
    would promise far too much; this bound holds for any dependence. A margin to the second resident and
    the rule that the k frames agree on *one* resident can only lower the true rate.

    Examples
    --------
    >>> comparison_fmr(1e-4, agree=3, frames=5, templates=6)
    1e-05

    """
    if not 0 < agree <= frames or templates < 1 or not 0 < target < 1:
        raise ValueError(f"no attempt: target {target}, {agree} of {frames} frames, {templates} templates")
    return target * agree / (frames * templates)


def door_threshold(table: ThresholdTable, rules: MatchRules, templates: int) -> Threshold:
    """Return the tau in force at the door for `templates` enabled templates.

    An empty gallery counts as one template, so that there is always a tau to show; the policy denies
    everybody then anyway. Raises `ConfigError` when the table does not reach far enough.
    """
    if rules.fixed_tau is not None:
        return table.fixed(rules.fixed_tau, templates=templates)
    fmr = comparison_fmr(
        rules.target_false_accepts,
        agree=rules.agree,
        frames=rules.frames,
        templates=max(templates, 1),
    )
    return table.at(fmr, templates=templates)


def pair_threshold(table: ThresholdTable, rules: MatchRules) -> Threshold:
    """Return the tau for one comparison of two pictures (`verify`): FMR = target."""
    if rules.fixed_tau is not None:
        return table.fixed(rules.fixed_tau, templates=1)
    return table.at(rules.target_false_accepts, templates=1)


def attempt_false_accepts(threshold: Threshold, rules: MatchRules) -> float | None:
    """Return the bound on grants per attempt of one stranger at this tau: n · T · FMR / k, at most 1.

    None for a fixed tau outside the table, about which nothing can be promised.
    """
    if threshold.fmr is None:
        return None
    return min(rules.frames * max(threshold.templates, 1) * threshold.fmr / rules.agree, 1.0)


def wrong_openings_a_year(per_attempt: float, *, strangers_a_day: float, attempts_per_visit: int) -> float:
    """Return the expected wrong openings a year when every stranger uses up every attempt of a visit."""
    return per_attempt * attempts_per_visit * strangers_a_day * DAYS_A_YEAR


def _check_entry(entry: TableEntry) -> None:
    """Refuse rates and distances that cannot be; NaN fails each of these comparisons."""
    in_range = 0 < entry.fmr < 1 and 0 < entry.tau <= 4 and 0 <= entry.fnmr <= 1
    bounded = entry.fmr_high is None or entry.fmr <= entry.fmr_high <= 1
    if not (in_range and bounded) or entry.kind not in {MEASURED, EXTRAPOLATED}:
        raise ModelError(
            f"the profile's tau table holds an impossible entry (FMR {entry.fmr}, tau {entry.tau},"
            f" FNMR {entry.fnmr}, {entry.kind}); restore the profile that came with doorguard"
        )
    if entry.fmr < FMR_MIN * (1 - 1e-9):
        raise ModelError(
            f"the profile's tau table promises FMR {entry.fmr:g}; nothing below {FMR_MIN:g} a comparison is"
            " promised: remove that entry, or calibrate again"
        )


def _threshold(entry: TableEntry, templates: int) -> Threshold:
    return Threshold(entry.tau, entry.fmr, entry.fnmr, entry.kind, templates)


def _joint_kind(lower: TableEntry, upper: TableEntry) -> str:
    return MEASURED if lower.kind == upper.kind == MEASURED else EXTRAPOLATED


def _between(lower: float, upper: float, weight: float) -> float:
    return lower + weight * (upper - lower)
