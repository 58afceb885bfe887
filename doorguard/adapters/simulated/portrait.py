"""Portraits cut out of the bundled photographs, ready to be placed in a scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from doorguard.errors import CameraError
from doorguard.photos import path

_LEVELS = 4
_FEET_SHARE = 0.8
"""How far the clothes are drawn on below the photograph's end, as a share of its height."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the face is in the photograph: its centre and the width between the cheeks, pixels."""

    x: float
    y: float
    face_px: float


ANCHORS = {
    "biden-2010": Anchor(301.0, 186.0, 142.0),
    "collins": Anchor(224.0, 123.0, 91.0),
    "obama-2009": Anchor(214.0, 234.0, 187.0),
    "obama-2010": Anchor(340.0, 178.0, 142.0),
}
"""The photographs there is a mask for; the face is where the mesh finds it (its middle, points 234, 454)."""


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """One person without the photograph's background.

    Parameters
    ----------
    levels : RGBA uint8 `(height, width, 4)`, colours multiplied by their opacity, each half the size of
        the one before, so that a small figure is made from a small picture and does not shimmer.
    anchor : where the face is in `levels[0]`.

    """

    levels: tuple[NDArray[np.uint8], ...] = field(repr=False)
    anchor: Anchor


@lru_cache(maxsize=len(ANCHORS))
def load_portrait(name: str) -> Portrait:
    """Cut one person out; raises `CameraError` (fatal) when the bundled files are not readable."""
    photo = path(name)
    colour = _read(photo, cv2.IMREAD_COLOR)
    cover = _read(photo.with_suffix(".mask.png"), cv2.IMREAD_GRAYSCALE)
    colour, cover = _draw_on(colour[..., ::-1], cover)
    share = cover[..., None].astype(np.float32) / 255
    level = np.dstack([np.rint(colour * share).astype(np.uint8), cover])
    levels = [level]
    while len(levels) < _LEVELS:
        level = cv2.resize(level, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        levels.append(level)
    return Portrait(tuple(levels), ANCHORS[name])


def _read(file: Path, flags: int) -> NDArray[np.uint8]:
    picture = cv2.imread(str(file), flags)
    if picture is None:
        raise CameraError(f"the bundled picture {file} cannot be read; install doorguard again", fatal=True)
    return np.asarray(picture, np.uint8)


def _draw_on(
    colour: NDArray[np.uint8], cover: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw the clothes on downwards, darkening, so that a distant figure does not end in mid-air."""
    rows = int(_FEET_SHARE * colour.shape[0])
    weight = cover[None, -12:].astype(np.float32).mean(axis=1) + 1e-3
    reach = (2 * (colour.shape[1] // 8) + 1, 1)
    last = colour[None, -12:].astype(np.float32).mean(axis=1)
    cloth = cv2.blur(last * weight[..., None], reach) / cv2.blur(weight, reach)[..., None]
    fade = np.linspace(1.0, 0.45, rows)[:, None, None]
    drawn = (cloth * fade).astype(np.uint8)
    return np.vstack([colour, drawn]), np.vstack([cover, np.repeat(cover[-1:], rows, axis=0)])
