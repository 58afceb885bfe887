"""Reference encodings from encoders that exist: TFLite through doorguard's interpreter, or ONNX.

Each teacher sees the picture and its mirror image; several are joined and, when that is not 128 numbers,
projected on the 128 strongest directions of the faces at hand: so was the shipped encoder's own reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from doorguard.vision.interpreter import open_interpreter
from train.network import ENCODING_DIM

Floats = NDArray[np.float32]
_ALIGNED = 112
"""Side of the aligned crop in the middle of a stored picture."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """A model file and what it takes: (pixel − mean) / scale, in this colour order, of a square this large.

    A uint8 model is given the pixels as they are. The shipped encoder is `Teacher(path)`.
    """

    path: Path
    size: int = _ALIGNED
    order: str = "RGB"
    mean: float = 127.5
    scale: float = 127.5


def references(teachers: Sequence[Teacher], pictures: NDArray[np.uint8]) -> Floats:
    """Encode n stored pictures (RGB uint8) by all teachers together; returns n × 128 of unit length."""
    parts = []
    for teacher in teachers:
        run = _open(teacher)
        parts.append(np.stack([_encode(run, teacher, picture) for picture in pictures]))
    joined = np.concatenate(parts, axis=1)
    if joined.shape[1] != ENCODING_DIM:
        joined = project(joined)
    return _unit(joined)


def project(encodings: Floats) -> Floats:
    """Return n × d on the 128 directions of largest second moment, which keep dot products best."""
    if encodings.shape[1] < ENCODING_DIM:
        missing = np.zeros((len(encodings), ENCODING_DIM - encodings.shape[1]), np.float32)
        return np.concatenate((encodings, missing), axis=1)
    _, directions = np.linalg.eigh(encodings.T.astype(np.float64) @ encodings)
    projected: Floats = (encodings @ directions[:, ::-1][:, :ENCODING_DIM]).astype(np.float32)
    return projected


def _encode(run: Callable[[Any], Floats], teacher: Teacher, picture: NDArray[np.uint8]) -> Floats:
    start = (picture.shape[0] - _ALIGNED) // 2
    crop: NDArray[Any] = picture[start : start + _ALIGNED, start : start + _ALIGNED]
    if teacher.size != _ALIGNED:
        crop = cv2.resize(crop, (teacher.size, teacher.size), interpolation=cv2.INTER_LINEAR)
    if teacher.order == "BGR":
        crop = crop[:, :, ::-1]
    both = [_unit(run(np.ascontiguousarray(each))[None])[0] for each in (crop, crop[:, ::-1])]
    return _unit((both[0] + both[1])[None])[0]


def _open(teacher: Teacher) -> Callable[[Any], Floats]:
    """Return a function from one crop (uint8, h × w × 3) to the teacher's numbers."""
    if teacher.path.suffix == ".onnx":
        return _open_onnx(teacher)
    model = open_interpreter(teacher.path, "auto", 1)

    def run(crop: NDArray[np.uint8]) -> Floats:
        taken = crop[None] if model.input_dtype == np.uint8 else _scaled(teacher, crop)[None]
        return np.asarray(model.run(taken)[0], np.float32).reshape(-1)

    return run


def _open_onnx(teacher: Teacher) -> Callable[[Any], Floats]:
    """Open an ONNX file; OpenCV reads it, so no further library is needed."""
    model = cv2.dnn.readNetFromONNX(str(teacher.path))

    def run(crop: NDArray[np.uint8]) -> Floats:
        model.setInput(np.ascontiguousarray(_scaled(teacher, crop).transpose(2, 0, 1)[None]))
        return np.asarray(model.forward(), np.float32).reshape(-1)

    return run


def _scaled(teacher: Teacher, crop: NDArray[np.uint8]) -> Floats:
    scaled: Floats = (crop.astype(np.float32) - np.float32(teacher.mean)) / np.float32(teacher.scale)
    return scaled


def _unit(encodings: Floats) -> Floats:
    norms = np.linalg.norm(encodings, axis=1, keepdims=True)
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        raise ValueError("a teacher answered with numbers that have no direction")
    unit: Floats = encodings / norms
    return unit
