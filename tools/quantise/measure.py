"""What quantisation costs and what it buys: distances between the two forms, milliseconds, error rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doorguard.config import Settings
from doorguard.core.model import Image
from doorguard.errors import UnreadableImageError
from doorguard.vision.images import load_image
from doorguard.vision.interpreter import Interpreter, open_interpreter
from doorguard.vision.pipeline import FacePipeline
from quantise.checkpoint import BuildError
from quantise.faces import Faces, scaled

PICTURES_MAX = 8
"""Pictures of one person that count, as on the shipped model's card: a few people fill half of such a set."""
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


@dataclass(frozen=True, slots=True)
class Loss:
    """FNMR at one FMR, float and int8, each at its own tau on the same pairs."""

    fmr: float
    fnmr_float: float
    fnmr_int8: float

    @property
    def points(self) -> float:
        """Percentage points of FNMR that quantisation costs; negative when it happens to help."""
        return 100 * (self.fnmr_int8 - self.fnmr_float)


@dataclass(frozen=True, slots=True)
class Check:
    """Error rates on a folder of people."""

    people: int
    pictures: int
    without_face: int
    genuine: int
    impostor: int
    losses: tuple[Loss, ...]

    def at(self, fmr: float) -> Loss:
        """Return the entry of this FMR."""
        return next(loss for loss in self.losses if loss.fmr == fmr)


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

    In turns, so that whatever else the machine does falls on all of them alike.
    """
    interpreters = {name: open_interpreter(model, "auto", 1) for name, model in models.items()}
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(_WARM_UP + _ROUNDS):
        for name, interpreter in interpreters.items():
            entry = _entry(interpreter, crop)
            began = perf_counter()
            interpreter.run(entry)
            times[name].append((perf_counter() - began) * 1e3)
    return {name: float(np.median(taken[_WARM_UP:])) for name, taken in times.items()}


def check(float_model: bytes, int8_model: bytes, root: Path, fmrs: Sequence[float]) -> Check:
    """Measure both forms on a folder of people, one folder each with their pictures.

    Genuine pairs are all of the first eight pictures of a person; impostors one picture per person.
    """
    crops, people, without_face = _aligned(root)
    genuine, impostor = pairs(people)
    if not len(genuine) or not len(impostor):
        raise BuildError(f"{root} needs two people, and two pictures of one of them, with a face in each")
    found = [
        fnmr_at(distances(encodings, genuine), distances(encodings, impostor), fmrs)
        for encodings in (encode(float_model, crops), encode(int8_model, crops))
    ]
    losses = tuple(Loss(*each) for each in zip(fmrs, *found, strict=True))
    return Check(len(set(people)), len(crops), without_face, len(genuine), len(impostor), losses)


def pairs(people: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return index pairs `(n, 2)`: all of one person's pictures, and all of different people's first ones."""
    indices: dict[str, list[int]] = {}
    for index, person in enumerate(people):
        indices.setdefault(person, []).append(index)
    firsts = np.array([own[0] for own in indices.values()])
    genuine = [np.array(own)[np.column_stack(np.triu_indices(len(own), 1))] for own in indices.values()]
    return np.concatenate(genuine), firsts[np.column_stack(np.triu_indices(len(firsts), 1))]


def distances(encodings: Encodings, indices: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return D of each pair of unit encodings; in slices, as millions of pairs would fill the memory."""
    slices = np.array_split(indices, max(1, len(indices) // 100_000))
    return np.concatenate(
        [2 - 2 * np.einsum("ij,ij->i", encodings[part[:, 0]], encodings[part[:, 1]]) for part in slices]
    )


def fnmr_at(
    genuine: NDArray[np.float64], impostor: NDArray[np.float64], fmrs: Sequence[float]
) -> list[float]:
    """Return the FNMR at each FMR: tau is the largest D at which no more than that share of impostors match.

    A match is D ≤ tau, so tau lies just below the first impostor too many.
    """
    ordered = np.sort(impostor)
    allowed = [min(int(fmr * len(ordered) + 1e-9), len(ordered) - 1) for fmr in fmrs]
    return [float((genuine >= ordered[count]).mean()) for count in allowed]


def as_json(measured: Any) -> dict[str, Any]:
    """Return the fields of one of the results above."""
    return asdict(measured)


def _entry(interpreter: Interpreter, crop: Image) -> NDArray[Any]:
    """Return the crop as this model's input: raw bytes, or scaled for a float one."""
    return (crop if interpreter.input_dtype == np.uint8 else scaled(crop))[None]


def _aligned(root: Path) -> tuple[list[Image], list[str], int]:
    """Return the face nearest to each picture's centre, whom it shows, and how many pictures have none."""
    vision = FacePipeline.open(Settings())
    crops, people, without_face = [], [], 0
    for folder in sorted(each for each in root.iterdir() if each.is_dir()):
        for path in sorted(folder.iterdir())[:PICTURES_MAX]:
            crop = _crop(vision, path)
            if crop is None:
                without_face += 1
                continue
            crops.append(crop)
            people.append(folder.name)
    return crops, people, without_face


def _crop(vision: FacePipeline, path: Path) -> Image | None:
    try:
        image = load_image(path)
    except UnreadableImageError:
        return None
    middle = (image.shape[1] / 2, image.shape[0] / 2)
    faces = sorted(
        vision.detect(image), key=lambda face: float(np.hypot(*np.subtract(face.box.centre, middle)))
    )
    return vision.observe(image, faces[0]).crop if faces else None
