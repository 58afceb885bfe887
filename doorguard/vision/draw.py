"""Draw what was seen into a picture: boxes, mesh points and a few words beside each face."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from doorguard.core.model import Box, Image, Observation
from doorguard.errors import UsageError

_GOOD = (46, 204, 64)
_BAD = (255, 80, 60)
_MESH = (90, 220, 255)
_PANEL = (0, 0, 0)
_INK = (255, 255, 255)


@dataclass(frozen=True, slots=True, eq=False)
class FaceMark:
    """What to write beside a face: lines of text, and whether the answer was good (green) or not (red)."""

    observation: Observation
    lines: tuple[str, ...]
    good: bool


def draw_faces(image: Image, marks: Sequence[FaceMark]) -> Image:
    """Return a copy of a picture with the marks drawn in.

    Parameters
    ----------
    image : RGB uint8, `(height, width, 3)`.
    marks : drawn in order; lines and letters grow with the picture.

    """
    canvas = Pillow.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    unit = max(1, round(min(image.shape[:2]) / 400))
    for mark in marks:
        _draw_mark(pen, mark, unit, canvas.size)
    return np.asarray(canvas).copy()


def save_png(path: Path, image: Image) -> None:
    """Write a picture as PNG; raises `UsageError` where that cannot be done."""
    try:
        Pillow.fromarray(image).save(path, format="PNG")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def _draw_mark(pen: ImageDraw.ImageDraw, mark: FaceMark, unit: int, size: tuple[int, int]) -> None:
    colour = _GOOD if mark.good else _BAD
    box = mark.observation.detection.box
    pen.rectangle((box.x, box.y, box.x + box.width, box.y + box.height), outline=colour, width=2 * unit)
    if mark.observation.mesh is not None:
        for x, y in mark.observation.mesh.points[:, :2].tolist():
            pen.rectangle((x, y, x + unit - 1, y + unit - 1), fill=_MESH)
    if mark.lines:
        _write(pen, mark.lines, box, unit, size)


def _write(
    pen: ImageDraw.ImageDraw, lines: tuple[str, ...], box: Box, unit: int, size: tuple[int, int]
) -> None:
    """Write on a dark panel below the face, moved so that it stays in the picture."""
    gap = 4 * unit
    font, text = _typeset("\n".join(lines), 14 * unit)
    left, top, right, bottom = pen.multiline_textbbox((0, 0), text, font=font)
    width, height = right - left + 2 * gap, bottom - top + 2 * gap
    x = max(0.0, min(box.x, size[0] - width))
    y = max(0.0, min(box.y + box.height + gap, size[1] - height))
    pen.rectangle((x, y, x + width, y + height), fill=_PANEL)
    pen.multiline_text((x + gap - left, y + gap - top), text, font=font, fill=_INK)


def _typeset(text: str, size: int) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, str]:
    """Return a font and what it can show of the text.

    DejaVu, which most systems have, knows the letters of most names. Pillow's own font knows ASCII only:
    there accents are dropped and the rest becomes a question mark.
    """
    try:
        return ImageFont.truetype("DejaVuSans.ttf", size), text
    except OSError:
        bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
        return ImageFont.load_default(size=size), bare.encode("ascii", "replace").decode()
