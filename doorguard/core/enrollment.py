"""The rules of enrolment: names, encodings, look-alikes, and the poses of a live enrolment."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from doorguard.core.gallery import Gallery, distance_sq, encoding_fault
from doorguard.core.model import Encoding, Quality, ResidentId
from doorguard.errors import UsageError

NAME_MAX: Final = 60
_JOINERS: Final = frozenset("\u200c\u200d")  # Persian and Indic names are spelt with them
_RESIDENT_ID: Final = re.compile(r"[0-9a-f]{16}")

STRAIGHT_DEG: Final = 12.0
"""How far the first pose of a live enrolment may be from frontal, yaw and pitch each."""
POSE_STEP_DEG: Final = 5.0
"""How far apart in yaw and pitch two poses must be to tell the gallery anything new."""
STRANGER_FRAMES: Final = 3
"""After so many frames in a row of somebody else a live enrolment begins anew."""


def check_name(name: str) -> str:
    """Return a resident's name as it is stored: NFC, trimmed, single spaces, 1 to 60 characters.

    Raises
    ------
    UsageError : empty, too long, without a letter or digit, with a control or direction character, or
        one that could be taken for a resident's id.

    Examples
    --------
    >>> check_name("  Ada   Lovelace ")
    'Ada Lovelace'

    """
    trimmed = unicodedata.normalize("NFC", name.strip())
    for character in trimmed:
        # Cc control, Cf format (direction marks among them), Cs lone surrogates, Co and Cn no characters
        category = unicodedata.category(character)
        if (category.startswith("C") and character not in _JOINERS) or category in {"Zl", "Zp"}:
            raise UsageError(f"the name holds the invisible character U+{ord(character):04X}; leave it out")
    cleaned = " ".join(trimmed.split())
    if not any(unicodedata.category(character)[0] in "LN" for character in cleaned):
        raise UsageError(f"the name {cleaned!r} holds no letter and no digit; give the resident's name")
    if len(cleaned) > NAME_MAX:
        raise UsageError(f"the name has {len(cleaned)} characters; {NAME_MAX} are the most")
    if _RESIDENT_ID.fullmatch(cleaned):
        raise UsageError(f"the name {cleaned!r} looks like a resident's id; give another")
    return cleaned


def validate_encoding(values: ArrayLike, dim: int) -> Encoding:
    """Return an encoding that came from outside as a read-only copy.

    Parameters
    ----------
    values
        anything that converts to `dim` finite numbers of unit length within 1e-3.
    dim
        how many numbers the model in force gives.

    Raises
    ------
    UsageError : it is no encoding; the message says why.

    """
    try:
        encoding: Encoding = np.array(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError("the encoding is not made of numbers; enrol with this release's command") from error
    if fault := encoding_fault(encoding, dim):
        raise UsageError(f"the encoding is refused: {fault}; enrol with the model in force")
    encoding.setflags(write=False)
    return encoding


def find_lookalike(
    gallery: Gallery,
    encodings: Sequence[Encoding],
    *,
    limit_distance_sq: float,
    ignore: ResidentId | None,
) -> tuple[ResidentId, float] | None:
    """Return the enrolled resident nearest to any of the new encodings, and D, if `D <= limit_distance_sq`.

    `ignore` is the resident who is being given another template; nobody resembles himself too much.
    """
    nearest = min(
        (
            (distance_sq, resident_id)
            for encoding in encodings
            for resident_id, distance_sq in gallery.distances(encoding).items()
            if resident_id != ignore
        ),
        default=None,
    )
    if nearest is None or not nearest[0] <= limit_distance_sq:
        return None
    return nearest[1], nearest[0]


def find_odd_pair(
    encodings: Sequence[Encoding], *, limit_distance_sq: float
) -> tuple[int, int, float] | None:
    """Return the two encodings farthest apart and D, if `D > limit_distance_sq`; None for one encoding.

    Photographs given for one person that lie farther apart than nearly all pairs of one person do show two
    people, and the second would get in under the first one's name.
    """
    farthest = max(
        (
            (distance_sq(left, right), first, second)
            for (first, left), (second, right) in combinations(enumerate(encodings), 2)
        ),
        default=None,
    )
    if farthest is None or farthest[0] <= limit_distance_sq:
        return None
    return farthest[1], farthest[2], farthest[0]


class LivePoses:
    """Chooses the templates of a live enrolment: one person, first straight, then turned a little each way.

    Feed it every look of the session with `offer`, show `hint` after each, and take `encodings` once
    `done`. When somebody else steps in, it begins anew with him; that it did, `restarts` says.
    """

    def __init__(self, wanted: int, tau: float) -> None:
        """Ask for `wanted` templates (at least 1) of one person, same being `D <= tau` to the first."""
        self.restarts = 0
        self._wanted = wanted
        self._tau = tau
        self._strangers = 0
        self._encodings: list[Encoding] = []
        self._poses: list[tuple[float, float]] = []

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        """The templates chosen so far, the straight one first."""
        return tuple(self._encodings)

    @property
    def done(self) -> bool:
        """Whether all that were wanted are there."""
        return len(self._encodings) >= self._wanted

    def offer(self, encoding: Encoding, quality: Quality) -> bool:
        """Look at one encoding that passed the quality gate; return whether it became a template."""
        if self.done:
            return False
        if not self._same_person(encoding):
            self._strangers += 1
            if self._strangers < STRANGER_FRAMES:
                return False
            self._begin_anew()
        self._strangers = 0
        pose = (quality.yaw_deg, quality.pitch_deg)
        if not self._tells_something_new(pose):
            return False
        self._encodings.append(encoding)
        self._poses.append(pose)
        return True

    @property
    def hint(self) -> str:
        """What the person should do next, in words for him."""
        if self.done:
            return "done, thank you"
        if not self._poses:
            return "look straight into the camera"
        yaw, pitch = zip(
            *((y - self._poses[0][0], p - self._poses[0][1]) for y, p in self._poses), strict=True
        )
        for reached, words in (
            (max(yaw) >= POSE_STEP_DEG or min(yaw) <= -POSE_STEP_DEG, "turn your head a little to one side"),
            (max(yaw) >= POSE_STEP_DEG and min(yaw) <= -POSE_STEP_DEG, "now a little to the other side"),
            (max(pitch) >= POSE_STEP_DEG, "lift your chin a little"),
            (min(pitch) <= -POSE_STEP_DEG, "lower your chin a little"),
        ):
            if not reached:
                return words
        return "move your head slowly in a small circle"

    def _same_person(self, encoding: Encoding) -> bool:
        if not self._encodings:
            return True
        return distance_sq(encoding, self._encodings[0]) <= self._tau

    def _tells_something_new(self, pose: tuple[float, float]) -> bool:
        if not self._poses:
            return max(abs(pose[0]), abs(pose[1])) <= STRAIGHT_DEG
        return all(math.dist(pose, taken) >= POSE_STEP_DEG for taken in self._poses)

    def _begin_anew(self) -> None:
        self.restarts += 1
        self._encodings.clear()
        self._poses.clear()
