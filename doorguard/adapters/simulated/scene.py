"""Render visits as camera frames: backdrop, portraits, plants, light, focus, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from doorguard.adapters.simulated.backdrop import draw_backdrop, soften
from doorguard.adapters.simulated.portrait import Portrait, load_portrait
from doorguard.adapters.simulated.visits import NOBODY, Script, Visit, Walker
from doorguard.core.model import Image

_NOISE_STEP = 24.0
"""Standard deviation of the noise tile's grey levels; a visit's own noise is a share of it."""
_TILE_MARGIN = 61


@dataclass(frozen=True, slots=True)
class _Pose:
    """Where a walker is: the face's centre and width in frame pixels, and the head's roll."""

    x: float
    y: float
    face_px: float
    roll_deg: float


class Scene:
    """The view of the simulated camera.

    Parameters
    ----------
    script : who comes when.
    width, height : size of the frames in pixels.
    seed : the same seed, time and index give the same frame to the last bit.

    """

    def __init__(self, script: Script, size: tuple[int, int], *, seed: int = 1) -> None:
        self.script = script
        self.width, self.height = size
        self._seed = seed
        self._backdrop = draw_backdrop(self.width, self.height, seed)
        self._tile = _noise_tile(self.width, self.height, seed)

    def render(self, elapsed_s: float, index: int) -> Image:
        """Return the frame at `elapsed_s` into the script; `index` varies the noise."""
        found = self.script.at(elapsed_s)
        visit, into_s = (self.script.visits[found[0]], found[1]) if found else (NOBODY, 0.0)
        frame = self._backdrop.behind.copy()
        poses = [(_pose(walker, into_s, self.width, self.height), walker) for walker in visit.walkers]
        for pose, walker in sorted(poses, key=lambda item: item[0].face_px):
            self._place(frame, load_portrait(walker.photo), pose, walker.mirrored)
        self._cover(frame)
        return self._expose(frame, visit, into_s / visit.duration_s, index)

    def _place(self, frame: Image, portrait: Portrait, pose: _Pose, mirrored: bool) -> None:
        """Blend one portrait into the frame, within the rectangle it covers."""
        anchor = portrait.anchor
        scale = pose.face_px / anchor.face_px
        level = min(max(int(math.log2(1 / scale)), 0), len(portrait.levels) - 1)
        source = portrait.levels[level]
        matrix = _place_matrix(portrait, pose, level, mirrored)
        left, top, right, bottom = _reach(matrix, source.shape, frame.shape)
        if right <= left or bottom <= top:
            return
        matrix[:, 2] -= left, top
        figure = cv2.warpAffine(source, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
        below = frame[top:bottom, left:right]
        clear = cv2.cvtColor(255 - figure[..., 3], cv2.COLOR_GRAY2RGB)
        cv2.multiply(below, clear, below, scale=1 / 255)
        cv2.add(below, cv2.cvtColor(figure, cv2.COLOR_RGBA2RGB), below)

    def _cover(self, frame: Image) -> None:
        """Put the plants in front."""
        low = frame[-self._backdrop.before.shape[0] :]
        cv2.multiply(low, self._backdrop.clearness, low, scale=1 / 255)
        cv2.add(low, self._backdrop.before, low)

    def _expose(self, frame: Image, visit: Visit, share: float, index: int) -> Image:
        """Defocus, light and sensor noise."""
        if visit.blur_px > 0:
            frame = soften(frame, visit.blur_px * self.height / 480)
        rng = np.random.default_rng((self._seed, index))
        x, y = rng.integers(0, _TILE_MARGIN, 2).tolist()
        noise = self._tile[y : y + self.height, x : x + self.width]
        amount = visit.noise / _NOISE_STEP
        gain = visit.light.gain(share)
        return np.asarray(cv2.addWeighted(frame, gain, noise, amount, -128.0 * amount), np.uint8)


def _noise_tile(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """Grey 128 plus noise, larger than a frame so that each frame takes another part of it."""
    rng = np.random.default_rng(seed)
    shape = (height + _TILE_MARGIN, width + _TILE_MARGIN, 3)
    noise = rng.standard_normal(shape, dtype=np.float32) * _NOISE_STEP + 128.5
    return np.asarray(np.clip(noise, 0, 255), np.uint8)


def _pose(walker: Walker, into_s: float, width: int, height: int) -> _Pose:
    """Follow the way with smooth starts and stops; sway and nod a little on top."""
    times = [point[0] for point in walker.way]
    leg = max(min(int(np.searchsorted(times, into_s, side="right")) - 1, len(times) - 2), 0)
    begin, end = walker.way[leg], walker.way[leg + 1]
    share = min(max((into_s - begin[0]) / (end[0] - begin[0]), 0.0), 1.0)
    share = share * share * (3 - 2 * share)
    x, y, face = (a + (b - a) * share for a, b in zip(begin[1:], end[1:], strict=True))
    sway = walker.sway_px / 480
    x += sway * math.sin(2.1 * into_s) + 0.4 * sway * math.sin(5.3 * into_s + 1.0)
    y += 0.5 * sway * math.sin(3.4 * into_s + 0.5)
    roll = 0.5 * walker.sway_px * math.sin(1.7 * into_s + 0.3)
    return _Pose(width / 2 + x * height, y * height, face * height, roll)


def _place_matrix(portrait: Portrait, pose: _Pose, level: int, mirrored: bool) -> NDArray[np.float64]:
    """Return the 2x3 matrix from a level's pixels to frame pixels, face on face."""
    size = 2.0**level
    scale = pose.face_px / portrait.anchor.face_px * size
    roll = math.radians(pose.roll_deg)
    turn = np.array(((math.cos(roll), -math.sin(roll)), (math.sin(roll), math.cos(roll)))) * scale
    turn[:, 0] *= -1.0 if mirrored else 1.0
    # A pixel of a level is the mean of size by size pixels, so its centre lies between theirs.
    face = np.array((portrait.anchor.x + 0.5, portrait.anchor.y + 0.5)) / size - 0.5
    return np.column_stack([turn, np.array((pose.x, pose.y)) - turn @ face])


def _reach(
    matrix: NDArray[np.float64], source: tuple[int, ...], frame: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Return the frame's part that a warped picture covers: left, top, right, bottom."""
    height, width = source[:2]
    corners = np.array(((0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1))) @ matrix.T
    low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
    left, top = np.maximum(low, 0).astype(int).tolist()
    right, bottom = np.minimum(high, (frame[1], frame[0])).astype(int).tolist()
    return left, top, right, bottom
