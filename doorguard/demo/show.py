"""The show: follows the daemon, gives the cues, and says what the screen is to show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from doorguard.adapters.simulated.camera import SimulatedCamera
from doorguard.adapters.simulated.visits import POOR_CAMERA, Visit
from doorguard.daemon.view import GuardView
from doorguard.demo.results import Attempt, VisitResult, attempt_of_decision, sort_by_visit
from doorguard.demo.screen import Moment, outcome_words
from doorguard.demo.stage import CUES, RESIDENTS, Act, Onlooker
from doorguard.ports import Clock

KEEPSAKE_VISIT = POOR_CAMERA
"""The visit that a picture of the screen shows, at `KEEPSAKE_S` into it."""
KEEPSAKE_S = 2.0


class Show:
    """One run of the script.

    The daemon's loop calls `follow`; another thread, or the same one between two frames, calls the rest.
    What passes between them is replaced as a whole or appended, never changed in place.

    Parameters
    ----------
    camera : where the script's time is kept.
    onlooker : what the daemon reads it through.
    clock : the camera's clock.
    act : carries out a verb, now.
    enrolments : arguments of `enroll` by person.

    """

    def __init__(
        self,
        camera: SimulatedCamera,
        onlooker: Onlooker,
        clock: Clock,
        *,
        act: Act,
        enrolments: Mapping[str, Mapping[str, object]],
    ) -> None:
        self.keepsake: Moment | None = None
        self.names: dict[str, str] = {}
        self._camera, self._onlooker, self._clock = camera, onlooker, clock
        self._act = act
        self._enrolments = enrolments
        self._view: GuardView | None = None
        self._decisions = 0
        self._attempts: list[Attempt] = []
        self._cues = [cue for cue in CUES if cue.before in camera.script.visits]
        self._note = ""
        self._told = 0

    def enroll(self, person: str) -> None:
        """Make a resident; raises `DoorguardError`."""
        answer = self._act("enroll", self._enrolments[person])
        self.names[str(answer["id"])] = str(answer["name"])

    def follow(self, view: GuardView) -> None:
        """Take in the daemon after one frame."""
        self._view = view
        if view.decisions > self._decisions and view.decision is not None:
            self._decisions = view.decisions
            self._attempts.append(attempt_of_decision(view.decision, self.names))
        if self.keepsake is None:
            found = self._camera.script.at(self._elapsed_s)
            if found and self._camera.script.visits[found[0]] is KEEPSAKE_VISIT and found[1] >= KEEPSAKE_S:
                self.keepsake = self.moment()

    def follow_and_cue(self, view: GuardView) -> None:
        """Do both on the daemon's own thread, between two frames."""
        self.follow(view)
        self.give_cues()

    def give_cues(self) -> None:
        """Do what is due before the next visit; raises `DoorguardError`."""
        while self._cues and self._elapsed_s >= self._cue_s():
            cue = self._cues.pop(0)
            if cue.verb == "enroll":
                self.enroll(cue.person)
            else:
                self._act(cue.verb, {"name": RESIDENTS[cue.person]})
            self._note = cue.note

    def results(self, attempts: Sequence[Attempt] | None = None) -> list[VisitResult]:
        """Return all visits with their attempts: those given, else those seen so far."""
        made = self._attempts if attempts is None else attempts
        zero_s = math.inf if self._camera.started_s is None else self._camera.started_s
        return sort_by_visit(self._camera.script, RESIDENTS, made, zero_s)

    @property
    def finished(self) -> bool:
        """Whether the script has come to its end."""
        return self._elapsed_s >= self._camera.script.duration_s - 1.0

    @property
    def ended_visits(self) -> int:
        """How many visits are over."""
        script = self._camera.script
        ends = [at + visit.duration_s for at, visit in zip(script.starts(), script.visits, strict=True)]
        return sum(end <= self._elapsed_s for end in ends)

    def moment(self) -> Moment:
        """Return what there is to see now."""
        script, view = self._camera.script, self._view
        visit, current = self._visit(), self.ended_visits
        shown = min(current + 1, len(script.visits))
        times = f"{_minutes(self._elapsed_s)} / {_minutes(script.duration_s)}"
        return Moment(
            title=visit.title if visit else "nobody there",
            clock=f"visit {shown} of {len(script.visits)}   {times}",
            view=view,
            nearest=self._nearest(),
            image=self._onlooker.image,
            face=self._onlooker.face,
            last=self._attempts[-1] if self._attempts else None,
            note=self._note,
            visits=self.results(),
            current=current,
        )

    def news(self) -> Sequence[str]:
        """Return a line for each visit that has ended since the last call."""
        ended = self.results()[self._told : self.ended_visits]
        self._told += len(ended)
        return [f"{result.visit.title}: {outcome_words(result) or 'no attempt'}" for result in ended]

    def _nearest(self) -> str | None:
        look = self._view.look if self._view else None
        return self.names.get(look.nearest_id) if look and look.nearest_id else None

    @property
    def _elapsed_s(self) -> float:
        started_s = self._camera.started_s
        return 0.0 if started_s is None else self._clock.monotonic() - started_s

    def _visit(self) -> Visit | None:
        found = self._camera.script.at(self._elapsed_s)
        return self._camera.script.visits[found[0]] if found else None

    def _cue_s(self) -> float:
        """Script seconds of the next cue: half-way through the pause before its visit."""
        script = self._camera.script
        visit = script.visits.index(self._cues[0].before)
        return list(script.starts())[visit] - script.pause_s / 2


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
