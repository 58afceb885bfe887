"""A camera frame as coloured half blocks: two pixels to a character cell."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

from doorguard.core.model import Box, Image

Pixel = tuple[int, int, int]

_STEP = 8
"""Colours are rounded to this many grey levels, so that few styles are needed and each is made once."""


class Picture:
    """Renders `columns` cells wide and `rows` cells high, with a frame around the face if there is one."""

    def __init__(self, image: Image, size: tuple[int, int], face: Box | None, frame_colour: Pixel) -> None:
        self._columns, self._rows = size
        self._pixels = shrink(image, self._columns, 2 * self._rows)
        if face is not None:
            scale = self._columns / image.shape[1], 2 * self._rows / image.shape[0]
            _draw_frame(self._pixels, face, scale, frame_colour)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for row in range(self._rows):
            upper, lower = self._pixels[2 * row], self._pixels[2 * row + 1]
            yield from (Segment("▀", _style(top, low)) for top, low in zip(upper, lower, strict=True))
            yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(self._columns, self._columns)


def shrink(image: Image, width: int, height: int) -> list[list[Pixel]]:
    """Return `height` rows of `width` pixels, each the mean of its part of the picture."""
    tall, wide = image.shape[0] // height, image.shape[1] // width
    part = image[: tall * height, : wide * width].reshape(height, tall, width, wide, 3)
    small = part[:, :: max(tall // 4, 1), :, :: max(wide // 4, 1)].mean(axis=(1, 3)) / _STEP
    rows: Iterable[Iterable[Iterable[int]]] = (small.round() * _STEP).clip(0, 255).astype(int).tolist()
    return [[(red, green, blue) for red, green, blue in row] for row in rows]


def _draw_frame(pixels: list[list[Pixel]], face: Box, scale: tuple[float, float], colour: Pixel) -> None:
    """Draw the corners of the face's box."""
    left, right = (round(x * scale[0]) for x in (face.x, face.x + face.width))
    top, bottom = (round(y * scale[1]) for y in (face.y, face.y + face.height))
    arm = max((right - left) // 4, 1)
    for y in (top, bottom):
        for x in (*range(left, left + arm + 1), *range(right - arm, right + 1)):
            _dot(pixels, x, y, colour)
    for x in (left, right):
        for y in (*range(top, top + arm + 1), *range(bottom - arm, bottom + 1)):
            _dot(pixels, x, y, colour)


def _dot(pixels: list[list[Pixel]], x: int, y: int, colour: Pixel) -> None:
    if 0 <= y < len(pixels) and 0 <= x < len(pixels[0]):
        pixels[y][x] = colour


@lru_cache(maxsize=1 << 16)
def _style(upper: Pixel, lower: Pixel) -> Style:
    return Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))
