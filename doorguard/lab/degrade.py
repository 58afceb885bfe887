"""What goes wrong in front of a door camera, done to good photographs on purpose.

Strengths are in terms of the face (its width in pixels is `core.model.Quality.face_px`), so that they mean
the same on any set of pictures. Noise is drawn from the picture's own content: the same every time.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from doorguard.core.model import Image, Mesh, Observation
from doorguard.lab.turn import turned
from doorguard.vision.landmarks import CHIN, FOREHEAD, face_width

_READ_NOISE = 2.0
"""Standard deviation, of 255, that a dim picture's amplified sensor noise has at least."""

_Degradation = Callable[[Image, Mesh, float], Image]


def _blur(image: Image, mesh: Mesh, share: float) -> Image:
    """Gaussian blur whose sigma is a share of the face's width."""
    return cv2.GaussianBlur(image, (0, 0), share * face_width(mesh)).astype(np.uint8, copy=False)


def _low_light(image: Image, mesh: Mesh, gain: float) -> Image:
    """Less light, and the sensor's noise in what is left."""
    return _noisy(image.astype(np.float64) * gain, _READ_NOISE, image)


def _noise(image: Image, mesh: Mesh, deviation: float) -> Image:
    return _noisy(image.astype(np.float64), deviation, image)


def _noisy(values: NDArray[np.float64], deviation: float, image: Image) -> Image:
    rng = np.random.default_rng(zlib.crc32(image.tobytes()))
    return np.clip(np.rint(values + rng.normal(0.0, deviation, values.shape)), 0, 255).astype(np.uint8)


def _low_resolution(image: Image, mesh: Mesh, face_px: float) -> Image:
    """Shrink the picture until the face is so many pixels wide: a visitor far away."""
    scale = face_px / face_width(mesh)
    if scale >= 1:
        return image
    shrunk = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return shrunk.astype(np.uint8, copy=False)


def _jpeg(image: Image, mesh: Mesh, quality: float) -> Image:
    _, packed = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    unpacked = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert unpacked is not None
    return np.ascontiguousarray(unpacked[..., ::-1]).astype(np.uint8, copy=False)


def _cover(image: Image, mesh: Mesh, share: float) -> Image:
    """Cover the face from the chin upwards, as a scarf or mask does, with one colour."""
    x, y = mesh.points[:, 0], mesh.points[:, 1]
    height = float(mesh.points[CHIN, 1] - mesh.points[FOREHEAD, 1])
    top = max(int(mesh.points[CHIN, 1] - share * height), 0)
    left, right = max(int(x.min()), 0), max(int(x.max()) + 1, 0)
    covered = image.copy()
    covered[top : max(int(y.max()) + 1, 0), left:right] = (70, 70, 80)
    return covered


def _yaw(image: Image, mesh: Mesh, degrees: float) -> Image:
    return turned(image, mesh.points, degrees)


_DEGRADATIONS: Final[dict[str, _Degradation]] = {
    "blur": _blur,
    "low_light": _low_light,
    "noise": _noise,
    "low_resolution": _low_resolution,
    "jpeg": _jpeg,
    "cover": _cover,
    "yaw": _yaw,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One degradation at one strength; implements `worker.Change`."""

    name: str
    strength: float

    @property
    def key(self) -> str:
        """Name, strength, and a digest of this code: another way to degrade is another key."""
        return f"{self.name}={self.strength:g}@{_CODE}"

    def apply(self, image: Image, seen: Observation) -> Image:
        """Return the degraded picture; the picture itself when there is no mesh to go by."""
        return image if seen.mesh is None else _DEGRADATIONS[self.name](image, seen.mesh, self.strength)


CONDITIONS: Final = tuple(
    Condition(name, strength)
    for name, strengths in {
        "blur": (0.015, 0.03, 0.06),
        "low_light": (0.3, 0.12, 0.05),
        "noise": (10.0, 20.0, 40.0),
        "low_resolution": (60.0, 40.0, 25.0),
        "jpeg": (30.0, 12.0, 5.0),
        "cover": (0.15, 0.3, 0.45),
        "yaw": (15.0, 30.0, 45.0),
    }.items()
    for strength in strengths
)
UNITS: Final = {
    "blur": "sigma, share of the face's width",
    "low_light": "share of the light",
    "noise": "standard deviation, of 255",
    "low_resolution": "face width, px",
    "jpeg": "JPEG quality",
    "cover": "share of the face's height, from the chin",
    "yaw": "degrees turned further",
}

_CODE = hashlib.sha256(
    Path(__file__).read_bytes() + (Path(__file__).parent / "turn.py").read_bytes()
).hexdigest()[:12]
