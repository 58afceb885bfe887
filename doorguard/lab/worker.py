"""One process's models: a picture goes in, an encoding with its quality comes out, or the cause why not.

The quality gate has no say here: every face that can be aligned is encoded, and its quality is kept beside
it, so that one run answers for the encoder without the gate and with it (`Sample.faults`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from doorguard.config import QualitySettings
from doorguard.core.model import Detection, Encoding, Image, Observation, Quality, QualityFault
from doorguard.errors import UnreadableImageError
from doorguard.lab.recipe import Recipe
from doorguard.vision.images import load_image
from doorguard.vision.photo import TILE_SIDES_PX, find_faces
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.quality import faults

UNREADABLE = "unreadable"
NO_FACE = "no_face"
NO_MESH = QualityFault.NO_MESH.value


class Change(Protocol):
    """Something done to a picture before the pipeline sees it; pickled on its way to the workers."""

    @property
    def key(self) -> str:
        """Name what is done, for the cache: another key, another result."""
        ...

    def apply(self, image: Image, seen: Observation) -> Image:
        """Return the changed picture; `seen` is the face in the picture as it was, its mesh included."""
        ...


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture to encode, changed first where a change is named."""

    path: Path
    change: Change | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What the pipeline made of one picture.

    Parameters
    ----------
    path : the picture.
    digest : SHA-256 of the file; empty when it could not be read.
    faces : how many faces were found; the recipe says which of them counts.
    encoding : `(dim,)` float32, unit length; None when there is a `cause`.
    mirrored : the encoding of the same crop, mirrored.
    quality : what the gate would go by.
    cause : None, or why no encoding could be had: `unreadable`, `no_face`, `no_mesh`.
    detail : the cause in words, for `unreadable`.

    """

    path: Path
    digest: str
    faces: int = 0
    encoding: Encoding | None = field(default=None, repr=False)
    mirrored: Encoding | None = field(default=None, repr=False)
    quality: Quality | None = None
    cause: str | None = None
    detail: str = ""

    def faults(self, limits: QualitySettings) -> tuple[QualityFault, ...]:
        """Return what the quality gate holds against the face; empty when it passes or there is none."""
        return () if self.quality is None else faults(self.quality, limits)


class Worker:
    """One process's models."""

    def __init__(self, recipe: Recipe) -> None:
        """Load the models; raises `ModelError`."""
        cv2.setNumThreads(1)
        settings = recipe.settings
        vision = settings.vision.model_copy(update={"threads": 1})
        self._vision = FacePipeline(recipe.profile, settings.quality, vision, settings.runtime)
        self._recipe = recipe

    def observe(self, shot: Shot) -> tuple[Observation | None, int, Image]:
        """Return the face that counts, how many there are, and the picture they are in.

        Raises `UnreadableImageError`.
        """
        image = load_image(shot.path)
        seen, faces = self._look(image)
        if shot.change is not None and seen is not None and seen.crop is not None:
            image = shot.change.apply(image, seen)
            seen, faces = self._look(image)
        return seen, faces, image

    def _look(self, image: Image) -> tuple[Observation | None, int]:
        # A small face in a large picture needs the tiles that enrolment goes by.
        is_small = max(image.shape[:2]) <= TILE_SIDES_PX[0]
        found = list(self._vision.detect(image) if is_small else find_faces(self._vision, image))
        if not found:
            return None, 0
        return self._vision.observe(image, self._which(found, image)), len(found)

    def _which(self, found: Sequence[Detection], image: Image) -> Detection:
        """Return the face that counts: the largest, or the one nearest to the picture's centre."""
        if self._recipe.face == "largest":
            return found[0]
        height, width = image.shape[:2]

        def off_centre(one: Detection) -> float:
            x, y = one.box.centre
            across, down = x - width / 2, y - height / 2
            return math.hypot(across, down)

        return min(found, key=off_centre)

    def encode(self, shot: Shot, digest: str) -> Sample:
        """Encode one picture; raises `ModelError`.

        Parameters
        ----------
        shot : the picture.
        digest : SHA-256 of its file, for the sample.

        """
        try:
            seen, faces, _ = self.observe(shot)
        except UnreadableImageError as error:
            return Sample(shot.path, digest, cause=UNREADABLE, detail=str(error))
        if seen is None:
            return Sample(shot.path, digest, cause=NO_FACE)
        if seen.crop is None:
            return Sample(shot.path, digest, faces, cause=NO_MESH)
        encoding = seen.encoding if seen.encoding is not None else self._vision.encode_crop(seen.crop)
        mirrored = self._vision.encode_crop(np.ascontiguousarray(seen.crop[:, ::-1]))
        return Sample(shot.path, digest, faces, encoding, mirrored, seen.quality)
