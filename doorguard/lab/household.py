"""Who of a household resembles whom: residents among themselves, and against strangers.

The strangers are the bundled portraits, which are free to use, and synthetic draws (`lab.cohort`). What is
found is a warning to people. It changes no setting, and tau is never loosened by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doorguard import photos
from doorguard.core.metrics import pairwise_distances
from doorguard.core.model import Encoding, ModelId, ResidentId, Threshold
from doorguard.core.threshold import ThresholdTable
from doorguard.errors import EnrollmentError, ModelError
from doorguard.lab.cohort import Cohort, load_cohort, share_within
from doorguard.ports import TemplateStore, Vision
from doorguard.vision.photo import encode_photo

SYNTHETIC = 50_000
"""Draws per household: some 400 of them resemble an average face, counted to 5 %."""
ATTRACTIVE = 2.0
"""Strangers resemble a resident so many times as often as an average face: worth a warning. Of
lfw-dev's people one in twenty is."""
_PARTS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A resident who may enter, with the templates the encoder in use can compare."""

    resident_id: ResidentId
    name: str
    encodings: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """With whom residents are compared; `missing` says why there is no `cohort`."""

    portraits: Sequence[tuple[str, Encoding]] = field(repr=False)
    cohort: Cohort | None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the door goes by.

    Parameters
    ----------
    threshold : tau in force.
    alike : D below which two residents are look-alikes (`enrollment.lookalike_fmr`).
    table : the encoder's.

    """

    threshold: Threshold
    alike: float
    table: ThresholdTable


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one resident.

    Parameters
    ----------
    resident_id, name, templates : of whom.
    nearest, distance_sq : the resident who is nearest; None where there is no other.
    stranger_fmr : share of strangers as near as that, by the table; None outside of it.
    portrait, portrait_distance_sq : the bundled portrait that is nearest.
    attraction : how many times as often synthetic strangers resemble this resident as an average face;
        None without a cohort.
    synthetic_within : synthetic strangers within tau, of `SYNTHETIC`; None without a cohort.

    """

    resident_id: ResidentId
    name: str
    templates: int
    nearest: str | None
    distance_sq: float | None
    stranger_fmr: float | None
    portrait: str | None
    portrait_distance_sq: float | None
    attraction: float | None
    synthetic_within: int | None


@dataclass(frozen=True, slots=True)
class HouseholdReport:
    """Everything found, and what to be warned of, in words."""

    findings: tuple[Finding, ...]
    limits: Limits
    strangers: str
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The contract of `calibrate --household --json`."""
        return {
            "tau": self.limits.threshold.tau,
            "tau_kind": self.limits.threshold.kind,
            "alike_below": self.limits.alike,
            "strangers": self.strangers,
            "residents": [_finding_json(each) for each in self.findings],
            "warnings": list(self.warnings),
        }

    def as_text(self) -> str:
        """Say it to a person."""
        lines = [
            f"{len(self.findings)} residents, tau {self.limits.threshold.tau:.4f}"
            f" ({self.limits.threshold.kind}), alike below {self.limits.alike:.4f}",
            self.strangers,
            "",
        ]
        lines += [_line(each) for each in self.findings]
        lines += ["", *(f"warning: {text}" for text in self.warnings)] if self.warnings else []
        return "\n".join(lines)


def members(store: TemplateStore, model_id: ModelId) -> list[Member]:
    """Return the enabled residents with templates of this encoder, by name."""
    own: dict[ResidentId, list[Encoding]] = {}
    for template in store.templates(enabled_only=True):
        if template.model_id == model_id:
            own.setdefault(template.resident_id, []).append(template.encoding)
    return [
        Member(person.resident_id, person.name, np.array(own[person.resident_id]))
        for person in store.residents()
        if person.resident_id in own
    ]


def portraits(vision: Vision) -> list[tuple[str, Encoding]]:
    """Encode the bundled portraits; those the settings' quality gate refuses are left out."""
    found = []
    for name in photos.NAMES:
        try:
            encoding = encode_photo(vision, photos.path(name), largest=True).observation.encoding
        except EnrollmentError:
            continue
        if encoding is not None:
            found.append((name, encoding))
    return found


def strangers(vision: Vision, cohort: Path) -> Strangers:
    """Return the portraits, and the distribution of this encoder if that file holds one."""
    try:
        return Strangers(portraits(vision), load_cohort(cohort, vision.model_id))
    except ModelError as error:
        return Strangers(portraits(vision), None, str(error))


def household(people: Sequence[Member], others: Strangers, limits: Limits) -> HouseholdReport:
    """Compare every resident with every other, and with strangers."""
    synthetic = _Synthetic(others.cohort, limits.threshold.tau) if others.cohort is not None else None
    findings = []
    for member in people:
        nearest, distance = _nearest(
            member.encodings,
            [(other.name, other.encodings) for other in people if other.resident_id != member.resident_id],
        )
        portrait, apart = _nearest(member.encodings, [(name, each[None]) for name, each in others.portraits])
        attraction, within = synthetic.look(member) if synthetic is not None else (None, None)
        findings.append(
            Finding(
                resident_id=member.resident_id,
                name=member.name,
                templates=len(member.encodings),
                nearest=nearest,
                distance_sq=distance,
                stranger_fmr=None if distance is None else limits.table.fixed(distance, templates=1).fmr,
                portrait=portrait,
                portrait_distance_sq=apart,
                attraction=attraction,
                synthetic_within=within,
            )
        )
    return HouseholdReport(tuple(findings), limits, _origin(others), tuple(_warnings(findings, limits)))


class _Synthetic:
    """Synthetic strangers, drawn once for the whole household."""

    def __init__(self, cohort: Cohort, tau: float) -> None:
        self._cohort = cohort
        self._drawn = cohort.draw(SYNTHETIC)
        self._tau = tau

    def look(self, member: Member) -> tuple[float, int]:
        """Return how attractive a resident is, and how many strangers lie within tau of a template."""
        share = share_within(member.encodings, self._drawn, self._cohort.reach)
        within = sum(
            int((pairwise_distances(part, member.encodings).min(axis=1) <= self._tau).sum())
            for part in np.array_split(self._drawn, _PARTS)
        )
        return share / self._cohort.typical, within


def _nearest(
    own: NDArray[np.float32], others: Sequence[tuple[str, NDArray[np.float32]]]
) -> tuple[str | None, float | None]:
    distances = [(float(pairwise_distances(own, theirs).min()), name) for name, theirs in others]
    if not distances:
        return None, None
    distance, name = min(distances)
    return name, distance


def _warnings(findings: Sequence[Finding], limits: Limits) -> list[str]:
    texts = []
    for each in findings:
        distance, apart = each.distance_sq, each.portrait_distance_sq
        if distance is not None and distance <= limits.threshold.tau:
            texts.append(
                f"{each.name} and {each.nearest} are within tau (D {distance:.3f}): either may be let in as"
                " the other; enrol sharper pictures of both, or raise match.margin"
            )
        elif distance is not None and distance <= limits.alike:
            texts.append(f"{each.name} and {each.nearest} look alike (D {distance:.3f})")
        if each.attraction is not None and each.attraction >= ATTRACTIVE:
            texts.append(
                f"strangers resemble {each.name} {each.attraction:.1f} times as often as an average face;"
                " enrol a sharper picture from the front, or lower match.target_false_accepts"
            )
        if apart is not None and apart <= limits.threshold.tau:
            texts.append(f"the bundled portrait {each.portrait} is within tau of {each.name} (D {apart:.3f})")
    return texts


def _origin(others: Strangers) -> str:
    portraits = f"{len(others.portraits)} bundled portraits"
    if others.cohort is None:
        return f"strangers: {portraits}; none synthetic: {others.missing}"
    cohort = others.cohort
    return (
        f"strangers: {portraits}, {SYNTHETIC:,} synthetic encodings drawn from a distribution fitted to"
        f" {cohort.people:,} people ({cohort.origin})"
    )


def _line(each: Finding) -> str:
    parts = [f"{each.name}:"]
    if each.distance_sq is not None:
        rate = "" if each.stranger_fmr is None else f", as one stranger in {1 / each.stranger_fmr:,.0f}"
        parts.append(f"nearest {each.nearest} at D {each.distance_sq:.3f}{rate};")
    if each.attraction is not None:
        parts.append(
            f"synthetic strangers {each.attraction:.1f} times as often as an average face,"
            f" {each.synthetic_within} of {SYNTHETIC:,} within tau;"
        )
    if each.portrait_distance_sq is not None:
        parts.append(f"nearest portrait {each.portrait} at D {each.portrait_distance_sq:.3f}")
    return " ".join(parts)


def _finding_json(each: Finding) -> dict[str, object]:
    return {
        "id": each.resident_id,
        "name": each.name,
        "templates": each.templates,
        "nearest": each.nearest,
        "distance_sq": each.distance_sq,
        "stranger_fmr": each.stranger_fmr,
        "portrait": each.portrait,
        "portrait_distance_sq": each.portrait_distance_sq,
        "attraction": each.attraction,
        "synthetic_within_tau": each.synthetic_within,
    }
