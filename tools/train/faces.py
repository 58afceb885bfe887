"""Files of aligned faces: pictures, and what is known of each: a reference encoding, a person, or both.

The format is that of the training set this project was given: `webp` (all pictures' bytes, end to end),
`offsets` (n + 1), `low_resolution` (n), and here one or both of `reference` (n × d, float16) and `person`
(n whole numbers).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

STORED_SIZE = 120
"""Side of a stored picture: the encoder's 112 pixels and 4 on each side left for jitter."""
_QUALITY = 92
_THREADS = 4


@dataclass(frozen=True, eq=False, slots=True)
class Faces:
    """Faces of one or more files, decoded.

    Parameters
    ----------
    pictures : uint8, n × 120 × 120 × 3, RGB (43 kB each).
    low_resolution : bool, n; the original face was so small that what is known of it is less certain.
    references : float32, n × d, unit length; None when a file has none.
    people : int64, n; None when a file names no persons. Files of one call share their numbers.

    """

    pictures: NDArray[np.uint8]
    low_resolution: NDArray[np.bool_]
    references: NDArray[np.float32] | None = None
    people: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.pictures)


def read_faces(paths: Iterable[Path]) -> Faces:
    """Decode files of faces; raises `ValueError` for a file that is none."""
    parts = [_read_file(path) for path in paths]
    if not parts:
        raise ValueError("no files of faces were named")

    def joined(name: str) -> NDArray[np.float32] | None:
        arrays = [getattr(part, name) for part in parts]
        return None if any(array is None for array in arrays) else np.concatenate(arrays)

    people = joined("people")
    return Faces(
        np.concatenate([part.pictures for part in parts]),
        np.concatenate([part.low_resolution for part in parts]),
        joined("references"),
        None if people is None else people.astype(np.int64),
    )


def write_faces(path: Path, pictures: Sequence[NDArray[np.uint8]], **known: Any) -> None:
    """Write RGB pictures with what is known of them (`reference`, `person`, `low_resolution`)."""
    coded = [
        cv2.imencode(".webp", picture[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])[1]
        for picture in pictures
    ]
    offsets = np.cumsum([0, *(len(each) for each in coded)], dtype=np.int64)
    known.setdefault("low_resolution", np.zeros(len(coded), np.uint8))
    np.savez(path, webp=np.concatenate(coded), offsets=offsets, **known)


def _read_file(path: Path) -> Faces:
    with np.load(path) as stored:
        if not {"webp", "offsets", "low_resolution"} <= set(stored.files):
            raise ValueError(f"{path} holds no faces: webp, offsets or low_resolution is missing")
        data, offsets = stored["webp"], stored["offsets"]
        low = stored["low_resolution"].astype(bool)
        references = stored["reference"].astype(np.float32) if "reference" in stored.files else None
        people = stored["person"].astype(np.int64) if "person" in stored.files else None
    if references is not None:
        references /= np.linalg.norm(references, axis=1, keepdims=True)
    return Faces(_decode(data, offsets), low, references, people)


def _decode(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
    pictures = np.empty((len(offsets) - 1, STORED_SIZE, STORED_SIZE, 3), np.uint8)

    def one(index: int) -> None:
        picture = cv2.imdecode(data[offsets[index] : offsets[index + 1]], cv2.IMREAD_COLOR)
        if picture is None or picture.shape != pictures.shape[1:]:
            raise ValueError(f"picture {index} is not {STORED_SIZE}×{STORED_SIZE}")
        pictures[index] = picture[:, :, ::-1]

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(one, range(len(pictures))):
            pass
    return pictures
