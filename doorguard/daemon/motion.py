"""The motion gate, which decides whether a frame is worth the detector's time.

A still scene must cost almost nothing, yet nobody may stand unseen. So the gate compares a small picture
of the frame with a slowly adapting background, lets a frame through as soon as enough of it has changed,
and lets one through every `look_every_s` whatever it sees. While a face is tracked it is not asked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doorguard.config import MotionSettings
from doorguard.core.model import Image

CELL_PX = 8
"""Edge of a cell in pixels: at 640×480, 80×60 cells; a 60 px face covers about 50 of them."""

STEP_PX = 2
"""Every second pixel of every second row is read: 16 samples a cell bring noise of 8 grey levels to 2."""

SIGMAS = 5.0
"""A cell must stand out by so many standard deviations of the noise in this very frame: at night a sensor's
noise is several times that of the day."""

SIGMA_PER_MAD = 1.4826
"""Standard deviation of a normal distribution per median absolute deviation."""

CALM_MAX = 3.0
"""The noise raises `change_min` at most so many times: a visitor who fills the frame looks like it."""

ADAPT_S = 4.0
"""Time constant of the background in seconds: a parked bicycle is background within some ten seconds."""


class MotionGate:
    """Decide frame by frame; keeps one background of `(height/8, width/8)` float32.

    Global changes of light are taken out by the median of the difference, since a cloud or the camera's
    exposure moves every cell alike while a visitor moves a few.
    """

    def __init__(self, settings: MotionSettings) -> None:
        self._settings = settings
        self._background: NDArray[np.float32] | None = None
        self._seen_s = 0.0
        self._looked_s = 0.0

    def worth_looking(self, image: Image, now_s: float) -> bool:
        """Whether to run the detector on this frame.

        Parameters
        ----------
        image
            `(height, width, 3)` uint8 RGB; a change of size starts a new background.
        now_s
            Monotonic seconds.

        Returns
        -------
        True for the first frame, for one that differs from the background by more than `change_min` grey
        levels, or what the noise asks for, in more than `area_min` of the cells, and `look_every_s` after
        the last True.

        """
        if not self._settings.enabled:
            return True
        cells = shrink(image)
        background = self._background
        if background is None or background.shape != cells.shape:
            self._background, self._seen_s = cells, now_s
            self._looked_s = now_s
            return True
        difference = cells - background
        self._adapt(background, difference, now_s)
        worth = self._changed(difference) or now_s - self._looked_s >= self._settings.look_every_s
        if worth:
            self._looked_s = now_s
        return worth

    def _changed(self, difference: NDArray[np.float32]) -> bool:
        local = np.abs(difference - np.median(difference))
        noise = SIGMAS * SIGMA_PER_MAD * float(np.median(local))
        smallest = self._settings.change_min
        limit = min(max(smallest, noise), CALM_MAX * smallest)
        return float(np.mean(local > limit)) > self._settings.area_min

    def _adapt(self, background: NDArray[np.float32], difference: NDArray[np.float32], now_s: float) -> None:
        passed_s = min(max(now_s - self._seen_s, 0.0), ADAPT_S)
        self._seen_s = now_s
        background += np.float32(passed_s / ADAPT_S) * difference


def shrink(image: Image) -> NDArray[np.float32]:
    """Average the green channel, most of the luma, over cells of 8×8 pixels.

    Parameters
    ----------
    image
        `(height, width, 3)` uint8 RGB; pixels beyond the last whole cell are left out.

    Returns
    -------
    `(height // 8, width // 8)` float32, 0 to 255; empty for a picture smaller than a cell.

    """
    rows, columns = image.shape[0] // CELL_PX, image.shape[1] // CELL_PX
    green = image[: rows * CELL_PX : STEP_PX, : columns * CELL_PX : STEP_PX, 1].astype(np.uint16)
    # Adding strided views is eight times as fast here as `reshape(...).mean(axis=(1, 3))`; 16 samples of
    # at most 255 fit 16 bits.
    side = CELL_PX // STEP_PX
    tall = sum((green[row::side] for row in range(1, side)), start=green[0::side])
    cells = sum((tall[:, column::side] for column in range(1, side)), start=tall[:, 0::side])
    return cells.astype(np.float32) / np.float32(side * side)
