"""The simulated door's view: a garden path at dusk, drawn once, out of focus as behind a close visitor."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from doorguard.core.model import Image

Canvas = NDArray[np.uint8]

_SKY_TOP, _SKY_LOW = (96, 120, 158), (236, 206, 172)
_LAWN_FAR, _LAWN_NEAR = (104, 122, 74), (58, 78, 44)
_PATH, _PATH_EDGE = (186, 174, 156), (128, 116, 98)
_HORIZON = 0.42


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """What stands behind and before the visitors.

    Parameters
    ----------
    behind : RGB, the size of the frame.
    before : RGB, the bottom rows of the frame: plants at the door, multiplied by their opacity.
    clearness : `(rows, width, 3)` uint8, 255 where nothing stands before the visitors.

    """

    behind: Image = field(repr=False)
    before: Image = field(repr=False)
    clearness: NDArray[np.uint8] = field(repr=False)


def draw_backdrop(width: int, height: int, seed: int) -> Backdrop:
    """Draw the scene for frames of `width` by `height` pixels; the same seed gives the same picture."""
    rng = np.random.default_rng(seed)
    canvas = _sky(width, height)
    _trees(canvas, rng)
    canvas = soften(canvas, height / 100)
    _garden(canvas, rng)
    canvas = soften(canvas, height / 160)
    _lights(canvas)
    _door_frame(canvas)
    before, clearness = _plants(width, height, rng)
    return Backdrop(canvas, before, clearness)


def _sky(width: int, height: int) -> Canvas:
    """A vertical gradient down to the horizon's colour."""
    share = np.clip(np.linspace(0.0, 1.0 / _HORIZON, height), 0.0, 1.0)[:, None] ** 1.4
    row = np.asarray(_SKY_TOP) * (1 - share) + np.asarray(_SKY_LOW) * share
    return np.repeat(row[:, None, :], width, axis=1).astype(np.uint8)


def _trees(canvas: Canvas, rng: np.random.Generator) -> None:
    """Three rows of trees, the farther the paler.

    No house stands there: its windows and walls read as a face to the detector, and the nearer a visitor's
    head is to them, the more.
    """
    for pale, top, size in ((0.62, 0.20, 0.06), (0.35, 0.13, 0.07), (0.0, 0.05, 0.05)):
        for x in np.linspace(-0.05, 1.05, 24) + rng.normal(0, 0.01, 24):
            tall = top * (0.7 + 0.5 * rng.random() + 0.9 * abs(x - 0.5))
            green = np.array((50, 70, 46)) + rng.normal(0, 5, 3)
            shade = green * (1 - pale) + np.asarray(_SKY_LOW) * 0.72 * pale
            _ellipse(canvas, (float(x), _HORIZON - 0.01), (size, tall), shade)


def _garden(canvas: Canvas, rng: np.random.Generator) -> None:
    """Lawn, a path of flags that leads to the door, hedges on both sides."""
    _ground(canvas)
    _polygon(canvas, ((0.485, _HORIZON), (0.545, _HORIZON), (0.83, 1.0), (0.17, 1.0)), _PATH)
    for edge in np.geomspace(0.012, 1.0, 11):
        y = _HORIZON + (1 - _HORIZON) * edge
        half = 0.03 + 0.30 * edge
        _polygon(
            canvas, tuple((0.515 + s * half, y + d) for s, d in ((-1, 0), (1, 0), (1, 0.006), (-1, 0.006))),
            _PATH_EDGE,
        )  # fmt: skip
    for side in (-1, 1):
        for near in np.geomspace(0.03, 1.0, 15):
            centre = (0.515 + side * (0.07 + 0.62 * near), _HORIZON + 0.05 + 0.40 * near)
            green = np.array((62, 88, 50)) * (0.75 + 0.5 * rng.random())
            _ellipse(canvas, centre, (0.03 + 0.22 * near, 0.05 + 0.26 * near), green)
    grain = rng.normal(0, 7, canvas.shape[:2])[..., None]
    rows = int(_HORIZON * canvas.shape[0])
    canvas[rows:] = np.clip(canvas[rows:] + grain[rows:], 0, 255).astype(np.uint8)


def _ground(canvas: Canvas) -> None:
    """Lawn from the horizon down, darker towards the door."""
    rows = int(_HORIZON * canvas.shape[0])
    share = np.linspace(0.0, 1.0, canvas.shape[0] - rows)[:, None, None] ** 0.6
    canvas[rows:] = (np.asarray(_LAWN_FAR) * (1 - share) + np.asarray(_LAWN_NEAR) * share).astype(np.uint8)


def _lights(canvas: Canvas) -> None:
    """Street lamps as soft discs, and the warm light of the lamp above the door."""
    height, width = canvas.shape[:2]
    glow = np.zeros_like(canvas)
    for x, y, radius, share in (
        (0.40, 0.27, 0.018, 0.55),
        (0.63, 0.24, 0.022, 0.6),
        (0.345, 0.33, 0.012, 0.45),
    ):
        _ellipse(glow, (x, y), (radius * height / width, radius), np.array((255, 226, 170)) * share)
    glow = soften(glow, height / 400)
    y, x = np.mgrid[0:height, 0:width]
    reach = np.exp(-(((x / width - 0.5) / 0.55) ** 2 + ((y / height + 0.05) / 0.75) ** 2))
    warm = reach[..., None] * np.array((46, 32, 12))
    canvas[:] = np.clip(canvas.astype(np.float32) * 0.9 + glow + warm, 0, 255).astype(np.uint8)


def _door_frame(canvas: Canvas) -> None:
    """The reveal of the door on both sides and above, nearer than anything else."""
    height, width = canvas.shape[:2]
    wood = np.zeros((height, width), np.uint8)
    for side in (-1, 1):
        outer, inner, foot = 0.5 + side * 0.6, 0.5 + side * 0.452, 0.5 + side * 0.475
        _shade(wood, ((outer, 0), (inner, 0), (foot, 1), (outer, 1)), 255)
        _shade(wood, ((inner, 0), (inner - side * 0.012, 0), (foot - side * 0.010, 1), (foot, 1)), 140)
    _shade(wood, ((0, 0), (1, 0), (1, 0.035), (0, 0.035)), 255)
    share = soften(wood, height / 180)[..., None] / 255.0
    light = np.linspace(1.0, 0.55, height)[:, None, None] * np.array((84, 58, 44))
    canvas[:] = (canvas * (1 - share) + light * share).astype(np.uint8)


def _plants(width: int, height: int, rng: np.random.Generator) -> tuple[Image, NDArray[np.uint8]]:
    """Leaves in a box at the door: they hide where the portraits end."""
    rows = int(0.24 * height)
    colour = np.zeros((rows, width, 3), np.uint8)
    cover = np.zeros((rows, width), np.uint8)
    for depth in np.linspace(0.0, 1.0, 7):
        for x in rng.uniform(-0.02, 1.02, 60):
            y = 0.58 + 0.55 * depth + 0.12 * rng.normal() - 0.25 * abs(x - 0.5)
            size, tilt = (0.012 + 0.012 * rng.random(), 0.13), float(rng.normal(0, 35))
            green = np.array((52, 78, 44)) * (0.5 + 0.5 * depth + 0.35 * rng.random())
            centre = (x, max(y, 0.25))
            _ellipse(colour, centre, size, green, tilt)
            _ellipse(cover, centre, size, np.array((255, 255, 255)), tilt)
    foot = int(0.62 * rows)
    colour[foot:][cover[foot:] == 0] = (34, 52, 30)
    cover[foot:] = 255
    cover = soften(cover, height / 130)
    colour = soften(colour, height / 130)
    return colour, np.repeat(255 - cover[..., None], 3, axis=2)


def soften(picture: Canvas, sigma_px: float) -> Canvas:
    """Blur as a lens out of focus would, near enough: Gaussian, standard deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px), np.uint8)


Point = tuple[float, float]


def _pixels(canvas: Canvas, points: tuple[Point, ...]) -> NDArray[np.int32]:
    """Fractions of the canvas to pixels with four fractional bits, which cv2 calls `shift=4`."""
    size = np.array((canvas.shape[1], canvas.shape[0]))
    return np.asarray(np.rint(np.asarray(points) * size * 16), np.int32)


def _polygon(canvas: Canvas, points: tuple[Point, ...], colour: tuple[int, int, int]) -> None:
    cv2.fillPoly(canvas, [_pixels(canvas, points)], colour, cv2.LINE_AA, 4)


def _shade(canvas: Canvas, points: tuple[Point, ...], value: int) -> None:
    cv2.fillPoly(canvas, [_pixels(canvas, points)], value, cv2.LINE_8, 4)


def _ellipse(
    canvas: Canvas, centre: Point, radii: Point, colour: NDArray[np.float64], tilt_deg: float = 0.0
) -> None:
    (middle,) = _pixels(canvas, (centre,)).tolist()
    (axes,) = np.maximum(_pixels(canvas, (radii,)), 1).tolist()
    shade = np.clip(colour, 0, 255).tolist()
    cv2.ellipse(canvas, middle, axes, tilt_deg, 0, 360, shade, -1, cv2.LINE_AA, 4)
