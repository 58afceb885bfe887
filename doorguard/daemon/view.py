"""What the daemon shows of itself: to `status`, to the service manager, to the demo. No name, no picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from doorguard.core.model import Comparison, ModelId, ResidentId, Threshold
from doorguard.core.policy import Decision, State
from doorguard.core.threshold import FIXED
from doorguard.daemon.capture import CameraHealth, CameraState
from doorguard.daemon.events import RecorderHealth
from doorguard.daemon.roster import Roster

ALWAYS_OFF = (
    "liveness: a photograph of a resident is not told from the resident",
    "contact: nothing tells whether the door is open",
)
"""What this release does not do at all; `status` says so every time."""


@dataclass(frozen=True, slots=True)
class LastLook:
    """The visitor's face in the last frame that was encoded."""

    track_id: int
    nearest_id: ResidentId | None
    distance_sq: float
    second_distance_sq: float

    @classmethod
    def of(cls, track_id: int, comparison: Comparison) -> LastLook:
        """Take it from a comparison with the gallery."""
        return cls(track_id, comparison.nearest_id, comparison.distance_sq, comparison.second_distance_sq)


@dataclass(frozen=True, slots=True)
class GuardView:
    """The daemon at one moment.

    Parameters
    ----------
    door : the door's name.
    state : where the decision stands.
    strike_released : whether the strike is at its active level.
    decision, decisions : the last decision, and how many there were; a viewer sees a new one by the count.
    look : the last frame with an encoded face of the visitor who is there; None when nobody is.
    threshold : the tau in force, None while no face may open.
    residents, templates : what a face is compared with.
    stage_ms, frame_ms : milliseconds of the last frame with a face, per stage and altogether.
    rate_hz : frames disposed of per second, over the last second or two.
    disposals : frames disposed of so far, by how.
    camera : the camera's state.
    recorder : how the log is.
    live : what a live session does now, empty without one.
    model_id : the encoder.
    off : what does not work or is not there, in plain words.

    """

    door: str
    state: State
    strike_released: bool
    decision: Decision | None
    decisions: int
    look: LastLook | None
    threshold: Threshold | None
    residents: int
    templates: int
    stage_ms: Mapping[str, float]
    frame_ms: float
    rate_hz: float
    disposals: Mapping[str, int]
    camera: CameraState
    recorder: RecorderHealth
    live: str
    model_id: ModelId
    off: tuple[str, ...] = field(default=())

    @property
    def strike(self) -> str:
        """The strike in one word."""
        return "released" if self.strike_released else "locked"

    def as_status(self) -> dict[str, object]:
        """Return the answer to `status`: JSON values, no distance of anybody."""
        threshold = self.threshold
        return {
            "door": self.door,
            "state": self.state.value,
            "strike": self.strike,
            "contact": None,
            "camera": self.camera.value,
            "liveness": "off",
            "model": self.model_id,
            "tau": None if threshold is None else round(threshold.tau, 4),
            "tau_kind": None if threshold is None else threshold.kind,
            "residents": self.residents,
            "templates": self.templates,
            "rate_hz": round(self.rate_hz, 1),
            "queued_events": self.recorder.queued,
            "off": list(self.off),
        }

    def as_line(self) -> str:
        """Return the one line for the service manager; it does not change from frame to frame."""
        troubles = [text for text in self.off if text not in ALWAYS_OFF]
        return "; ".join([f"{self.strike}, camera {self.camera.value}", *troubles])


def what_is_off(
    camera: CameraHealth, roster: Roster | None, recorder: RecorderHealth, live: str
) -> tuple[str, ...]:
    """Return what does not work or is not there, in plain words; the texts do not change by the second."""
    texts = list(ALWAYS_OFF)
    if camera.state is not CameraState.OK:
        why = f": {camera.why}" if camera.why else ""
        texts.append(f"camera {camera.state}{why}; faces do not open the door, a release by hand does")
    if roster is None or roster.closed:
        texts.append(f"faces do not open the door: {roster.closed if roster else 'starting'}")
    elif not roster.gallery.residents:
        texts.append("nobody is enrolled")
    if roster is not None and roster.faults:
        shut_out = len({fault.resident_id for fault in roster.faults})
        texts.append(f"{shut_out} resident(s) shut out by a template that cannot be used; enrol them anew")
    if roster is not None and roster.threshold is not None and roster.threshold.kind == FIXED:
        texts.append("tau is set by hand: the target for false accepts is not in force")
    if recorder.alarm:
        texts.append(f"ALARM: events wait in memory: {recorder.alarm}")
    if live.startswith("enroll"):
        texts.append("an enrolment is under way; faces do not open the door meanwhile")
    return tuple(texts)
