"""Encoders side by side on the same pictures: how right, how large, how fast, and how far from the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doorguard.core.model import Encoding, ModelId
from doorguard.errors import UsageError
from doorguard.lab.comparisons import PICTURES_PER_PERSON, Comparisons, compare_all
from doorguard.lab.cost import Cost
from doorguard.lab.gallery import balanced_accuracy
from doorguard.lab.pairs import PairsReport
from doorguard.lab.people import People
from doorguard.lab.report import SEED, OperatingPoint, fmr_key, operating_points, percent, spread

FMRS = (1e-4, 1e-5)
STRANGERS_MAX = 200_000
"""Pairs of strangers drawn to see how far two encoders' distances differ."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far an encoder's D lies from the first one's, over the same pairs of pictures: |ΔD|."""

    pairs: int
    p50: float
    p99: float

    def as_json(self) -> dict[str, object]:
        """JSON values."""
        return {"pairs": self.pairs, "p50": self.p50, "p99": self.p99}


@dataclass(frozen=True, slots=True, eq=False)
class ModelResult:
    """One encoder.

    Parameters
    ----------
    accuracy : "same or different", tau chosen on other folds; its deviation where the folds were given.
    points : FNMR at each FMR of `FMRS`.
    failures : pictures without an encoding.
    drift : None for the first encoder, which the others are held against.

    """

    model_id: ModelId
    dim: int
    input_px: int
    dtype: str
    cost: Cost
    accuracy: float
    accuracy_deviation: float | None
    points: Sequence[OperatingPoint]
    failures: int
    drift: Drift | None

    def as_json(self) -> dict[str, object]:
        """The contract of `evaluate compare --json`, per encoder."""
        return {
            "model": self.model_id,
            "dim": self.dim,
            "input_px": self.input_px,
            "dtype": self.dtype,
            "accuracy": self.accuracy,
            "accuracy_deviation": self.accuracy_deviation,
            "fnmr_at_fmr": {fmr_key(point.fmr): point.as_json() for point in self.points},
            "pictures_without_encoding": self.failures,
            **self.cost.as_json(),
            "delta_d": self.drift and self.drift.as_json(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Entrant:
    """What is known of one encoder before the comparison: who it is, what it costs, what it saw.

    `pairs` are the results on a pair file, where one was given.
    """

    model_id: ModelId
    dim: int
    input_px: int
    dtype: str
    cost: Cost
    people: People
    pairs: PairsReport | None


def compare_models(entrants: Sequence[Entrant]) -> list[ModelResult]:
    """Hold encoders side by side; all have seen the same pictures.

    Raises `UsageError` when there are none, or the pictures hold nothing to compare.
    """
    if not entrants:
        raise UsageError("name at least one encoder: doorguard evaluate compare MODEL")
    return [_result(each, None if each is entrants[0] else entrants[0]) for each in entrants]


def _result(entrant: Entrant, first: Entrant | None) -> ModelResult:
    comparisons = compare_all(entrant.people.persons)
    listed = entrant.pairs and entrant.pairs.accuracy
    return ModelResult(
        model_id=entrant.model_id,
        dim=entrant.dim,
        input_px=entrant.input_px,
        dtype=entrant.dtype,
        cost=entrant.cost,
        accuracy=listed.mean if listed else balanced_accuracy(comparisons),
        accuracy_deviation=listed.deviation if listed else None,
        points=_points(comparisons),
        failures=sum(entrant.people.problems.failures.values()),
        drift=None if first is None else drift(first.people, entrant.people),
    )


def _points(comparisons: Comparisons) -> list[OperatingPoint]:
    return operating_points(comparisons.scores, comparisons.genuine, comparisons.impostors, FMRS)


def drift(first: People, other: People) -> Drift | None:
    """Return |ΔD| of two encoders; None when no pair of pictures was encoded by both.

    The pairs are all of one person (of the first 8 pictures of each), and at least as many of strangers,
    drawn with a fixed seed.
    """
    one, two, owners = _both(first, other)
    if len(owners) < 2:
        return None
    same = [
        (left, right)
        for left in range(len(owners))
        for right in range(left + 1, min(left + PICTURES_PER_PERSON, len(owners)))
        if owners[left] == owners[right]
    ]
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(len(owners), size=(min(max(4 * len(same), 1000), STRANGERS_MAX), 2))
    strangers = drawn[owners[drawn[:, 0]] != owners[drawn[:, 1]]]
    pairs = np.concatenate([np.array(same, dtype=np.intp).reshape(-1, 2), strangers])
    if not len(pairs):
        return None
    off = np.abs(_distances(one, pairs) - _distances(two, pairs))
    return Drift(len(pairs), float(np.quantile(off, 0.5)), float(np.quantile(off, 0.99)))


def _both(first: People, other: People) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
    """Return the encodings of pictures that both have encoded, and whose they are."""
    found: list[tuple[Encoding, Encoding, int]] = []
    for owner, (left, right) in enumerate(zip(first.persons, other.persons, strict=True)):
        shown = zip(left.encodings[:PICTURES_PER_PERSON], right.encodings[:PICTURES_PER_PERSON], strict=True)
        found += [(one, two, owner) for one, two in shown if one is not None and two is not None]
    one, two, owners = zip(*found, strict=True) if found else ((), (), ())
    return np.array(one, np.float32), np.array(two, np.float32), np.array(owners, np.intp)


def _distances(encodings: NDArray[np.float32], pairs: NDArray[np.intp]) -> NDArray[np.float64]:
    left, right = (encodings[pairs[:, side]].astype(np.float64) for side in (0, 1))
    difference = left - right
    distances: NDArray[np.float64] = np.einsum("ij,ij->i", difference, difference)
    return distances


def compare_text(results: Sequence[ModelResult]) -> str:
    """Say it to a person: a row per encoder."""
    heads = ["accuracy", *(f"FNMR at {fmr_key(fmr)}" for fmr in FMRS), "MB", "M MACs", "ms", "RAM MB"]
    lines = [f"{'encoder':44}" + "".join(f"{head:>15}" for head in heads) + f"{'|ΔD| p50 / p99':>18}"]
    for each in results:
        cost = each.cost
        cells = [
            percent(each.accuracy),
            *(percent(point.fnmr) for point in each.points),
            f"{cost.file_bytes / 1e6:.2f}",
            f"{cost.multiply_adds / 1e6:.1f}",
            f"{cost.encode_ms:.2f}",
            f"{cost.memory_bytes / 1e6:.1f}",
        ]
        off = "-" if each.drift is None else f"{each.drift.p50:.4f} / {each.drift.p99:.4f}"
        lines.append(f"{each.model_id:44}" + "".join(f"{cell:>15}" for cell in cells) + f"{off:>18}")
    lines += ["", "95 % intervals of FNMR:"]
    for each in results:
        ranges = ", ".join(f"{fmr_key(point.fmr)}: {spread(point.interval)}" for point in each.points)
        lines.append(f"{each.model_id:44} {ranges}; {each.failures} pictures without an encoding")
    return "\n".join(lines)
