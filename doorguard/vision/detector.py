"""BlazeFace, short range: find faces in a picture.

Network and decoding: Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs",
arXiv 1907.05047. The figures stand in `doorguard/models/README.md`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from doorguard.core.model import Box, Detection, Image
from doorguard.errors import ModelError
from doorguard.vision.interpreter import Interpreter
from doorguard.vision.warp import scaled

INPUT_SIDE = 128
_GRIDS = ((16, 2), (8, 6))
"""Cells per side and anchors per cell: stride 8 with two, then three layers of stride 16 with two each."""
_IOU_SAME_FACE = 0.3
_VALUES = 16
_KEYPOINTS = 6


def anchor_centres() -> NDArray[np.float32]:
    """Return the 896 anchor centres, `(896, 2)` float32, input pixels, in the network's order."""
    layers = []
    for cells, repeat in _GRIDS:
        middles = (np.arange(cells, dtype=np.float32) + 0.5) * (INPUT_SIDE / cells)
        ys, xs = np.meshgrid(middles, middles, indexing="ij")
        layers.append(np.repeat(np.stack((xs, ys), axis=-1).reshape(-1, 2), repeat, axis=0))
    return np.concatenate(layers)


class Detector:
    """Finds faces from about a seventh of the picture's longer side up. Not thread-safe."""

    def __init__(self, interpreter: Interpreter, score_min: float) -> None:
        """Check the model's shapes; `score_min` (0 to 1, exclusive) is the score a face must exceed."""
        count = sum(cells * cells * repeat for cells, repeat in _GRIDS)
        wanted = {(1, count, _VALUES), (1, count, 1)}
        has_input = interpreter.input_shape == (1, INPUT_SIDE, INPUT_SIDE, 3)
        if not has_input or set(interpreter.output_shapes) != wanted:
            raise ModelError("the face detector has other inputs or outputs than BlazeFace short range")
        self._interpreter = interpreter
        self._boxes_first = interpreter.output_shapes[0][2] == _VALUES
        self._logit_min = math.log(score_min / (1.0 - score_min))
        self._anchors = anchor_centres()
        self._canvas = np.zeros((INPUT_SIDE, INPUT_SIDE, 3), np.uint8)
        self._input = np.empty((1, INPUT_SIDE, INPUT_SIDE, 3), np.float32)

    def detect(self, image: Image) -> list[Detection]:
        """Find every face.

        Parameters
        ----------
        image : RGB uint8, `(height, width, 3)`, at least one pixel.

        Returns
        -------
        Detections in frame pixels, largest first; a box may reach outside the frame.

        """
        scale, shift = self._letterbox(image)
        outputs = self._interpreter.run(self._input)
        values, logits = outputs if self._boxes_first else outputs[::-1]
        values, scores = self._candidates(values[0], logits[0, :, 0])
        faces = weighted_nms(values, scores)
        found = [_to_detection(row, score, scale, shift) for row, score in faces]
        return sorted(found, key=lambda detection: detection.box.area, reverse=True)

    def _letterbox(self, image: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Fill the input with the picture, centred on black; returns scale and shift back to frame pixels."""
        height, width = image.shape[:2]
        ratio = INPUT_SIDE / max(height, width)
        columns, rows = max(1, round(width * ratio)), max(1, round(height * ratio))
        left, top = (INPUT_SIDE - columns) // 2, (INPUT_SIDE - rows) // 2
        self._canvas[:] = 0
        self._canvas[top : top + rows, left : left + columns] = scaled(image, columns, rows)
        np.multiply(self._canvas, np.float32(2 / 255), out=self._input[0])
        self._input -= 1
        scale = np.array([width / columns, height / rows], np.float32)
        return scale, -np.array([left, top], np.float32) * scale

    def _candidates(
        self, values: NDArray[np.float32], logits: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what scores above the limit, best first, as corners and key points in input pixels."""
        chosen = np.flatnonzero(logits > self._logit_min)
        chosen = chosen[np.argsort(-logits[chosen], kind="stable")]
        raw = values[chosen].reshape(-1, _VALUES // 2, 2)
        centre, half, points = raw[:, 0], raw[:, 1] / 2, raw[:, 2:]
        centre, points = centre + self._anchors[chosen], points + self._anchors[chosen, None]
        corners = (centre - half, centre + half, points.reshape(-1, 2 * _KEYPOINTS))
        rows: NDArray[np.float32] = np.concatenate(corners, axis=1)
        sound = np.isfinite(rows).all(axis=1) & (half > 0).all(axis=1)
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits[chosen], -100, 100)))
        return rows[sound], scores[sound].astype(np.float32)


def weighted_nms(
    rows: NDArray[np.float32], scores: NDArray[np.float32]
) -> list[tuple[NDArray[np.float32], float]]:
    """Merge overlapping candidates into one face each, weighted by their scores.

    Parameters
    ----------
    rows : `(n, 16)` left, top, right, bottom, then six key points x, y; best score first.
    scores : `(n,)`, 0 to 1, falling.

    Returns
    -------
    Per face the merged row and the best score among its candidates. Candidates join the best one left when
    their intersection over union with it exceeds 0.3 (BlazeFace, section 3.4).

    """
    faces = []
    while len(rows):
        same = _iou(rows[0], rows) > _IOU_SAME_FACE
        same[0] = True
        weights = scores[same]
        faces.append((weights @ rows[same] / weights.sum(), float(scores[0])))
        rows, scores = rows[~same], scores[~same]
    return faces


def moved(detection: Detection, left: float, top: float) -> Detection:
    """Return a detection found in a part of a picture, in the whole picture's pixels."""
    box = detection.box
    keypoints = detection.keypoints + np.array((left, top), np.float32)
    keypoints.setflags(write=False)
    return Detection(Box(box.x + left, box.y + top, box.width, box.height), detection.score, keypoints)


def _iou(one: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return intersection over union of one box with many, by their first four columns."""
    overlap = np.minimum(one[2:4], rows[:, 2:4]) - np.maximum(one[:2], rows[:, :2])
    shared = np.clip(overlap, 0, None).prod(axis=1)
    areas = (rows[:, 2:4] - rows[:, :2]).prod(axis=1)
    ratio: NDArray[np.float32] = shared / (areas + (one[2:4] - one[:2]).prod() - shared)
    return ratio


def _to_detection(
    row: NDArray[np.float32], score: float, scale: NDArray[np.float32], shift: NDArray[np.float32]
) -> Detection:
    points = row.reshape(-1, 2) * scale + shift
    (left, top), (right, bottom) = points[0].tolist(), points[1].tolist()
    keypoints = points[2:]
    keypoints.setflags(write=False)
    return Detection(Box(left, top, right - left, bottom - top), score, keypoints)
