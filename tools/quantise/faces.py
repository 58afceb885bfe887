"""The aligned training faces: a sample to take ranges from, and unseen ones to judge the result by."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from quantise.checkpoint import BuildError
from quantise.network import INPUT_SIZE

HALF_RANGE = 127.5


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Aligned faces with the encodings their teacher gives them.

    Parameters
    ----------
    crops : `(n, 112, 112, 3)` uint8 RGB.
    reference : `(n, 128)` float32, unit vectors.

    """

    crops: NDArray[np.uint8] = field(repr=False)
    reference: NDArray[np.float32] = field(repr=False)


def sample_for_ranges(folder: Path, count: int, seed: int) -> Faces:
    """Draw faces from every file but the last, which is kept for validation; raises `BuildError`."""
    files = _files(folder)
    if len(files) < 2:
        raise BuildError(f"{folder} must hold a second file of faces: the last is kept for validation")
    return _draw(files[:-1], count, seed)


def sample_for_validation(folder: Path, count: int, seed: int) -> Faces:
    """Draw faces from the last file; raises `BuildError`."""
    return _draw(_files(folder)[-1:], count, seed)


def scaled(face: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the pixels as the network was trained on them, −1 … 1."""
    return ((face.astype(np.float32) - HALF_RANGE) / HALF_RANGE).astype(np.float32)


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("faces-*.npz"))
    if not files:
        raise BuildError(f"no faces-*.npz in {folder}: name the folder of aligned faces with --faces")
    return files


def _draw(files: list[Path], count: int, seed: int) -> Faces:
    """Draw `count` of all the files' faces, or all where there are fewer, in the files' order."""
    sizes = [_size(file) for file in files]
    total = sum(sizes)
    chosen = np.sort(np.random.default_rng(seed).choice(total, min(count, total), replace=False))
    crops, reference, start = [], [], 0
    for file, size in zip(files, sizes, strict=True):
        mine = chosen[(chosen >= start) & (chosen < start + size)] - start
        start += size
        if not len(mine):
            continue
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            pictures, offsets = stored["webp"], stored["offsets"]
            crops += [_decode(pictures[offsets[i] : offsets[i + 1]], file, int(i)) for i in mine]
            reference.append(stored["reference"][mine].astype(np.float32))
    return Faces(np.stack(crops), np.concatenate(reference))


def _size(file: Path) -> int:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            size = len(stored["offsets"]) - 1
            fits = stored["reference"].shape == (size, 128) and int(stored["offsets"][-1]) == len(
                stored["webp"]
            )
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error) as error:
        raise BuildError(f"cannot read the faces in {file}: {error}") from error
    if size < 1 or not fits:
        raise BuildError(f"{file}: its pictures, offsets and references do not fit each other")
    return size


def _decode(picture: NDArray[np.uint8], file: Path, index: int) -> NDArray[np.uint8]:
    """Return the middle of one picture as the encoder sees it; the margin is the trainer's."""
    image = cv2.imdecode(picture, cv2.IMREAD_COLOR)
    if image is None or min(image.shape[:2]) < INPUT_SIZE:
        raise BuildError(f"{file}: picture {index} cannot be decoded to {INPUT_SIZE} pixels or more")
    top, left = ((side - INPUT_SIZE) // 2 for side in image.shape[:2])
    return image[top : top + INPUT_SIZE, left : left + INPUT_SIZE, ::-1]  # type: ignore[return-value]
