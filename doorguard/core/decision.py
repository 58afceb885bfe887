"""The values a decision is made of: what goes into the policy and what comes out. No rule stands here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from doorguard.core.model import Comparison, Grant, Quality, QualityFault, ResidentId, Threshold
from doorguard.errors import ConfigError


class State(StrEnum):
    """Where the door stands; shown to people, decided on by nobody."""

    IDLE = "idle"
    """Nobody is there."""
    LOOKING = "looking"
    """A visitor is there, and none of his frames was good enough yet."""
    DECIDING = "deciding"
    """An attempt is in progress."""
    GRANTED = "granted"
    """A face was let in and the strike has not relocked."""
    DENIED = "denied"
    """An attempt was denied and the next one may not begin yet."""
    PAUSED = "paused"
    """The visitor was let in a moment ago, or has used up his attempts."""


class Outcome(StrEnum):
    """How an attempt ended."""

    GRANTED = "granted"
    DENIED = "denied"


class Reason(StrEnum):
    """Why an attempt ended as it did, and why one frame does or does not speak for a resident."""

    MATCH = "match"
    NO_MATCH = "no_match"
    """No resident within tau."""
    AMBIGUOUS = "ambiguous"
    """Within tau of one resident, and another is nearly as close."""
    COOLING_DOWN = "cooling_down"
    """The resident was let in a moment ago."""
    DISAGREEMENT = "disagreement"
    """The frames matched different residents."""
    TOO_FEW_FRAMES = "too_few_frames"
    """The time was over before enough frames were good enough."""
    TRACK_BROKEN = "track_broken"
    """The visitor left, or somebody else took his place."""
    NO_TEMPLATES = "no_templates"
    """Nobody is enrolled."""
    NO_THRESHOLD = "no_threshold"
    """No tau is in force."""
    RESIDENT_REMOVED = "resident_removed"
    """The resident whom the frames matched was removed or disabled meanwhile."""
    STRIKE_FAILED = "strike_failed"
    """The face was granted and the strike did not obey."""
    CAMERA_LOST = "camera_lost"
    STOPPING = "stopping"


STALE = "stale"
"""Why a frame did not count: too old, or from the future."""
REPEATED = "repeated"
"""Why a frame did not count: not newer than the one before."""
NOT_COMPARABLE = "not_comparable"
"""Why a frame did not count: no comparison, or a distance that is not a number."""


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """The decision's settings; what each one does is told in `core.policy`.

    Parameters
    ----------
    frames, agree : n and k of an attempt, 1 <= k <= n.
    window_s : seconds from an attempt's first frame to the last one that may count.
    attempts_per_visit : attempts on one track, at least 1.
    attempt_gap_s : seconds from a denied attempt to the first frame of the next, whoever makes it.
    regrant_s : seconds after a grant in which the same resident is not granted again.
    frame_age_max_s : the oldest frame that counts, from exposure to decision.
    track_gap_s : how long a visitor may be out of sight and still be the same visit.
    margin : squared distance by which the second resident must lie farther than the nearest.

    Raises
    ------
    ConfigError : a rule that would let an attempt be granted on no evidence, or on no number.

    """

    frames: int
    agree: int
    window_s: float
    attempts_per_visit: int
    attempt_gap_s: float
    regrant_s: float
    frame_age_max_s: float
    track_gap_s: float
    margin: float

    def __post_init__(self) -> None:
        if not 1 <= self.agree <= self.frames or self.attempts_per_visit < 1:
            raise ConfigError(
                f"decision: {self.agree} of {self.frames} frames in {self.attempts_per_visit} attempts is no"
                " rule; give 1 <= agree <= frames and at least one attempt"
            )
        for name in (
            "window_s",
            "attempt_gap_s",
            "regrant_s",
            "frame_age_max_s",
            "track_gap_s",
            "margin",
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"decision: {name} is {value}; give a finite number, 0 or more")


@dataclass(frozen=True, slots=True)
class Look:
    """The visitor's face in one frame.

    Parameters
    ----------
    track_id : which visitor, from `core.tracking`.
    sequence, captured_s : the frame's, see `core.model.Frame`.
    comparison : the face against the gallery; None when it was not worth encoding.
    quality, faults : what the quality gate measured and found.
    stage_ms : milliseconds per stage of the pipeline, for the event.

    """

    track_id: int
    sequence: int
    captured_s: float
    comparison: Comparison | None
    quality: Quality | None
    faults: tuple[QualityFault, ...]
    stage_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FrameVerdict:
    """One frame that counted; `why` says whether it speaks for its nearest resident (`match`) or why not."""

    sequence: int
    captured_s: float
    nearest_id: ResidentId | None
    distance_sq: float
    second_id: ResidentId | None
    second_distance_sq: float
    why: Reason
    quality: Quality | None
    stage_ms: Mapping[str, float]

    @property
    def matched(self) -> bool:
        """Whether it speaks for its nearest resident."""
        return self.why is Reason.MATCH

    @property
    def speaks_for(self) -> ResidentId | None:
        """The resident it speaks for; None when it speaks for nobody."""
        return self.nearest_id if self.matched else None


@dataclass(frozen=True, slots=True)
class Decision:
    """How one attempt ended; each is one event.

    Parameters
    ----------
    outcome, reason : granted or denied, and why.
    resident_id : whom the face matched; None when it was denied (but for `strike_failed`).
    grant : the permission to release; None exactly when denied.
    threshold : the tau in force when it ended.
    frames : the frames that counted, in order.
    skipped : how many frames did not count, by reason (`stale`, `repeated`, `not_comparable`, or the
        word of a `QualityFault`; one frame may have several).
    track_id : the visitor.
    started_s, ended_s : exposure of the first frame that counted, and the moment of the decision.
    attempt : 1 for the visit's first attempt.

    """

    outcome: Outcome
    reason: Reason
    resident_id: ResidentId | None
    grant: Grant | None
    threshold: Threshold | None
    frames: tuple[FrameVerdict, ...]
    skipped: Mapping[str, int]
    track_id: int
    started_s: float
    ended_s: float
    attempt: int

    @property
    def best(self) -> FrameVerdict:
        """The frame that came nearest to a resident; an attempt has at least one frame."""
        return min(self.frames, key=lambda frame: frame.distance_sq)
