"""Expose for the face: a slow closed loop on the camera's exposure compensation.

libcamera on a Raspberry Pi cannot meter on a rectangle of one's choice: its metering modes are fixed
patterns. What it offers is `ExposureValue`, which shifts the target of its own automatic exposure in stops.
So the face's own brightness is measured and that value is nudged until the face sits in the middle of the
scale. The steps are small and rare because the camera's loop needs several frames to follow one.
"""

from __future__ import annotations

import math

TARGET_LUMA = 120.0
"""Where a face should lie, 0 to 255: the middle of the scale, far from the quality gate's both limits."""

DEADBAND_LUMA = 18.0
"""How far off is good enough; smaller than the quality gate would ever notice, larger than noise and sway."""

INTERVAL_S = 0.4
"""Seconds between two steps: six frames at 15 Hz, about what the camera's own loop needs to settle."""

STEP_MAX_EV = 0.5
LIMIT_EV = 2.0
"""At most four times brighter or darker than the camera itself would expose."""

GAIN = 0.6
"""Share of the error corrected per step: below 1, so that the loop approaches without overshoot."""

GAMMA = 2.2
"""Grey levels are encoded; a stop of light changes luma by a factor of 2 ** (1 / 2.2)."""

FORGET_S = 3.0
"""Seconds without a face after which the value walks back to 0, the camera's own exposure of the scene."""


class FaceExposure:
    """The loop's state.

    Parameters
    ----------
    lowest_ev, highest_ev : what the camera accepts; narrowed to ±`LIMIT_EV`.

    """

    def __init__(self, lowest_ev: float = -LIMIT_EV, highest_ev: float = LIMIT_EV) -> None:
        self._lowest = max(lowest_ev, -LIMIT_EV)
        self._highest = min(highest_ev, LIMIT_EV)
        self._changed_s = -math.inf
        self._face_s = -math.inf
        self.ev = 0.0

    def update(self, luma: float | None, now_s: float) -> float | None:
        """Take one look at the face.

        Parameters
        ----------
        luma : mean luma of the face, 0 to 255; None when there is no face or it could not be measured.
        now_s : monotonic seconds.

        Returns
        -------
        float or None : the new exposure compensation in stops, None when it stays as it is.

        """
        if luma is not None and math.isfinite(luma):
            self._face_s = now_s
            step = _step(luma)
        elif now_s - self._face_s >= FORGET_S:
            step = -self.ev
        else:
            return None
        if now_s - self._changed_s < INTERVAL_S:
            return None
        step = min(max(step, -STEP_MAX_EV), STEP_MAX_EV)
        wanted = min(max(self.ev + step, self._lowest), self._highest)
        if wanted == self.ev:
            return None
        self.ev, self._changed_s = wanted, now_s
        return wanted


def _step(luma: float) -> float:
    """Return the stops that would take this luma towards the target, before limits; 0 inside the deadband."""
    if abs(luma - TARGET_LUMA) <= DEADBAND_LUMA:
        return 0.0
    return GAIN * GAMMA * math.log2(TARGET_LUMA / max(luma, 1.0))
