"""The demo before a webcam: whoever looks in is enrolled live, and from then on the door decides."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rich.console import Console

from doorguard.adapters.clock import SystemClock
from doorguard.app import build_camera, run_daemon
from doorguard.config import CameraSettings, Settings
from doorguard.control.client import call
from doorguard.daemon.view import GuardView
from doorguard.demo.hush import hushed
from doorguard.demo.projector import Projector
from doorguard.demo.results import Attempt, attempt_of_decision
from doorguard.demo.screen import Moment, attempt_words
from doorguard.demo.stage import Act, Onlooker, temporary_places
from doorguard.errors import OK, ControlError

YOU = "You"
WELCOME = (
    "The daemon before your webcam, with a simulated strike. Look in: it enrols\n"
    "you from five poses, then lets you in, and nobody else. Nothing is kept.\n"
    "Ctrl-C ends it.\n"
)


def play_webcam(source: str, console: Console) -> int:
    """Run the daemon on a webcam (an index, or a video file) until Ctrl-C or its end; returns `OK`.

    Raises
    ------
    CameraError : the camera cannot be opened.
    DoorguardError : the daemon refused to start.

    """
    settings = Settings(camera=CameraSettings(kind="opencv", source=source))
    camera = build_camera(settings, SystemClock())
    camera.open()
    camera.close()
    console.print(WELCOME, highlight=False)
    onlooker = Onlooker(camera)
    with temporary_places() as places, hushed() as troubles:
        webcam = Webcam(onlooker, partial(call, places.control_socket))
        with Projector(webcam, console) as projector:
            run_daemon(settings, places, source=onlooker, on_view=webcam.follow)
    for line in (*webcam.news(), *troubles):
        console.print(line, highlight=False, markup=False)
    if projector.failure is not None:
        raise projector.failure
    return OK


class Webcam:
    """A play without a script: one live enrolment, then whoever comes.

    The daemon's loop calls `follow`; the projector calls the rest.
    """

    def __init__(self, onlooker: Onlooker, act: Act) -> None:
        self._onlooker, self._act = onlooker, act
        self._view: GuardView | None = None
        self._attempts: list[Attempt] = []
        self._told = 0
        self._decisions = 0
        self._session: str | None = None
        self._names: dict[str, str] = {}
        self._note = ""

    def follow(self, view: GuardView) -> None:
        """Take in the daemon after one frame."""
        self._view = view
        if view.decisions > self._decisions and view.decision is not None:
            self._decisions = view.decisions
            self._attempts.append(attempt_of_decision(view.decision, self._names))

    def give_cues(self) -> None:
        """Start the enrolment with the first frame and follow it; one that failed is started again."""
        if self._view is None or self._names:
            return
        verb, wanted = "live_poll", {"session": self._session or ""}
        if self._session is None:
            consent = "stood before the webcam of the demo"
            verb, wanted = "live_start", {"kind": "enroll", "name": YOU, "consent": consent}
        # A daemon that is busy, or stopping, does not answer: the next turn asks again.
        with contextlib.suppress(ControlError):
            self._hear(self._act(verb, wanted))

    def _hear(self, told: Mapping[str, Any]) -> None:
        looking, result = told["phase"] == "looking", told["result"]
        self._session = str(told["session"]) if looking else None
        self._note = str(told["hint"])
        if result is not None:
            self._names = {str(result["id"]): str(result["name"])}
            self._note = "you are enrolled; step aside, come back"

    def moment(self) -> Moment:
        """Return what there is to see now."""
        look = self._view.look if self._view else None
        return Moment(
            title="webcam",
            clock="Ctrl-C ends it",
            view=self._view,
            nearest=self._names.get(look.nearest_id) if look and look.nearest_id else None,
            image=self._onlooker.image,
            face=self._onlooker.face,
            last=self._attempts[-1] if self._attempts else None,
            note=self._note,
            visits=(),
            current=0,
        )

    def news(self) -> Sequence[str]:
        """Return a line for each attempt since the last call."""
        fresh = self._attempts[self._told :]
        self._told += len(fresh)
        return [attempt_words(attempt) for attempt in fresh]
