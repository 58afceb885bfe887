"""Sessions at the door: a live enrolment, or a check that prints D to everybody for one visit.

One session at a time. The client starts it, asks every second or so how far it is, and may cancel it; a
session whose client has gone ends by itself. What a session saw lives in memory only, until the enrolment
is stored by the same verb as one from photographs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeAlias

from doorguard.control.protocol import Peer
from doorguard.control.verbs import LiveStartArgs
from doorguard.core.enrollment import LivePoses
from doorguard.core.gallery import Gallery
from doorguard.core.model import Encoding, Observation, QualityFault, ResidentId, Threshold
from doorguard.errors import DoorguardError, UsageError
from doorguard.vision.crops import pack_crop

SESSION_S = 90.0
"""A session ends after this many seconds whatever happened: the door must not wait for ever."""

UNASKED_S = 10.0
"""A session nobody has asked about for so long has lost its client."""

CHECK_FRAMES = 15
"""A check ends after so many encoded frames: at 15 a second, one second of one visit."""

LOOKING, DONE, FAILED, CANCELLED = "looking", "done", "failed", "cancelled"

FAULT_HINTS: Mapping[QualityFault, str] = {
    QualityFault.NO_MESH: "look into the camera",
    QualityFault.TOO_SMALL: "come closer",
    QualityFault.BLURRED: "hold still",
    QualityFault.TOO_DARK: "more light on the face",
    QualityFault.TOO_BRIGHT: "less light on the face",
    QualityFault.TURNED: "turn your face to the camera",
    QualityFault.TILTED: "look straight ahead, not up or down",
    QualityFault.ROLLED: "hold your head upright",
    QualityFault.OUT_OF_FRAME: "move to the middle of the picture",
}

Face: TypeAlias = tuple[Encoding, bytes | None]
"""A template to be, and the packed picture behind it where pictures are kept."""

Enroll = Callable[[LiveStartArgs, Sequence[Face], Peer], Mapping[str, object]]
"""Stores what a live enrolment took and returns what the verb `enroll` answers."""

CheckName = Callable[[LiveStartArgs], None]
"""Refuses a name that cannot be used before anybody poses; raises `DoorguardError`."""


@dataclass(frozen=True, slots=True)
class LiveRules:
    """How many templates a live enrolment takes, the tau within which it is one person, and what is kept."""

    templates: int
    tau: float
    keep_crops: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """The visitor in one frame."""

    track_id: int
    observation: Observation


@dataclass(slots=True)
class _Session:
    """One session; `phase` is `looking` until it is over."""

    session_id: str
    args: LiveStartArgs
    peer: Peer
    started_s: float
    asked_s: float
    poses: LivePoses
    phase: str = LOOKING
    hint: str = "step in front of the camera"
    track_id: int | None = None
    seen_s: float = 0.0
    distances: dict[ResidentId, list[float]] = field(default_factory=dict)
    frames: int = 0
    crops: list[bytes | None] = field(default_factory=list)
    result: Mapping[str, object] | None = None
    error: DoorguardError | None = None


class LiveSessions:
    """Called on the loop's thread only.

    Parameters
    ----------
    rules : of an enrolment.
    enroll, check_name : the store's side of it.
    track_gap_s : a visit is over when the visitor was out of sight for so long.

    """

    def __init__(
        self, rules: LiveRules, enroll: Enroll, check_name: CheckName, *, track_gap_s: float
    ) -> None:
        self._rules, self._enroll, self._check_name = rules, enroll, check_name
        self._track_gap_s = track_gap_s
        self._session: _Session | None = None
        self._gallery: Gallery | None = None
        self._threshold: Threshold | None = None

    @property
    def enrolling(self) -> bool:
        """Whether somebody is being enrolled; the door then decides about nobody."""
        session = self._session
        return session is not None and session.phase == LOOKING and session.args.kind == "enroll"

    @property
    def words(self) -> str:
        """What the session does now; empty without one."""
        session = self._session
        return "" if session is None or session.phase != LOOKING else f"{session.args.kind}: {session.hint}"

    def use(self, gallery: Gallery, threshold: Threshold | None) -> None:
        """Compare with this gallery from now on."""
        self._gallery, self._threshold = gallery, threshold

    def start(self, args: LiveStartArgs, peer: Peer, now_s: float) -> dict[str, object]:
        """Begin a session.

        Raises
        ------
        UsageError : another session is under way.
        DoorguardError : the name cannot be used.

        """
        self.expire(now_s)
        if self._session is not None and self._session.phase == LOOKING:
            raise UsageError("another enrolment or check is under way at this door; try again in a minute")
        self._check_name(args)
        poses = LivePoses(self._rules.templates, self._rules.tau)
        self._session = _Session(secrets.token_hex(8), args, peer, now_s, now_s, poses)
        return self._tell(self._session)

    def poll(self, session_id: str, now_s: float) -> dict[str, object]:
        """Say how far the session is; raises `UsageError` for one that is not the current one."""
        session = self._find(session_id)
        session.asked_s = now_s
        return self._tell(session)

    def cancel(self, session_id: str) -> dict[str, object]:
        """End the session without a trace."""
        session = self._find(session_id)
        if session.phase == LOOKING:
            self._end(session, CANCELLED, "cancelled")
        return self._tell(session)

    def expire(self, now_s: float) -> None:
        """End a session that took too long or lost its client, and a check whose visitor left."""
        session = self._session
        if session is None or session.phase != LOOKING:
            return
        if now_s - session.started_s > SESSION_S:
            self._fail(session, UsageError(f"nothing came of it within {SESSION_S:g} s; try again"))
        elif now_s - session.asked_s > UNASKED_S:
            self._end(session, CANCELLED, "nobody asked any more")
        elif session.track_id is not None and now_s - session.seen_s > self._track_gap_s:
            self._visit_over(session)

    def watch(self, sight: Sight, now_s: float) -> bool:
        """Take the visitor's face of one frame into account; return whether residents may have changed."""
        session, observation = self._session, sight.observation
        if session is None or session.phase != LOOKING:
            return False
        if session.track_id is not None and session.track_id != sight.track_id:
            self._visit_over(session)
            if session.phase != LOOKING:
                return False
        session.track_id, session.seen_s = sight.track_id, now_s
        if observation.encoding is None or observation.quality is None:
            session.hint = FAULT_HINTS[observation.faults[0]] if observation.faults else session.hint
        elif session.args.kind == "enroll":
            self._offer(session, observation.encoding, observation)
            session.hint = session.poses.hint
            if session.poses.done:
                self._store(session)
                return True
        else:
            self._measure(session, observation.encoding)
        return False

    def _offer(self, session: _Session, encoding: Encoding, observation: Observation) -> None:
        """Let the poses choose, and keep the pictures of those chosen, where pictures are kept."""
        assert observation.quality is not None
        restarts = session.poses.restarts
        was_taken = session.poses.offer(encoding, observation.quality)
        if session.poses.restarts != restarts:
            session.crops.clear()
        if was_taken:
            crop = observation.crop if self._rules.keep_crops else None
            session.crops.append(None if crop is None else pack_crop(crop))

    def _measure(self, session: _Session, encoding: Encoding) -> None:
        session.frames += 1
        session.hint = "hold still"
        distances = {} if self._gallery is None else self._gallery.distances(encoding)
        for resident_id, distance_sq in distances.items():
            session.distances.setdefault(resident_id, []).append(distance_sq)
        if session.frames >= CHECK_FRAMES:
            self._visit_over(session)

    def _visit_over(self, session: _Session) -> None:
        """The visitor left or was replaced: a check is done with what it saw, an enrolment goes on."""
        session.track_id = None
        if session.args.kind == "check" and session.frames:
            seen = sorted(session.distances.items(), key=lambda item: median(item[1]))
            session.result = {
                "frames": session.frames,
                "tau": None if self._threshold is None else self._threshold.tau,
                "distances": [
                    {
                        "resident": resident_id,
                        "distance_sq_min": round(min(values), 6),
                        "distance_sq_median": round(median(values), 6),
                    }
                    for resident_id, values in seen
                ],
            }
            self._end(session, DONE, "done, thank you")

    def _store(self, session: _Session) -> None:
        try:
            faces = list(zip(session.poses.encodings, session.crops, strict=True))
            session.result = self._enroll(session.args, faces, session.peer)
        except DoorguardError as error:
            self._fail(session, error)
        else:
            self._end(session, DONE, "done, thank you")

    def _fail(self, session: _Session, error: DoorguardError) -> None:
        session.error = error
        self._end(session, FAILED, str(error))

    def _end(self, session: _Session, phase: str, hint: str) -> None:
        """Drop everything seen; only the result stays until the next session."""
        session.phase, session.hint = phase, hint
        session.distances = {}
        session.crops = []

    def _find(self, session_id: str) -> _Session:
        if self._session is None or self._session.session_id != session_id:
            raise UsageError("there is no such session any more; start another")
        return self._session

    def _tell(self, session: _Session) -> dict[str, object]:
        error = session.error
        return {
            "session": session.session_id,
            "kind": session.args.kind,
            "phase": session.phase,
            "hint": session.hint,
            "taken": len(session.poses.encodings),
            "wanted": self._rules.templates,
            "restarts": session.poses.restarts,
            "result": session.result,
            "error": None if error is None else {"type": type(error).__name__, "message": str(error)},
        }
