"""One visit and its attempts: at most n frames in one window, of which k must match one resident.

Rule 2 of `core.policy`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from doorguard.core.decision import FrameVerdict, Look, PolicyRules, Reason
from doorguard.core.evidence import LONG_AGO_S
from doorguard.core.model import Comparison, ResidentId


@dataclass(slots=True)
class Visit:
    """One track. It outlives an absence, so that stepping aside does not refill the attempts.

    Parameters
    ----------
    track_id : the visitor.
    seen_s : when he was last looked at.
    present : whether he is there and the one whom the door looks at.
    attempts : how many he has used up.
    granted_id : as whom he was let in last.

    """

    track_id: int
    seen_s: float = LONG_AGO_S
    present: bool = False
    attempts: int = 0
    granted_id: ResidentId | None = None


@dataclass(slots=True)
class Attempt:
    """The window of one attempt, its visit's `number`-th; `started_s` is its first frame's exposure."""

    rules: PolicyRules
    visit: Visit
    number: int
    started_s: float
    frames: list[FrameVerdict] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, look: Look, comparison: Comparison, why: Reason) -> None:
        """Count one frame."""
        self.frames.append(
            FrameVerdict(
                sequence=look.sequence,
                captured_s=look.captured_s,
                nearest_id=comparison.nearest_id,
                distance_sq=comparison.distance_sq,
                second_id=comparison.second_id,
                second_distance_sq=comparison.second_distance_sq,
                why=why,
                quality=look.quality,
                stage_ms=look.stage_ms,
            )
        )

    def over(self, at_s: float) -> bool:
        """Whether a frame exposed at `at_s` comes too late to count; at `window_s` itself it still counts."""
        return not at_s - self.started_s <= self.rules.window_s

    @property
    def matches(self) -> Counter[ResidentId]:
        """How many frames speak for whom."""
        return Counter(frame.speaks_for for frame in self.frames if frame.speaks_for is not None)

    @property
    def winner(self) -> ResidentId | None:
        """The resident for whom k frames speak, if there is one."""
        return next((who for who, count in self.matches.items() if count >= self.rules.agree), None)

    @property
    def hopeless(self) -> bool:
        """Whether no resident can reach k any more, even if every frame left spoke for him."""
        left = self.rules.frames - len(self.frames)
        return max(self.matches.values(), default=0) + left < self.rules.agree

    @property
    def shortfall(self) -> Reason:
        """Why there is no winner: too few frames, frames that disagree, or what most of them lacked."""
        if not self.hopeless:
            return Reason.TOO_FEW_FRAMES
        if len(self.matches) > 1:
            return Reason.DISAGREEMENT
        return Counter(frame.why for frame in self.frames if not frame.matched).most_common(1)[0][0]
