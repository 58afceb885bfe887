"""A whole daemon on fakes and a manual clock: what the daemon's tests are built from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np

from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.line import SimulatedLine
from doorguard.adapters.simulated.memory import MemoryStore
from doorguard.adapters.simulated.source import noise
from doorguard.adapters.simulated.vision import SimulatedFace, SimulatedVision, person
from doorguard.config import Settings
from doorguard.control.desk import Desk, DeskRules
from doorguard.control.protocol import Channel, Peer, Request
from doorguard.control.verbs import check_request
from doorguard.core.model import Box, Event, EventKind, Frame, Image, ResidentId
from doorguard.core.threshold import TableEntry, ThresholdTable, door_threshold
from doorguard.daemon.attempts import Models
from doorguard.daemon.commands import Commands, LiveEnrollment
from doorguard.daemon.events import EventStamp, Recorder
from doorguard.daemon.guard import Guard, GuardParts
from doorguard.daemon.live import LiveRules, LiveSessions
from doorguard.daemon.lookout import Disposal
from doorguard.daemon.roster import match_rules
from doorguard.strike.controller import StrikeController

PERIOD_S = 1 / 15
PEER = Peer(1000, 77)
TABLE = ThresholdTable(
    [
        TableEntry(1e-2, 1.2, "measured", 0.01, 10**6, 10**4),
        TableEntry(1e-4, 1.0, "measured", 0.02, 10**6, 10**4),
        TableEntry(1e-6, 0.8, "extrapolated", 0.05, 10**6, 10**4),
    ]
)


@dataclass
class House:
    """The daemon's inside, fed by hand; `metered` holds every face the camera was told to expose for."""

    settings: Settings = field(default_factory=Settings)
    metered: list[Box | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = self.settings
        self.clock = ManualClock()
        self.vision = SimulatedVision()
        self.store = MemoryStore(self.clock)
        self.line = SimulatedLine(self.clock)
        self.strike = StrikeController(self.line, self.clock, watch=False)
        self.recorder = Recorder(
            self.store, EventStamp(self.clock, "front", "boot"), settings.events.queue_max
        )
        model_id = self.vision.model_id
        rules = DeskRules(
            1.2, 1.2, partial(door_threshold, TABLE, match_rules(settings)), settings.enrollment.keep_crop
        )
        self.desk = Desk(self.store, self.recorder.record, space=self.vision.space, rules=rules)
        enrollment = LiveEnrollment(self.desk, self.store)
        live = LiveRules(settings.enrollment.live_templates, 1.0, settings.enrollment.keep_crop)
        self.live = LiveSessions(live, enrollment.enroll, enrollment.check, track_gap_s=0.5)
        self.guard = Guard(
            GuardParts(
                settings=settings,
                vision=self.vision,
                shelf=self.store,
                strike=self.strike,
                recorder=self.recorder,
                clock=self.clock,
                table=TABLE,
                models=Models(model_id, "digest"),
                live=self.live,
                meter=lambda face, image: self.metered.append(face),
            )
        )
        self.commands = Commands(self.guard, self.desk, self.live, self.clock)
        self._sequence = 0

    def enroll(self, name: str, number: int) -> ResidentId:
        """Enrol a made-up person and read the residents again."""
        resident = self.store.add_resident(name, None, [(self.vision.model_id, person(number))])
        self.guard.reload()
        return resident.resident_id

    def stand(self, *faces: SimulatedFace) -> None:
        """Put these faces before the camera."""
        self.vision.faces = faces

    def frame(self, *, age_s: float = 0.0, image: Image | None = None) -> Frame:
        """Return the next frame; a noise of its own unless `image` is given."""
        self._sequence += 1
        picture = noise(self._sequence) if image is None else image
        return Frame(picture, self.clock.monotonic() - age_s, self._sequence)

    def feed(self, count: int) -> list[Disposal]:
        """Let so many frames come, 15 a second, and the time pass after each."""
        found = []
        for _ in range(count):
            found.append(self.guard.handle(self.frame()))
            self.clock.advance(PERIOD_S)
            self.guard.tick()
        return found

    def pass_time(self, seconds: float) -> None:
        """Let time pass without a frame."""
        for _ in range(round(seconds / 0.1)):
            self.clock.advance(0.1)
            self.guard.tick()

    def events(self) -> list[Event]:
        """Every event so far, oldest first."""
        self.recorder.drain()
        return [stored.event for stored in self.store.events()]

    def attempts(self) -> list[tuple[object, object]]:
        """Outcome and reason of every attempt."""
        return [
            (event.detail["outcome"], event.detail["reason"])
            for event in self.events()
            if event.kind is EventKind.ATTEMPT
        ]

    def ask(self, verb: str, **args: object) -> dict[str, object]:
        """Carry out a verb as the control socket would."""
        checked = check_request(verb, args, Channel.CONTROL)
        return dict(self.commands.execute(Request(verb, checked, PEER, Channel.CONTROL, 0.0)))


def flat(level: int, size: tuple[int, int] = (120, 160)) -> Image:
    """Return an even picture."""
    return np.full((*size, 3), level, dtype=np.uint8)


def released(levels: Sequence[bool]) -> int:
    """Count the pulses in a line's history."""
    return sum(1 for before, now in pairwise(levels) if now and not before)
