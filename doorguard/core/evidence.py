"""What one frame is worth: whether it counts, and for whom it speaks (rule 1 of `core.policy`)."""

from __future__ import annotations

import math
from collections.abc import Container

from doorguard.core.decision import NOT_COMPARABLE, REPEATED, STALE, Look, PolicyRules, Reason
from doorguard.core.model import Comparison, ResidentId, Threshold

LONG_AGO_S = float("-inf")
NO_SEQUENCE = -1
"""Below the number of every frame."""


class Evidence:
    """Lets each fresh frame count once. It remembers the newest frame; reads no clock."""

    def __init__(self, rules: PolicyRules) -> None:
        self._age_max_s = rules.frame_age_max_s
        self._sequence = NO_SEQUENCE
        self._captured_s = LONG_AGO_S

    def take(self, look: Look, now_s: float) -> tuple[Comparison | None, tuple[str, ...]]:
        """Return the look's comparison if it counts; if not, None and the words for what it lacks."""
        if not 0 <= now_s - look.captured_s <= self._age_max_s:
            return None, (STALE,)
        if not (look.sequence > self._sequence and look.captured_s > self._captured_s):
            return None, (REPEATED,)
        self._sequence, self._captured_s = look.sequence, look.captured_s
        if look.faults:
            return None, look.faults
        if look.comparison is None or not is_number(look.comparison):
            return None, (NOT_COMPARABLE,)
        return look.comparison, ()

    def renumber(self) -> None:
        """Let frames be numbered anew, as a camera that was opened again does; times still only rise."""
        self._sequence = NO_SEQUENCE


def is_number(comparison: Comparison) -> bool:
    """Whether both distances can be ordered; infinity (nobody to compare with) can."""
    return not (math.isnan(comparison.distance_sq) or math.isnan(comparison.second_distance_sq))


def judge(
    comparison: Comparison, threshold: Threshold, *, margin: float, cooling: Container[ResidentId]
) -> Reason:
    """Return whether one frame speaks for its nearest resident (`match`), or why it does not.

    `D <= tau` with the boundary included, and the second resident at least `margin` farther away. Every
    test is put so that a value that is not a number fails it.
    """
    if comparison.nearest_id is None or not 0 <= comparison.distance_sq <= threshold.tau:
        return Reason.NO_MATCH
    if not comparison.second_distance_sq - comparison.distance_sq >= margin:
        return Reason.AMBIGUOUS
    if comparison.nearest_id in cooling:
        return Reason.COOLING_DOWN
    return Reason.MATCH
