"""Questions about still photographs: are these two the same person, and who of the residents is this.

The answers are the door's own arithmetic on one picture each; nothing here can release the strike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from doorguard.core.gallery import Gallery, distance_sq
from doorguard.core.model import Comparison, Encoding, Image, ModelId, Threshold
from doorguard.core.threshold import MatchRules, ThresholdTable, door_threshold, pair_threshold
from doorguard.ports import Vision
from doorguard.vision.draw import FaceMark, draw_faces
from doorguard.vision.photo import PhotoFace, encode_photo


@dataclass(frozen=True, slots=True, eq=False)
class PairAnswer:
    """Whether two photographs show the same person: `same` is `D <= tau`, the boundary included."""

    distance_sq: float
    threshold: Threshold
    same: bool
    model_id: ModelId
    photos: tuple[PhotoFace, PhotoFace]

    def as_json(self) -> dict[str, object]:
        """The contract of `doorguard verify --json`."""
        return {
            "distance_sq": self.distance_sq,
            "tau": self.threshold.tau,
            "same": self.same,
            "model": self.model_id,
        }

    def picture(self) -> Image:
        """Both photographs side by side, with boxes, mesh points, D and the verdict."""
        verdict = "same person" if self.same else "not the same person"
        lines = (f"D {self.distance_sq:.3f}  tau {self.threshold.tau:.3f}", verdict)
        left, right = (_marked(photo, lines, self.same) for photo in self.photos)
        return _side_by_side(left, right)


@dataclass(frozen=True, slots=True, eq=False)
class IdentifyAnswer:
    """Who of the residents a photograph shows, by the door's tau and margin.

    `reason` is `match`, `no_match`, `ambiguous` (two residents too close to tell apart) or `no_templates`.
    """

    comparison: Comparison
    threshold: Threshold
    reason: str
    photo: PhotoFace

    @property
    def matched(self) -> bool:
        """Whether the nearest resident is accepted."""
        return self.reason == "match"

    def as_json(self, name: str | None) -> dict[str, object]:
        """The contract of `doorguard identify --json`; a distance nobody stands at is null."""
        return {
            "resident": name if self.matched else None,
            "distance_sq": _finite(self.comparison.distance_sq),
            "second_distance_sq": _finite(self.comparison.second_distance_sq),
            "tau": self.threshold.tau,
            "reason": self.reason,
        }

    def picture(self, name: str | None) -> Image:
        """The photograph with box, mesh points, D and the verdict."""
        nearest = _finite(self.comparison.distance_sq)
        distance = "no residents" if nearest is None else f"D {nearest:.3f}  tau {self.threshold.tau:.3f}"
        verdict = name if self.matched and name else f"nobody ({self.reason.replace('_', ' ')})"
        return _marked(self.photo, (distance, verdict), self.matched)


def verify(vision: Vision, table: ThresholdTable, rules: MatchRules, photos: tuple[Path, Path]) -> PairAnswer:
    """Compare the largest face of two photographs at the 1:1 tau for the promised target.

    Raises `UnreadableImageError`, `NoFaceError` or `PoorQualityError`, each naming the file.
    """
    left, right = (encode_photo(vision, photo, largest=True) for photo in photos)
    threshold = pair_threshold(table, rules)
    found = distance_sq(_encoding(left), _encoding(right))
    return PairAnswer(found, threshold, found <= threshold.tau, vision.model_id, (left, right))


def identify(
    vision: Vision, gallery: Gallery, table: ThresholdTable, rules: MatchRules, photo: Path
) -> IdentifyAnswer:
    """Find the resident a photograph shows, at the tau the door itself uses for this many templates."""
    face = encode_photo(vision, photo, largest=True)
    threshold = door_threshold(table, rules, gallery.templates)
    comparison = gallery.compare(_encoding(face))
    return IdentifyAnswer(comparison, threshold, _reason(comparison, threshold, rules.margin), face)


def _reason(comparison: Comparison, threshold: Threshold, margin: float) -> str:
    if comparison.nearest_id is None:
        return "no_templates"
    if not comparison.distance_sq <= threshold.tau:
        return "no_match"
    if not comparison.second_distance_sq - comparison.distance_sq >= margin:
        return "ambiguous"
    return "match"


def _encoding(photo: PhotoFace) -> Encoding:
    encoding = photo.observation.encoding
    if encoding is None:
        raise AssertionError("encode_photo returns only faces worth encoding")
    return encoding


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _marked(photo: PhotoFace, lines: tuple[str, ...], good: bool) -> Image:
    return draw_faces(photo.image, [FaceMark(photo.observation, lines, good)])


def _side_by_side(left: Image, right: Image) -> Image:
    """Put two pictures beside each other, the shorter padded with black below."""
    height = max(left.shape[0], right.shape[0])
    padded = [np.pad(image, ((0, height - image.shape[0]), (0, 0), (0, 0))) for image in (left, right)]
    return np.concatenate(padded, axis=1)
