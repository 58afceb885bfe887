"""What an encoding depends on besides the picture: models, alignment, code, libraries."""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from doorguard.config import Settings
from doorguard.core import alignment
from doorguard.vision import pipeline
from doorguard.vision.profile import (
    DETECTOR,
    LANDMARKS,
    ModelProfile,
    load_profile,
)

Face = Literal["centre", "largest"]


@dataclass(frozen=True)
class Recipe:
    """How encodings are made.

    Parameters
    ----------
    profile : the encoder, its alignment and its tau table.
    settings : runtime, detector and mesh limits; the quality gate is not part of the recipe.
    face : which face counts where there are several: the one nearest to the picture's centre, as sets of
        cropped portraits like LFW mean it, or the largest.

    """

    profile: ModelProfile
    settings: Settings
    face: Face = "centre"

    @classmethod
    def of(cls, settings: Settings, encoder: ModelProfile | Path, face: Face) -> Recipe:
        """Return the recipe of an encoder, or of the one that a profile's file describes.

        Raises `ModelError`.
        """
        return cls(load_profile(encoder) if isinstance(encoder, Path) else encoder, settings, face)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that could change an encoding, the code of the pipeline included.

        Nobody has to remember to count a version up when the pipeline changes.
        """
        vision = self.settings.vision
        parts = [
            self.profile.sha256,
            DETECTOR.sha256,
            LANDMARKS.sha256,
            repr((self.profile.input_size, self.profile.mesh_indices, self.profile.template_points.tolist())),
            repr(self.profile.pixels),
            repr((vision.detector_score_min, vision.mesh_presence_min, self.settings.runtime, self.face)),
            repr((cv2.__version__, np.__version__, _interpreters())),
        ]
        whole = hashlib.sha256("\n".join(parts).encode())
        for source in _sources():
            whole.update(hashlib.sha256(source.read_bytes()).digest())
        return whole.hexdigest()


def _sources() -> list[Path]:
    vision = Path(pipeline.__file__).parent
    lab = Path(__file__).parent
    return [*sorted(vision.glob("*.py")), Path(alignment.__file__), lab / "worker.py"]


def _interpreters() -> list[str]:
    """Return the versions of the interpreters installed; which of them runs follows from the settings."""
    found = []
    for name in ("ai-edge-litert", "tflite-runtime"):
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
