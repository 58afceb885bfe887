"""Open-set search: strangers and residents at a door with so many residents, several frames an attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from doorguard.core.intervals import Interval, bootstrap_share, clopper_pearson
from doorguard.core.metrics import NOBODY, granted, pairwise_distances, votes
from doorguard.core.model import Threshold
from doorguard.core.threshold import MatchRules
from doorguard.errors import UsageError
from doorguard.lab.people import Person

ATTEMPTS_PER_PERSON = 8
"""Attempts made out of one person's pictures at most, so that nobody's face is most of the answer."""
DRAWS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Door:
    """The door that is simulated.

    Parameters
    ----------
    residents : T; each is enrolled by the first of his pictures.
    threshold : the tau in force there.
    frames, agree : n and k; an attempt is n pictures of one person, and k of them must speak for one
        resident.
    margin : how much nearer the best resident must be than the second.

    """

    residents: int
    threshold: Threshold
    frames: int
    agree: int
    margin: float

    @classmethod
    def of(cls, residents: int, threshold: Threshold, rules: MatchRules) -> Door:
        """Return the door the settings describe."""
        return cls(residents, threshold, rules.frames, rules.agree, rules.margin)

    def each_frame_alone(self) -> Door:
        """Return a door with the same tau that decides on a single picture."""
        return Door(self.residents, self.threshold, 1, 1, self.margin)


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Errors among attempts; `people` made them, each attempt against several draws of residents."""

    errors: int
    attempts: int
    people: int
    interval: Interval | None

    @property
    def rate(self) -> float | None:
        """Errors per attempt; None without an attempt."""
        return self.errors / self.attempts if self.attempts else None

    def as_json(self) -> dict[str, object]:
        """JSON values; null where nothing was measured."""
        return {
            "rate": self.rate,
            "low": self.interval and self.interval.low,
            "high": self.interval and self.interval.high,
            "errors": self.errors,
            "attempts": self.attempts,
            "people": self.people,
        }


@dataclass(frozen=True, slots=True)
class SearchResult:
    """FPIR: strangers let in. FNIR: residents not let in as themselves; `mistaken`: as somebody else."""

    door: Door
    fpir: ErrorRate
    fnir: ErrorRate
    mistaken: int

    def as_json(self) -> dict[str, object]:
        """JSON values."""
        door = self.door
        return {
            "residents": door.residents,
            "frames": door.frames,
            "agree": door.agree,
            "margin": door.margin,
            "tau": door.threshold.tau,
            "tau_kind": door.threshold.kind,
            "fmr": door.threshold.fmr,
            "draws": DRAWS,
            "fpir": self.fpir.as_json(),
            "fnir": self.fnir.as_json(),
            "taken_for_another_resident": self.mistaken,
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Attempts:
    """Attempts of n pictures each: `(attempts, n, dim)`, and who makes each."""

    frames: NDArray[np.float32] = field(repr=False)
    owners: NDArray[np.intp] = field(repr=False)


def search(persons: Sequence[Person], door: Door, rng: np.random.Generator) -> SearchResult:
    """Draw residents again and again, and let everybody else and themselves try.

    Parameters
    ----------
    persons : everybody; whoever has fewer pictures than an attempt takes can only be a resident.
    door : the door they stand at.
    rng : draws the residents.

    Raises
    ------
    UsageError : there are not more people than residents.

    """
    persons = [person for person in persons if person.usable]
    if len(persons) <= door.residents:
        raise UsageError(
            f"{len(persons)} people have usable pictures: too few for {door.residents} residents and a"
            " stranger; lower --gallery-size"
        )
    strangers = _attempts(persons, door.frames, first=0)
    own = _attempts(persons, door.frames, first=1)
    enrolled = np.array([person.usable[0] for person in persons])
    tally = _Tally(len(persons))
    for _ in range(DRAWS):
        residents = _draw(len(persons), np.unique(own.owners), door.residents, rng)
        _one_draw(tally, door, (strangers, own), (residents, enrolled[residents]))
    return SearchResult(
        door,
        fpir=tally.rate(tally.let_in, tally.strangers, rng),
        fnir=tally.rate(tally.shut_out, tally.residents, rng),
        mistaken=tally.mistaken,
    )


class _Tally:
    """Errors and attempts per person, over all draws."""

    def __init__(self, people: int) -> None:
        self.let_in, self.strangers, self.shut_out, self.residents = np.zeros((4, people))
        self.mistaken = 0

    def rate(
        self, errors: NDArray[np.float64], attempts: NDArray[np.float64], rng: np.random.Generator
    ) -> ErrorRate:
        """Sum up; the interval draws people again, and never claims less doubt than that many people do."""
        total, wrong, people = int(attempts.sum()), int(errors.sum()), int(np.count_nonzero(attempts))
        if not total:
            return ErrorRate(0, 0, 0, None)
        interval = bootstrap_share(errors, attempts, rng)
        if not wrong:
            interval = clopper_pearson(0, people)
        return ErrorRate(wrong, total, people, interval)


def _one_draw(
    tally: _Tally,
    door: Door,
    attempts: tuple[_Attempts, _Attempts],
    gallery: tuple[NDArray[np.intp], NDArray[np.float32]],
) -> None:
    residents, encodings = gallery
    strangers, own = attempts
    mine = ~np.isin(strangers.owners, residents)
    result = _decide(door, strangers.frames[mine], encodings)
    np.add.at(tally.strangers, strangers.owners[mine], 1)
    np.add.at(tally.let_in, strangers.owners[mine], result != NOBODY)
    mine = np.isin(own.owners, residents)
    result = _decide(door, own.frames[mine], encodings)
    named = np.where(result == NOBODY, NOBODY, residents[result])
    np.add.at(tally.residents, own.owners[mine], 1)
    np.add.at(tally.shut_out, own.owners[mine], named != own.owners[mine])
    tally.mistaken += int(((named != NOBODY) & (named != own.owners[mine])).sum())


def _attempts(persons: Sequence[Person], frames: int, *, first: int) -> _Attempts:
    """Cut everybody's pictures from `first` on into attempts, without using one twice."""
    cut, owners = [], []
    for index, person in enumerate(persons):
        usable = person.usable
        starts = range(first, len(usable) - frames + 1, frames)
        for start in list(starts)[:ATTEMPTS_PER_PERSON]:
            cut.append(usable[start : start + frames])
            owners.append(index)
    dim = len(persons[0].usable[0])
    return _Attempts(
        np.array(cut, dtype=np.float32).reshape(-1, frames, dim), np.array(owners, dtype=np.intp)
    )


def _draw(people: int, able: NDArray[np.intp], residents: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw residents, first people with pictures left to come back with, but at most half of those.

    The other half is needed as strangers.
    """
    some = rng.permutation(able)[: min(residents, max(len(able) // 2, 1))]
    rest = rng.permutation(np.setdiff1d(np.arange(people), some))
    return np.concatenate([some, rest])[:residents]


def _decide(door: Door, frames: NDArray[np.float32], residents: NDArray[np.float32]) -> NDArray[np.intp]:
    attempts, count, dim = frames.shape
    distances = pairwise_distances(frames.reshape(attempts * count, dim), residents)
    spoken = votes(distances, tau=door.threshold.tau, margin=door.margin)
    return granted(spoken.reshape(attempts, count), door.agree)
