"""A vision without models: whoever was put in front of the camera is what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from doorguard.core.gallery import Space
from doorguard.core.model import (
    Box,
    Detection,
    Encoding,
    Image,
    ModelId,
    Observation,
    Quality,
    QualityFault,
)

MODEL_ID = ModelId("simulated@000000000000")
DIM = 128
DOORSTEP = Box(270.0, 150.0, 100.0, 100.0)
GOOD = Quality(
    face_px=120.0, sharpness=200.0, luma=120.0, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0, inside=1.0
)


def person(number: int, *, apart: float = 0.0) -> Encoding:
    """Return the encoding of a made-up person: two different numbers are at D = 2 of each other.

    `apart` (0 to 2) turns it towards nobody else's, so that D to `person(number)` is that much.
    """
    encoding = np.zeros(DIM, dtype=np.float32)
    cosine = 1.0 - apart / 2.0
    encoding[number] = cosine
    encoding[DIM // 2 + number] = np.sqrt(1.0 - cosine**2)
    encoding.setflags(write=False)
    return encoding


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedFace:
    """One face: where it is, whose it is, and what is wrong with it."""

    encoding: Encoding = field(repr=False)
    box: Box = DOORSTEP
    quality: Quality = GOOD
    faults: tuple[QualityFault, ...] = ()
    crop: Image | None = field(default=None, repr=False)


class SimulatedVision:
    """Implements `ports.Vision`.

    `faces` is what every frame shows until it is changed. While `error` is set, `detect` raises it. `looked`
    counts the frames that `detect` was given.
    """

    def __init__(self, model_id: ModelId = MODEL_ID) -> None:
        self.faces: tuple[SimulatedFace, ...] = ()
        self.error: Exception | None = None
        self.looked = 0
        self._model_id = model_id

    @property
    def model_id(self) -> ModelId:
        """Names the made-up encoder."""
        return self._model_id

    @property
    def space(self) -> Space:
        """Where made-up encodings lie."""
        return Space(self._model_id, DIM)

    def detect(self, image: Image) -> Sequence[Detection]:
        """Return the faces there are, largest first."""
        self.looked += 1
        if self.error is not None:
            raise self.error
        return [_detection(face.box) for face in sorted(self.faces, key=_area, reverse=True)]

    def observe(self, image: Image, detection: Detection) -> Observation:
        """Return what was put there for this box."""
        face = next(face for face in self.faces if face.box == detection.box)
        encoding = None if face.faults else face.encoding
        stages = {"detect": 1.0, "encode": 2.0}
        return Observation(detection, None, face.quality, face.faults, encoding, face.crop, stages)

    def explain(self, observation: Observation) -> Sequence[str]:
        """Name the faults."""
        return [fault.value for fault in observation.faults]


def _area(face: SimulatedFace) -> float:
    return face.box.area


def _detection(box: Box) -> Detection:
    keypoints = np.tile(np.array(box.centre, dtype=np.float32), (6, 1))
    return Detection(box, 0.9, keypoints)
