"""All comparisons of a set: everybody with himself, and one picture of each with one of each other.

A genuine comparison with a picture that gave no encoding is a miss, at an infinite distance: an encoder or a
gate that refuses the difficult pictures must not look better for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from doorguard.core.intervals import Genuine, Impostors
from doorguard.core.metrics import Distances, Scores, own_pairs, pairwise_distances
from doorguard.core.model import Encoding
from doorguard.errors import UsageError
from doorguard.lab.people import Person

PICTURES_PER_PERSON = 8
"""As the model cards count: of lfw-dev's genuine comparisons six in seven are of the two people with 144 and
236 pictures, so all of them together say how well an encoder knows these two."""
IMPOSTOR_PEOPLE_MAX = 10_000
"""More people than this, 50 million comparisons, are thinned out evenly: a gigabyte of memory is enough."""
_TAIL = 0.05
"""Share of the impostor comparisons that are kept with their people: five times the largest FMR asked for."""
_TAIL_MIN = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """Distances with who is behind them.

    Parameters
    ----------
    persons : indices below refer to these.
    scores : all distances, sorted.
    genuine : sorted, with the person of each; infinite for a picture without an encoding.
    genuine_pictures : `(n, 2)`, which of the person's pictures were compared, in the order of `genuine`.
    impostors : the smallest, with the two people of each; the first picture of each was compared.

    """

    persons: Sequence[Person] = field(repr=False)
    scores: Scores
    genuine: Genuine
    genuine_pictures: NDArray[np.intp] = field(repr=False)
    impostors: Impostors


def compare_all(persons: Sequence[Person], *, pictures: int | None = PICTURES_PER_PERSON) -> Comparisons:
    """Compare everybody.

    Parameters
    ----------
    persons : at least two with a usable picture, and one of them with two.
    pictures : how many of a person's pictures count for genuine comparisons, the first ones; None for all.

    Raises
    ------
    UsageError : there is nothing to compare.

    """
    genuine, shown = _genuine(persons, pictures)
    if not np.isfinite(genuine.distances).any():
        raise UsageError("nobody has two usable pictures: FNMR cannot be measured on this folder")
    every, impostors = compare_people([next(iter(person.usable), None) for person in persons])
    scores = Scores.of(genuine.distances, every)
    return Comparisons(persons, scores, genuine, shown, impostors)


def _genuine(persons: Sequence[Person], pictures: int | None) -> tuple[Genuine, NDArray[np.intp]]:
    distances, owners, shown = [np.zeros(0)], [np.zeros(0, dtype=np.intp)], [np.zeros((0, 2), dtype=np.intp)]
    for index, person in enumerate(persons):
        own = person.encodings[:pictures]
        found = _own_distances(own)
        distances.append(found)
        owners.append(np.full(len(found), index, dtype=np.intp))
        shown.append(np.stack(np.triu_indices(len(own), 1), axis=1))
    every = np.concatenate(distances)
    order = np.argsort(every, kind="stable")
    return Genuine(every[order], np.concatenate(owners)[order]), np.concatenate(shown)[order]


def _own_distances(encodings: Sequence[Encoding | None]) -> Distances:
    """Return D of each two pictures of one person, infinite where one of them has no encoding."""
    there = [encoding for encoding in encodings if encoding is not None]
    first, second = np.triu_indices(len(encodings), 1)
    known = np.array([encoding is not None for encoding in encodings], dtype=bool)
    found = np.full(len(first), np.inf)
    if there:
        found[known[first] & known[second]] = own_pairs(np.array(there))
    return found


def compare_people(encodings: Sequence[Encoding | None]) -> tuple[Distances, Impostors]:
    """Compare each two of these people, by one encoding each; those without are left out.

    Returns
    -------
    Every distance, and the smallest of them with the people behind them.

    Raises
    ------
    UsageError : fewer than two people have an encoding.

    """
    chosen = np.array([index for index, each in enumerate(encodings) if each is not None], dtype=np.intp)
    if len(chosen) < 2:
        raise UsageError("fewer than two people have a usable picture: FMR cannot be measured here")
    if len(chosen) > IMPOSTOR_PEOPLE_MAX:
        chosen = chosen[np.linspace(0, len(chosen) - 1, IMPOSTOR_PEOPLE_MAX).astype(np.intp)]
    matrix = np.array([encodings[index] for index in chosen])
    people = len(matrix)
    starts = np.concatenate([[0], np.cumsum(np.arange(people - 1, 0, -1))])
    every = np.empty(people * (people - 1) // 2)
    for row in range(people - 1):
        every[starts[row] : starts[row + 1]] = pairwise_distances(matrix[row : row + 1], matrix[row + 1 :])[0]
    kept = min(len(every), max(int(_TAIL * len(every)), _TAIL_MIN))
    lowest = np.argpartition(every, kept - 1)[:kept]
    order = lowest[np.argsort(every[lowest], kind="stable")]
    first = np.searchsorted(starts, order, side="right") - 1
    second = order - starts[first] + first + 1
    tail = Impostors(every[order], chosen[first], chosen[second], len(every), chosen, len(encodings))
    return every, tail
