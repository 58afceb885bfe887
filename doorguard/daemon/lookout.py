"""The lookout: which frames are worth a look, and who in them is the visitor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from doorguard.config import MotionSettings
from doorguard.core.model import Detection, Frame, Image
from doorguard.core.policy import PolicyRules
from doorguard.core.tracking import Tracker
from doorguard.daemon.motion import MotionGate
from doorguard.ports import Vision

QUICK_ROWS = 16
"""Two frames are first compared on every 16th row: noise makes nearly all of them differ there."""


class Disposal(StrEnum):
    """How a frame was disposed of."""

    NO_MOTION = "no_motion"
    DUPLICATE = "duplicate"
    NO_FACE = "no_face"
    DECIDED = "decided"
    """It showed the visitor, and the policy took it into account."""
    STALE = "stale"
    """It came too late to count."""
    FAILED = "failed"
    """Something raised; nothing was granted."""


FEEDS_WATCHDOG = frozenset({Disposal.NO_MOTION, Disposal.DUPLICATE, Disposal.NO_FACE, Disposal.DECIDED})
"""Frames that show that the whole path works. A daemon whose every frame fails or comes too late lets
nobody in, so it feeds nothing and is started anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Visitor:
    """The visitor's face in one frame."""

    detection: Detection
    track_id: int


class Lookout:
    """Looks at frames one by one, on one thread."""

    def __init__(self, vision: Vision, motion: MotionSettings, rules: PolicyRules) -> None:
        self._vision = vision
        self._motion = motion
        self._rules = rules
        self._tracker = Tracker(rules.track_gap_s)
        self._gate = MotionGate(motion)
        self._previous: Image | None = None
        self._seen_s: float | None = None
        self._changed_s: float | None = None

    def find(self, frame: Frame, now_s: float) -> Visitor | Disposal:
        """Return the visitor, or how a frame that does not show one was disposed of."""
        if not 0.0 <= now_s - frame.captured_s <= self._rules.frame_age_max_s:
            return Disposal.STALE
        previous, self._previous = self._previous, frame.image
        if previous is not None and same_picture(previous, frame.image):
            return Disposal.DUPLICATE
        self._changed_s = now_s
        if not self.occupied(now_s) and not self._gate.worth_looking(frame.image, now_s):
            return Disposal.NO_MOTION
        detections = self._vision.detect(frame.image)
        track = self._tracker.update([detection.box for detection in detections], now_s)
        if track is None:
            return Disposal.NO_FACE
        self._seen_s = now_s
        return Visitor(detections[track.index], track.track_id)

    def occupied(self, now_s: float) -> bool:
        """Whether the visitor was seen within the track's gap; then he need not move to be looked at."""
        return self._seen_s is not None and now_s - self._seen_s <= self._rules.track_gap_s

    def frozen(self, now_s: float, after_s: float) -> bool:
        """Whether the camera has shown one and the same picture for longer than `after_s`."""
        return self._changed_s is not None and now_s - self._changed_s > after_s

    def start_anew(self) -> None:
        """Forget what was seen: the camera was away, and the next frame is looked at whatever it shows."""
        self._previous, self._seen_s, self._changed_s = None, None, None
        self._gate = MotionGate(self._motion)


def same_picture(left: Image, right: Image) -> bool:
    """Whether two frames hold the same pixels, or are one and the same array."""
    if left is right:
        return True
    if left.shape != right.shape or not np.array_equal(left[::QUICK_ROWS], right[::QUICK_ROWS]):
        return False
    return np.array_equal(left, right)
