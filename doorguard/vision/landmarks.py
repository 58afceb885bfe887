"""Face Mesh: 468 points of one detected face.

Network: Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs",
arXiv 1907.06724. The figures stand in `doorguard/models/README.md`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from doorguard.core.alignment import alignment_points
from doorguard.core.model import Detection, Image, Mesh
from doorguard.errors import ModelError
from doorguard.vision.interpreter import Interpreter
from doorguard.vision.profile import MESH_POINTS
from doorguard.vision.warp import cut, invert

INPUT_SIDE = 192
LEFT_CHEEK, RIGHT_CHEEK, FOREHEAD, CHIN = 234, 454, 10, 152
_ROOM = 1.5
"""Side of the square given to the network over the longer side of the detector's box."""
_SIDE_MAX_PX = 1e6
_SHARED_POINTS = ((33, 133), (362, 263), (1,), (13, 14))
"""What the detector's first four key points (eyes, nose tip, mouth) are on the mesh."""


class Landmarks:
    """Places the mesh on a detected face. Not thread-safe."""

    def __init__(self, interpreter: Interpreter) -> None:
        """Check the model's shapes."""
        sizes = [math.prod(shape) for shape in interpreter.output_shapes]
        if interpreter.input_shape != (1, INPUT_SIDE, INPUT_SIDE, 3) or sorted(sizes) != [1, 3 * MESH_POINTS]:
            raise ModelError("the landmark model has other inputs or outputs than Face Mesh with 468 points")
        self._interpreter = interpreter
        self._points_first = sizes[0] != 1
        self._input = np.empty((1, INPUT_SIDE, INPUT_SIDE, 3), np.float32)

    def locate(self, image: Image, detection: Detection) -> Mesh | None:
        """Return the mesh in frame pixels, z included; None when the box or the answer is unusable.

        Parameters
        ----------
        image : RGB uint8, `(height, width, 3)`.
        detection : the face; its box may reach outside the frame, which reads as black there.

        """
        matrix = crop_matrix(detection)
        if matrix is None:
            return None
        np.multiply(cut(image, matrix, INPUT_SIDE), np.float32(1 / 255), out=self._input[0])
        outputs = self._interpreter.run(self._input)
        raw, logit = outputs if self._points_first else outputs[::-1]
        points = _to_frame(raw.reshape(MESH_POINTS, 3), matrix)
        value = float(logit.reshape(()))
        if not (np.isfinite(points).all() and math.isfinite(value)):
            return None
        points.setflags(write=False)
        return Mesh(points, 1.0 / (1.0 + math.exp(-max(-100.0, min(100.0, value)))))


def disagreement(mesh: Mesh, detection: Detection) -> float:
    """Return how far apart detector and mesh see eyes, nose and mouth: the worst of the four, face widths.

    Two networks that look at the same upright face agree to 0.05 (median). Each of them invents an upright
    face where an upside-down one is; they rarely invent the same.
    """
    seen = alignment_points(mesh.points, _SHARED_POINTS)
    apart = np.sqrt(((seen - detection.keypoints[:4]) ** 2).sum(axis=1).max())
    return float(apart) / max(face_width(mesh), 1e-6)


def face_width(mesh: Mesh) -> float:
    """Return the distance between the outermost cheek points in pixels, depth included.

    With depth, a head that turns does not seem to shrink.
    """
    x, y, z = (mesh.points[RIGHT_CHEEK] - mesh.points[LEFT_CHEEK]).tolist()
    return math.sqrt(x * x + y * y + z * z)


def crop_matrix(detection: Detection) -> NDArray[np.float64] | None:
    """Return the transform from frame pixels to the square crop with level eyes, `(2, 3)` float64.

    None for a box that is empty, not finite or absurdly large.
    """
    side = _ROOM * max(detection.box.width, detection.box.height)
    x, y = detection.box.centre
    (left_x, left_y), (right_x, right_y) = detection.keypoints[:2].tolist()
    angle = math.atan2(right_y - left_y, right_x - left_x)
    if not (0 < side < _SIDE_MAX_PX and math.isfinite(angle) and abs(x) + abs(y) < _SIDE_MAX_PX):
        return None
    scale = INPUT_SIDE / side
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    middle = INPUT_SIDE / 2
    return np.array([[cos, sin, middle - cos * x - sin * y], [-sin, cos, middle + sin * x - cos * y]])


def _to_frame(points: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Carry `(468, 3)` crop pixels back to the frame; z is scaled and stays relative to the head."""
    back = invert(matrix).astype(np.float32)
    frame = np.empty_like(points)
    frame[:, :2] = points[:, :2] @ back[:, :2].T + back[:, 2]
    frame[:, 2] = points[:, 2] * math.hypot(back[0, 0], back[1, 0])
    return frame
