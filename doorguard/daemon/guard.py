"""The guard: what happens to one frame, from its arrival to the strike.

fresh? → other than the one before? → motion? → detect → which face is the visitor? → observe → compare →
decide → release → record. Nothing here waits: not for the camera, not for the disk. Whatever goes wrong in
a frame ends that frame and grants nothing.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from doorguard.config import Settings
from doorguard.core.model import Box, Comparison, EventKind, Frame, Image, Observation, ResidentId
from doorguard.core.policy import Look, Policy, Reason
from doorguard.core.threshold import ThresholdTable
from doorguard.daemon.attempts import Models
from doorguard.daemon.capture import CameraHealth, CameraState
from doorguard.daemon.doorkeeper import Doorkeeper, DoorParts
from doorguard.daemon.events import Recorder
from doorguard.daemon.faults import where
from doorguard.daemon.live import LiveSessions, Sight
from doorguard.daemon.lookout import Disposal, Lookout, Visitor
from doorguard.daemon.roster import Roster, TemplateShelf, load_roster, match_rules, policy_rules
from doorguard.daemon.view import GuardView, LastLook, what_is_off
from doorguard.ports import Clock, Strike, Vision

LOG = logging.getLogger(__name__)

RATE_FRAMES = 30
"""The frame rate shown is that of so many frames: two seconds at 15 a second."""

RATE_WINDOW_S = 3.0
"""Frames older than this say nothing about the rate now."""

FROZEN = "camera frozen: it shows one and the same picture; faces do not open the door"

STARTING = CameraHealth(CameraState.STARTING, "", fatal=False, attempts=0, losses=0, frames=0)


@dataclass(frozen=True, slots=True)
class GuardParts:
    """What the guard works with.

    Parameters
    ----------
    settings : all settings in force.
    vision : finds and encodes faces; only the loop's thread uses it.
    shelf : the store's templates.
    strike : the lock.
    recorder : takes the events.
    clock : stamps everything.
    table, models : the encoder's tau table, and the ids that go into events.
    live : enrolment and checks at the door.
    meter : told which face to expose for, None for the scene.

    """

    settings: Settings
    vision: Vision
    shelf: TemplateShelf
    strike: Strike
    recorder: Recorder
    clock: Clock
    table: ThresholdTable
    models: Models
    live: LiveSessions
    meter: Callable[[Box | None, Image], None]


class Guard:
    """Decides about frames, one at a time, on one thread. Until the first `reload` nobody is let in."""

    def __init__(self, parts: GuardParts) -> None:
        settings = parts.settings
        self._parts = parts
        self._policy = Policy(policy_rules(settings))
        self._lookout = Lookout(parts.vision, settings.motion, policy_rules(settings))
        door = DoorParts(parts.strike, parts.recorder, parts.clock, parts.models, settings.strike.release_s)
        self._door = Doorkeeper(door, self._policy)
        self._roster: Roster | None = None
        self._reported: set[tuple[ResidentId, int]] = set()
        self._camera = STARTING
        self._look: LastLook | None = None
        self._watched: Image | None = None
        self._stage_ms: dict[str, float] = {}
        self._frame_ms = 0.0
        self._disposals: Counter[Disposal] = Counter()
        self._times: deque[float] = deque(maxlen=RATE_FRAMES)

    @property
    def door(self) -> Doorkeeper:
        """Holds the strike; a release by hand goes there."""
        return self._door

    def handle(self, frame: Frame) -> Disposal:
        """Dispose of a frame; never raises."""
        began_s, began = self._parts.clock.monotonic(), perf_counter()
        self._times.append(began_s)
        try:
            found = self._lookout.find(frame, began_s)
            if isinstance(found, Visitor):
                self._look_at(frame, found)
                self._frame_ms = (perf_counter() - began) * 1e3
                disposal = Disposal.DECIDED
            else:
                disposal = found
        except Exception as error:  # noqa: BLE001  an exception anywhere in a frame means no grant
            LOG.error("frame %d: %s; nothing granted", frame.sequence, where(error))
            disposal = Disposal.FAILED
        self._disposals[disposal] += 1
        return disposal

    def tick(self) -> None:
        """Let time pass: end an attempt that is over, a visit whose visitor left, a session nobody wants."""
        now_s = self._parts.clock.monotonic()
        self._parts.live.expire(now_s)
        self._door.carry_out(self._policy.step(None, now_s, strike_released=self._door.released))
        self._door.watch_strike()
        if self._watched is not None and not self._lookout.occupied(now_s):
            self._meter(None, self._watched)
            self._watched, self._look = None, None

    def _meter(self, face: Box | None, image: Image) -> None:
        if self._parts.settings.camera.meter_on_face:
            self._parts.meter(face, image)

    def _look_at(self, frame: Frame, visitor: Visitor) -> None:
        parts, track_id = self._parts, visitor.track_id
        observation = parts.vision.observe(frame.image, visitor.detection)
        self._watched = frame.image
        self._meter(visitor.detection.box, frame.image)
        began = perf_counter()
        comparison = self._compare(observation)
        self._stage_ms = {**observation.stage_ms, "compare": (perf_counter() - began) * 1e3}
        if comparison is not None:
            self._look = LastLook.of(track_id, comparison)
        now_s = parts.clock.monotonic()
        enrolling = parts.live.enrolling
        if parts.live.watch(Sight(track_id, observation), now_s):
            self.reload()
        if enrolling:
            # The door decides about nobody while somebody is enrolled in front of it.
            return
        look = Look(
            track_id,
            frame.sequence,
            frame.captured_s,
            comparison,
            observation.quality,
            observation.faults,
            self._stage_ms,
        )
        self._door.carry_out(self._policy.step(look, now_s, strike_released=self._door.released))

    def _compare(self, observation: Observation) -> Comparison | None:
        if observation.encoding is None or observation.faults or self._roster is None:
            return None
        return self._roster.gallery.compare(observation.encoding)

    def reload(self) -> Roster:
        """Read the residents again; in force from the next frame.

        A resident who is no longer there loses the visit in progress, and the release of a moment ago.
        """
        parts = self._parts
        before = () if self._roster is None else self._roster.gallery.residents
        roster = load_roster(parts.shelf, parts.vision.space, parts.table, match_rules(parts.settings))
        self._roster = roster
        self._policy.set_threshold(roster.threshold, len(roster.gallery.residents))
        parts.live.use(roster.gallery, roster.threshold)
        for resident_id in sorted(set(before) - set(roster.gallery.residents)):
            self._door.forget(resident_id)
        self._report(roster)
        return roster

    def _report(self, roster: Roster) -> None:
        """Tell, once for each, which templates shut out their residents."""
        if roster.closed:
            LOG.error("no face opens: %s", roster.closed)
        for fault in roster.faults:
            key = (fault.resident_id, fault.template_id)
            if key not in self._reported:
                self._reported.add(key)
                LOG.error("template %d shuts out %s: %s", fault.template_id, fault.resident_id, fault.reason)
                detail = {"template": fault.template_id, "reason": fault.reason}
                self._parts.recorder.record(EventKind.TEMPLATE_REFUSED, detail, fault.resident_id)

    def watch_camera(self, health: CameraHealth) -> None:
        """Take note of how the camera is; its loss ends the visit, and after it frames count anew."""
        before, self._camera = self._camera, health
        record = self._parts.recorder.record
        was_lost, is_lost = (state is CameraState.LOST for state in (before.state, health.state))
        if is_lost and not was_lost:
            LOG.error("camera lost: %s; the door stays locked for faces", health.why)
            record(EventKind.CAMERA_LOST, {"why": health.why})
        elif was_lost and health.state is CameraState.OK:
            LOG.warning("the camera is back")
            record(EventKind.CAMERA_BACK, {"losses": health.losses})
        if (is_lost and not was_lost) or health.losses != before.losses:
            self.end_visit(Reason.CAMERA_LOST)

    def end_visit(self, reason: Reason) -> None:
        """End the visit in progress from outside; the next frame may be numbered anew."""
        self._lookout.start_anew()
        self._look, self._watched = None, None
        self._door.carry_out(self._policy.abort(reason, self._parts.clock.monotonic()))

    def view(self) -> GuardView:
        """Return the daemon at this moment."""
        parts, roster, policy = self._parts, self._roster, self._policy
        recorder = parts.recorder.health
        return GuardView(
            door=parts.settings.door.name,
            state=policy.state,
            strike_released=self._door.released,
            decision=policy.last_decision,
            decisions=self._door.decisions,
            look=self._look,
            threshold=None if roster is None else roster.threshold,
            residents=0 if roster is None else len(roster.gallery.residents),
            templates=0 if roster is None else roster.gallery.templates,
            stage_ms=self._stage_ms,
            frame_ms=self._frame_ms,
            rate_hz=self._rate_hz(),
            disposals={disposal.value: count for disposal, count in self._disposals.items()},
            camera=self._camera.state,
            recorder=recorder,
            live=parts.live.words,
            model_id=parts.models.model_id,
            off=(
                *self._stuck(),
                *what_is_off(self._camera, roster, recorder, parts.live.words),
                *self._frozen(),
            ),
        )

    def _stuck(self) -> tuple[str, ...]:
        why = self._door.fault
        return () if why is None else (f"ALARM: the strike does not switch off: {why}; check its wiring",)

    def _frozen(self) -> tuple[str, ...]:
        """Say so when the camera delivers one picture again and again; nothing of it counts."""
        after_s, now_s = self._parts.settings.camera.lost_after_s, self._parts.clock.monotonic()
        is_frozen = self._camera.state is CameraState.OK and self._lookout.frozen(now_s, after_s)
        return (FROZEN,) if is_frozen else ()

    def _rate_hz(self) -> float:
        now_s = self._parts.clock.monotonic()
        recent = [at_s for at_s in self._times if now_s - at_s <= RATE_WINDOW_S]
        passed_s = recent[-1] - recent[0] if recent else 0.0
        return (len(recent) - 1) / passed_s if passed_s > 0 else 0.0
