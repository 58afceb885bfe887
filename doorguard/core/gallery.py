"""The gallery: every template that may open the door, compared with one probe at once.

The screening pass is one matrix product in float32, which is fast and off by a few 1e-7. The distances
that count, those of the nearest resident and of the second, are then computed again from their definition
in float64, so that `D <= tau` is decided on the exact value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from doorguard.core.model import Comparison, Encoding, ModelId, ResidentId, Template

UNIT_TOLERANCE: Final = 1e-3
"""How far an encoding's length may be from 1; float32 normalisation is off by less than 1e-6."""

OTHER_MODEL: Final = "other_model"
WRONG_LENGTH: Final = "wrong_length"
NOT_FINITE: Final = "not_finite"
NOT_UNIT: Final = "not_unit"

_SCREENING_SLACK: Final = 1e-4  # float32 rounding over 2048 products is an order below this
_NOBODY: Final = Comparison(None, float("inf"), None, float("inf"))


@dataclass(frozen=True, slots=True)
class Space:
    """Where the encodings of one model lie; only two of one space have a distance.

    Parameters
    ----------
    model_id : names the model.
    dim : how many numbers its encodings have.

    """

    model_id: ModelId
    dim: int


@dataclass(frozen=True, slots=True)
class TemplateFault:
    """A template that cannot be compared, and so shuts out its resident.

    `reason` is `other_model`, `wrong_length`, `not_finite` or `not_unit`.
    """

    resident_id: ResidentId
    template_id: int
    reason: str


def distance_sq(left: Encoding, right: Encoding) -> float:
    """Return `D = ||left - right||²` by its definition, in float64; 0 to 4 for unit vectors."""
    difference = left.astype(np.float64) - right.astype(np.float64)
    return float(difference @ difference)


def encoding_fault(encoding: NDArray[np.float32], dim: int) -> str | None:
    """Return why an array is no encoding of `dim` numbers, None if it is one.

    The reasons are `wrong_length`, `not_finite` and `not_unit`.
    """
    if encoding.shape != (dim,):
        return WRONG_LENGTH
    values = encoding.astype(np.float64)
    if not np.isfinite(values).all():
        return NOT_FINITE
    length = float(np.sqrt(values @ values))
    return None if abs(length - 1.0) <= UNIT_TOLERANCE else NOT_UNIT


class Gallery:
    """Immutable; `build` makes one, and a change of residents makes another."""

    def __init__(self, space: Space, templates: Sequence[Template]) -> None:
        """Take templates known to be usable; everybody else calls `build`."""
        ordered = sorted(templates, key=lambda template: template.resident_id)
        owners = [template.resident_id for template in ordered]
        rows = [row for row in range(len(owners)) if row == 0 or owners[row] != owners[row - 1]]
        self.space = space
        self._residents = tuple(owners[row] for row in rows)
        self._bounds = np.array([*rows, len(owners)], dtype=np.intp)
        self._matrix: NDArray[np.float32] = np.zeros((len(ordered), space.dim), dtype=np.float32)
        for row, template in enumerate(ordered):
            self._matrix[row] = template.encoding
        self._squares: NDArray[np.float32] = np.einsum("ij,ij->i", self._matrix, self._matrix)
        for array in (self._bounds, self._matrix, self._squares):
            array.setflags(write=False)

    @classmethod
    def build(cls, templates: Iterable[Template], space: Space) -> tuple[Gallery, tuple[TemplateFault, ...]]:
        """Build the gallery of one model and name every template that cannot be compared.

        One unusable template shuts out its resident and nobody else: left in, a NaN would win NumPy's
        `argmin` and deny everyone; left out alone, its resident would be half enrolled without notice.
        Templates of another model are never compared. They are a fault of a resident who has no others;
        beside templates of this model they only wait for the encoder to be changed back.
        """
        offered = tuple(templates)
        known = {template.resident_id for template in offered if template.model_id == space.model_id}
        faults = tuple(
            TemplateFault(template.resident_id, template.template_id, reason)
            for template in offered
            if template.model_id == space.model_id or template.resident_id not in known
            if (reason := _template_fault(template, space)) is not None
        )
        shut_out = {fault.resident_id for fault in faults}
        usable = [
            template
            for template in offered
            if template.model_id == space.model_id and template.resident_id not in shut_out
        ]
        return cls(space, usable), faults

    @property
    def templates(self) -> int:
        """T, the number of templates a probe is compared with."""
        return len(self._matrix)

    @property
    def residents(self) -> tuple[ResidentId, ...]:
        """Whom a probe is compared with, in order of id."""
        return self._residents

    def compare(self, encoding: Encoding) -> Comparison:
        """Compare a probe with everybody; a resident's nearest template counts.

        Parameters
        ----------
        encoding
            `(dim,)` float32, finite, unit length within 1e-3.

        Returns
        -------
        The nearest and the second nearest resident with D, 0 to 4. Equal distances go to the lower id.

        Raises
        ------
        ValueError : the probe is no encoding; there is nothing to compare.

        """
        self._check_probe(encoding)
        if not self._residents:
            return _NOBODY
        screened = self._squares - 2.0 * (self._matrix @ encoding) + np.float32(encoding @ encoding)
        nearest_of_each = np.minimum.reduceat(screened, self._bounds[:-1])
        rank = min(1, len(nearest_of_each) - 1)
        limit = np.partition(nearest_of_each, rank)[rank] + _SCREENING_SLACK
        rows = np.flatnonzero(screened <= limit)
        owners = np.searchsorted(self._bounds, rows, side="right") - 1
        best: dict[int, float] = {}
        for owner, distance_sq in zip(owners.tolist(), self._exact(rows, encoding).tolist(), strict=True):
            best[owner] = min(distance_sq, best.get(owner, float("inf")))
        ranked = sorted((distance_sq, owner) for owner, distance_sq in best.items())
        return self._comparison(ranked)

    def distances(self, encoding: Encoding) -> dict[ResidentId, float]:
        """Return D from a probe to every resident; raises `ValueError` as `compare` does."""
        self._check_probe(encoding)
        exact = self._exact(np.arange(len(self._matrix)), encoding)
        return {
            resident_id: float(exact[start:stop].min())
            for resident_id, (start, stop) in zip(
                self._residents, pairwise(self._bounds.tolist()), strict=True
            )
        }

    def _exact(self, rows: NDArray[np.intp], encoding: Encoding) -> NDArray[np.float64]:
        """D by its definition, `sum((a - b)²)` in float64, for the rows given."""
        difference = self._matrix[rows].astype(np.float64) - encoding.astype(np.float64)
        distances: NDArray[np.float64] = np.einsum("ij,ij->i", difference, difference)
        return distances

    def _check_probe(self, encoding: Encoding) -> None:
        if fault := encoding_fault(encoding, self.space.dim):
            raise ValueError(f"the probe is no encoding: {fault}")

    def _comparison(self, ranked: Sequence[tuple[float, int]]) -> Comparison:
        nearest_sq, nearest = ranked[0]
        if len(ranked) == 1:
            return Comparison(self._residents[nearest], nearest_sq, None, float("inf"))
        second_sq, second = ranked[1]
        return Comparison(self._residents[nearest], nearest_sq, self._residents[second], second_sq)


def _template_fault(template: Template, space: Space) -> str | None:
    return (
        OTHER_MODEL if template.model_id != space.model_id else encoding_fault(template.encoding, space.dim)
    )
