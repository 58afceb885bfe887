"""What quantisation costs and what it buys: distances between the two forms, and milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doorguard.core.model import Image
from doorguard.vision.interpreter import Interpreter, open_interpreter
from quantise.faces import Faces, scaled

_WARM_UP, _ROUNDS = 20, 200

Encodings = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the int8 file's encodings lie from the float one's, and both from their teacher's.

    D is squared L2 distance; cosines are means.
    """

    faces: int
    d_p50: float
    d_p99: float
    d_max: float
    cosine_float: float
    cosine_int8: float


def encode(model: bytes, crops: Sequence[Image] | NDArray[np.uint8]) -> Encodings:
    """Return `(n, 128)` unit encodings of aligned crops by a float or an int8 file; raises `ModelError`."""
    interpreter = open_interpreter(model, "auto", 1)
    raw = np.stack([interpreter.run(_entry(interpreter, crop))[0][0] for crop in crops]).astype(np.float64)
    unit: Encodings = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return unit


def agreement(float_model: bytes, int8_model: bytes, faces: Faces) -> Agreement:
    """Compare the two forms on the same faces."""
    exact, rounded = encode(float_model, faces.crops), encode(int8_model, faces.crops)
    distances = ((exact - rounded) ** 2).sum(axis=1)
    return Agreement(
        faces=len(distances),
        d_p50=float(np.quantile(distances, 0.5)),
        d_p99=float(np.quantile(distances, 0.99)),
        d_max=float(distances.max()),
        cosine_float=float((exact * faces.reference).sum(axis=1).mean()),
        cosine_int8=float((rounded * faces.reference).sum(axis=1).mean()),
    )


def milliseconds(models: Mapping[str, bytes], crop: Image) -> dict[str, float]:
    """Return the median time of one encoding by each model on one thread, taken in turns.

    In turns, so that whatever else the machine does falls on all of them alike; each runs once untimed
    before, for it finds the processor's cache full of its forerunner's weights.
    """
    interpreters = {name: open_interpreter(model, "auto", 1) for name, model in models.items()}
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(_WARM_UP + _ROUNDS):
        for name, interpreter in interpreters.items():
            entry = _entry(interpreter, crop)
            interpreter.run(entry)
            began = perf_counter()
            interpreter.run(entry)
            times[name].append((perf_counter() - began) * 1e3)
    return {name: float(np.median(taken[_WARM_UP:])) for name, taken in times.items()}


def _entry(interpreter: Interpreter, crop: Image) -> NDArray[Any]:
    """Return the crop as this model's input: raw bytes, or scaled for a float one."""
    return (crop if interpreter.input_dtype == np.uint8 else scaled(crop))[None]
