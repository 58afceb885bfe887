"""Strangers who do not exist: encodings drawn from a distribution fitted to a calibration set.

A household wants to know whom of its residents strangers resemble more often than others. Encodings of real
strangers would answer that, but those at hand belong to people in research sets, and an encoding of a person
is not ours to pass on. So only the shape of the whole cloud is kept: a mean and a covariance of low rank,
fitted to hundreds of people at least. What is drawn from it is *synthetic* and says so.

The draws follow the bulk of the cloud, which is what tells whom strangers resemble. Far out they have too few
near pairs, so nothing is concluded from them about tau itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from doorguard.core.metrics import pairwise_distances
from doorguard.core.model import Encoding, ModelId
from doorguard.errors import ModelError, UsageError
from doorguard.lab.report import SEED
from doorguard.vision.profile import MODELS

RANK = 32
PEOPLE_MIN = 10 * RANK
"""So that no factor can be one person."""
_TRIED = 10_000
"""Draws by which it is found how often an average face is resembled."""
_DIGITS = 5
_CHUNK = 1000
_FILE_MAX_BYTES = 8 * 1024 * 1024
_NOTE = "the shape of a cloud of encodings; holds no encoding of anybody. What is drawn from it is synthetic."

_Numbers = Annotated[list[Annotated[float, Field(ge=-4.0, le=4.0)]], Field(min_length=2, max_length=4096)]


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """A normal distribution whose draws, brought to unit length, stand for strangers.

    Parameters
    ----------
    model_id : whose encodings these would be.
    mean : `(dim,)`.
    factors : `(dim, rank)`; times `rank` standard normal numbers, the part of the spread that all numbers
        share.
    spread : `(dim,)`, 0 or more; the deviation each number has of its own.
    reach : squared distance within which one resembles the other, that of tau at FMR 1e-2.
    typical : share of the draws that resemble an average one of the people it was fitted to.
    people : how many these were.
    origin : data, date and command, in words.

    """

    model_id: ModelId
    mean: NDArray[np.float64] = field(repr=False)
    factors: NDArray[np.float64] = field(repr=False)
    spread: NDArray[np.float64] = field(repr=False)
    reach: float
    typical: float
    people: int
    origin: str

    def draw(self, count: int, *, seed: int = SEED) -> NDArray[np.float32]:
        """Return `(count, dim)` encodings; the same seed draws the same ones."""
        rng = np.random.default_rng(seed)
        dim, rank = self.factors.shape
        shared = rng.standard_normal((count, rank)) @ self.factors.T
        drawn = self.mean + shared + self.spread * rng.standard_normal((count, dim))
        lengths = np.linalg.norm(drawn, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (drawn / lengths).astype(np.float32)
        return unit


def fit_cohort(encodings: Sequence[Encoding], model_id: ModelId, *, reach: float, origin: str) -> Cohort:
    """Fit the distribution: the strongest `RANK` axes of the covariance, and what each number has beside.

    Parameters
    ----------
    encodings : one per person, at least `PEOPLE_MIN`.
    model_id, reach, origin : kept with it.

    Raises
    ------
    UsageError : too few people, whose encodings could be told from the fit; or nobody within reach.

    """
    if len(encodings) < PEOPLE_MIN:
        raise UsageError(
            f"{len(encodings)} people are too few for a distribution that gives none of them away:"
            f" {PEOPLE_MIN} are needed"
        )
    matrix = np.array(encodings, dtype=np.float64)
    covariance = np.cov(matrix, rowvar=False)
    values, axes = np.linalg.eigh(covariance)
    rank = min(RANK, len(values))
    factors = axes[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 0.0))
    own = np.maximum(np.diag(covariance) - (factors**2).sum(axis=1), 0.0)
    found = Cohort(model_id, matrix.mean(axis=0), factors, np.sqrt(own), reach, 1.0, len(matrix), origin)
    typical = share_within(matrix, found.draw(_TRIED), reach)
    if not typical:
        raise UsageError(f"no draw lies within D {reach:.3f} of anybody: these encodings are no cloud")
    return replace(found, typical=typical)


def share_within(people: NDArray[Any], strangers: NDArray[Any], reach: float) -> float:
    """Return the share of comparisons of people with strangers at or below a distance."""
    parts = range(0, len(strangers), _CHUNK)
    within = sum(
        int((pairwise_distances(people, strangers[start : start + _CHUNK]) <= reach).sum()) for start in parts
    )
    return within / (len(people) * len(strangers))


def cohort_file(encoder: Path) -> Path:
    """Return where the distribution of an encoder lies: beside it, else under its name in the release.

    A shipped encoder with a table of one's own is added to the installation without its distribution.
    """
    beside = encoder.with_suffix(".cohort.json")
    return beside if beside.exists() else MODELS / beside.name


def save_cohort(cohort: Cohort, path: Path) -> None:
    """Write it where nothing is yet; raises `UsageError`."""
    document = {
        "kind": "synthetic",
        "note": _NOTE,
        "model": cohort.model_id,
        "people": cohort.people,
        "reach": cohort.reach,
        "typical": round(cohort.typical, 2 * _DIGITS),
        "origin": cohort.origin,
        "mean": _rounded(cohort.mean),
        "spread": _rounded(cohort.spread),
        "factors": [_rounded(column) for column in cohort.factors.T],
    }
    # A line per list of numbers: short enough to look at, and small.
    lines = ",\n".join(f' "{key}": {_line(value)}' for key, value in document.items())
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(f"{{\n{lines}\n}}\n")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def load_cohort(path: Path, model_id: ModelId) -> Cohort:
    """Read the distribution; raises `ModelError` when it cannot be read or is another encoder's."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(_FILE_MAX_BYTES + 1)
        if len(raw) > _FILE_MAX_BYTES:
            raise ValueError("it is too large")
        parsed = _File.model_validate(json.loads(raw))
    except (OSError, ValueError, RecursionError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ModelError(f"{path} cannot be used: {' '.join(what.split())}") from error
    if parsed.model != model_id:
        raise ModelError(f"{path} belongs to {parsed.model}, not to {model_id}; calibrate writes another")
    sizes = {len(parsed.mean), len(parsed.spread), *(len(column) for column in parsed.factors)}
    if len(sizes) != 1 or min(parsed.spread) < 0.0:
        raise ModelError(f"{path} cannot be used: mean, spread and factors do not fit together")
    return Cohort(
        model_id,
        np.array(parsed.mean),
        np.array(parsed.factors).T,
        np.array(parsed.spread),
        parsed.reach,
        parsed.typical,
        parsed.people,
        parsed.origin,
    )


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["synthetic"]
    note: str
    model: str
    people: Annotated[int, Field(ge=PEOPLE_MIN)]
    reach: Annotated[float, Field(gt=0.0, le=4.0)]
    typical: Annotated[float, Field(gt=0.0, le=1.0)]
    origin: str
    mean: _Numbers
    spread: _Numbers
    factors: Annotated[list[_Numbers], Field(min_length=1, max_length=256)]


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(value, _DIGITS) for value in values.tolist()]


def _line(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "[\n" + ",\n".join(f"  {json.dumps(row, separators=(',', ':'))}" for row in value) + "\n ]"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
