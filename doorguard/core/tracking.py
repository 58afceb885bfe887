"""Who is the visitor: faces followed from frame to frame by where they are, without knowing whose they are.

Every face is followed, not the visitor's alone, so that a neighbour's box belongs to the neighbour's own
track and the visitor's track cannot slip onto it while he is hidden for a moment. A track and a box are
joined only when each is the other's best candidate. Where that is unclear the track ends and a new one
begins: that costs an attempt, while a mixed-up track would mix two people's frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from doorguard.core.model import Box

CLEARLY_LARGER: Final = 1.3
"""How much larger in area another face must be to take the visitor's place; stops two alike from flipping."""

_REACH: Final = 0.5
"""How far a centre may move between two looks, in face widths. Two faces cheek by cheek lie 1 apart."""

_GROWTH: Final = 2.0
"""How much the area may change between two looks when the boxes hardly overlap."""


@dataclass(frozen=True, slots=True)
class Track:
    """The visitor in one frame.

    Parameters
    ----------
    track_id : never used for anybody else.
    index : which of the boxes given to `update` is his.
    started_s : when he was first seen.

    """

    track_id: int
    index: int
    started_s: float


@dataclass(slots=True)
class _Followed:
    """One face that is being followed, and where it was last."""

    track_id: int
    box: Box
    started_s: float
    seen_s: float


class Tracker:
    """Follows faces and says which one is the visitor. Reads no clock.

    The largest face becomes the visitor and stays so until another is clearly larger or until he has been
    out of sight for more than `gap_s`. `gap_s` must exceed the time between two frames.
    """

    def __init__(self, gap_s: float, iou_min: float = 0.3) -> None:
        self._gap_s = gap_s
        self._iou_min = iou_min
        self._next_id = 1
        self._followed: list[_Followed] = []
        self._visitor: _Followed | None = None

    def update(self, boxes: Sequence[Box], now_s: float) -> Track | None:
        """Take the faces of the next frame and return the visitor, None while he is not to be seen.

        Parameters
        ----------
        boxes
            frame pixels, any order; one without a finite area above 0 is passed over.
        now_s
            monotonic seconds, the same clock in every call.

        """
        self._followed = [face for face in self._followed if now_s - face.seen_s <= self._gap_s]
        current = self._join(boxes, now_s)
        self._visitor = self._choose([face for face, _ in current])
        for face, index in current:
            if face is self._visitor:
                return Track(face.track_id, index, face.started_s)
        return None

    def _join(self, boxes: Sequence[Box], now_s: float) -> list[tuple[_Followed, int]]:
        """Continue the track of each box that has one, and begin one for every other box."""
        usable = [index for index, box in enumerate(boxes) if 0 < box.area < math.inf]
        owners = self._owners(boxes, usable)
        current = []
        for index in usable:
            face = owners.get(index)
            if face is None:
                face = _Followed(self._next_id, boxes[index], now_s, now_s)
                self._next_id += 1
                self._followed.append(face)
            face.box, face.seen_s = boxes[index], now_s
            current.append((face, index))
        return current

    def _owners(self, boxes: Sequence[Box], usable: Sequence[int]) -> dict[int, _Followed]:
        """Return whose track each box continues: the pairs that are each other's best."""
        pairs = [
            (closeness, face.seen_s, -face.track_id, index, face)
            for face in self._followed
            for index in usable
            if (closeness := self._closeness(face.box, boxes[index])) is not None
        ]
        box_of: dict[int, int] = {}
        face_of: dict[int, _Followed] = {}
        for *_, index, face in sorted(pairs, key=lambda pair: pair[:4]):
            box_of[face.track_id] = index
            face_of[index] = face
        return {index: face for index, face in face_of.items() if box_of[face.track_id] == index}

    def _closeness(self, before: Box, now: Box) -> float | None:
        """Return how well a box continues a track, by overlap, 0 to 1; None when it cannot."""
        width = max(before.width, now.width)
        moved = math.dist(before.centre, now.centre) / width
        grown = max(before.area, now.area) / min(before.area, now.area)
        overlap = before.iou(now)
        within_reach = moved <= _REACH and grown <= _GROWTH
        return overlap if overlap >= self._iou_min or within_reach else None

    def _choose(self, current: Sequence[_Followed]) -> _Followed | None:
        """Return the visitor: the one there is, unless he is gone or another face is clearly larger."""
        kept = self._visitor if self._visitor in self._followed else None
        largest = max(current, key=lambda face: face.box.area, default=None)
        if kept is None or largest is None:
            return kept or largest
        return largest if largest.box.area > CLEARLY_LARGER * kept.box.area else kept
