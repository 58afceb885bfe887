"""From a frame to an observation: detect, align, measure, encode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import perf_counter

import cv2

from doorguard.config import QualitySettings, Settings, VisionSettings
from doorguard.core.alignment import alignment_points, umeyama
from doorguard.core.gallery import Space
from doorguard.core.model import (
    Detection,
    Encoding,
    Image,
    Mesh,
    ModelId,
    Observation,
    QualityFault,
)
from doorguard.vision.detector import Detector, moved
from doorguard.vision.encoder import Encoder
from doorguard.vision.interpreter import Interpreter, Runtime, open_interpreter
from doorguard.vision.landmarks import Landmarks, disagreement
from doorguard.vision.profile import DETECTOR, LANDMARKS, ModelProfile, shipped_profile, verify_digest
from doorguard.vision.quality import explain_fault, faults, measure
from doorguard.vision.warp import cut

_COARSE = 0.2
"""A face smaller than this share of the picture's longer side is looked at again, from near by: above it,
detector and mesh agree on 99.7 % of faces, at 0.15 on 94 %."""
_SURROUNDINGS = 3.0
"""Side of what the second look sees, over the side of the face's box."""
_SAME_FACE_IOU = 0.3
_DISAGREEMENT_MAX = 0.15
"""Face widths by which detector and mesh may differ: with a presence of 0.95 it passes 99.9 % of lfw-dev's
faces, 99.5 % of them leaning by 45 degrees, and 7 % of them upside down. That matters because upside-down
faces resemble each other: of pairs of strangers 20 % lie within tau at FMR 1e-4 (tools/measure_limits.py)."""


class FacePipeline:
    """The models behind `ports.Vision`. Not thread-safe: one thread uses it."""

    def __init__(
        self, profile: ModelProfile, limits: QualitySettings, vision: VisionSettings, runtime: Runtime
    ) -> None:
        """Load the three models; raises `ModelError`."""

        def load(content: bytes) -> Interpreter:
            return open_interpreter(content, runtime, vision.threads)

        encoder = load(verify_digest(profile.path, profile.sha256))
        self._detector = Detector(load(DETECTOR.read()), vision.detector_score_min)
        self._landmarks = Landmarks(load(LANDMARKS.read()))
        self._encoder = Encoder(encoder, profile)
        self._presence_min = vision.mesh_presence_min
        self._detect_ms = 0.0
        self.profile = profile
        self.limits = limits
        self.runtime_name = encoder.runtime_name

    @classmethod
    def open(cls, settings: Settings, profile: ModelProfile | None = None) -> FacePipeline:
        """Load the models and check their digests; raises `ModelError`.

        `profile` names the encoder; without one it is that of the settings, out of this release.
        """
        # OpenCV's own pool would otherwise take every core for a few microseconds of work.
        cv2.setNumThreads(settings.vision.threads)
        chosen = profile or shipped_profile(settings.vision.encoder)
        return cls(chosen, settings.quality, settings.vision, settings.runtime)

    @property
    def model_id(self) -> ModelId:
        """Names the encoder and so its templates."""
        return self.profile.model_id

    @property
    def space(self) -> Space:
        """Where its encodings lie."""
        return self.profile.space

    def detect(self, image: Image) -> Sequence[Detection]:
        """Find every face, largest first."""
        began = perf_counter()
        found = self._detector.detect(image)
        self._detect_ms = _ms_since(began)
        return found

    def observe(self, image: Image, detection: Detection) -> Observation:
        """Mesh, align, measure and, when the quality gate passes, encode one face. Never raises on pixels.

        The `detect` stage reported is that of the last `detect` call, and of a second look at a small face.
        """
        stages = {"detect": self._detect_ms}
        began = perf_counter()
        close = self._second_look(image, detection)
        stages["detect"] += _ms_since(began)
        began = perf_counter()
        mesh = self._landmarks.locate(image, close)
        stages["landmarks"] = _ms_since(began)
        began = perf_counter()
        crop = None if mesh is None or not self._is_face(mesh, close) else self._align(image, mesh)
        stages["align"] = _ms_since(began)
        if mesh is None or crop is None:
            return Observation(detection, None, None, (QualityFault.NO_MESH,), None, None, stages)
        began = perf_counter()
        quality = measure(mesh, crop, image.shape)
        wrong = faults(quality, self.limits)
        stages["quality"] = _ms_since(began)
        began = perf_counter()
        encoding = None if wrong else self._encoder.encode(crop)
        stages["encode"] = _ms_since(began)
        return Observation(detection, mesh, quality, wrong, encoding, crop, stages)

    def explain(self, observation: Observation) -> tuple[str, ...]:
        """Say in plain words what is wrong with a face on a photograph; empty when nothing is."""
        return tuple(
            explain_fault(fault, observation.quality, self.limits, None, 0) for fault in observation.faults
        )

    def encode_crop(self, crop: Image) -> Encoding:
        """Encode an aligned crop as it is, `(input_size, input_size, 3)` RGB uint8; raises `ModelError`."""
        return self._encoder.encode(crop)

    def _second_look(self, image: Image, detection: Detection) -> Detection:
        """Return a small face as the detector sees it from near by.

        A face of 60 px in a frame of 640 is 12 px to the network, which places its eyes by guess: of the
        right people 41 % are then lost, of the same faces seen again in a crop 14 % (FMR 1e-4;
        tools/measure_limits.py).
        """
        box = detection.box
        reach = _SURROUNDINGS * max(box.width, box.height) / 2
        x, y = box.centre
        is_coarse = 0 < reach < _COARSE * _SURROUNDINGS / 2 * max(image.shape[:2])
        if not (is_coarse and math.isfinite(x + y)):
            return detection
        left, top = max(int(x - reach), 0), max(int(y - reach), 0)
        part = image[top : max(int(y + reach), 0), left : max(int(x + reach), 0)]
        if not part.size:
            return detection
        again = [moved(one, left, top) for one in self._detector.detect(part)]
        best = max(again, key=lambda one: one.box.iou(box), default=detection)
        return best if best.box.iou(box) > _SAME_FACE_IOU else detection

    def _is_face(self, mesh: Mesh, detection: Detection) -> bool:
        return mesh.presence >= self._presence_min and disagreement(mesh, detection) <= _DISAGREEMENT_MAX

    def _align(self, image: Image, mesh: Mesh) -> Image | None:
        """Return the aligned crop; None when the mesh has collapsed into a point."""
        points = alignment_points(mesh.points, self.profile.mesh_indices)
        try:
            matrix = umeyama(points, self.profile.template_points)
        except ValueError:
            return None
        return cut(image, matrix, self.profile.input_size)


def _ms_since(began: float) -> float:
    return (perf_counter() - began) * 1e3
