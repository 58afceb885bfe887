"""The whole daemon in this process: real models, real store, real sockets, simulated camera and strike."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from doorguard.adapters.clock import SystemClock
from doorguard.adapters.simulated.line import SimulatedLine
from doorguard.adapters.simulated.source import RecordingWatchdog
from doorguard.app import carry_out, encode_photo, open_store, run_daemon, service
from doorguard.config import Settings
from doorguard.control.client import call
from doorguard.core.model import Event
from doorguard.daemon.view import GuardView
from doorguard.errors import ControlError
from doorguard.places import Places
from doorguard.ports import FrameSource
from doorguard.strike.controller import StrikeController
from doorguard.vision.pipeline import FacePipeline

PATIENCE_S = 20.0


@dataclass
class Running:
    """One daemon; `scenario` runs beside it on a thread and the daemon gets SIGTERM when that returns."""

    settings: Settings
    places: Places
    line: SimulatedLine
    watchdog: RecordingWatchdog = field(default_factory=RecordingWatchdog)
    views: list[GuardView] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    failure: BaseException | None = None

    def run(self, scenario: Callable[[Running], None], source: FrameSource | None = None) -> int:
        def act() -> None:
            try:
                scenario(self)
            except BaseException as error:  # noqa: BLE001  raised again by the test's own thread
                self.failure = error
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        actor = threading.Thread(target=act)
        actor.start()
        try:
            code = run_daemon(self.settings, self.places, source=source, on_view=self._note)
        finally:
            actor.join(PATIENCE_S)
        if self.failure is not None:
            raise self.failure
        return code

    def _note(self, view: GuardView) -> None:
        with self.changed:
            self.views.append(view)
            self.changed.notify_all()

    def until(self, wanted: Callable[[GuardView], bool]) -> GuardView:
        """Wait for a view like this one, the first included."""
        with self.changed:
            assert self.changed.wait_for(lambda: any(map(wanted, self.views)), PATIENCE_S), "it never came"
            return next(filter(wanted, self.views))

    def until_status(self, wanted: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """Ask for the status until it is like this; also works without frames."""
        pause = threading.Event()
        for _ in range(int(PATIENCE_S / 0.05)):
            with contextlib.suppress(ControlError):  # not listening yet
                if wanted(status := self.status()):
                    return status
            pause.wait(0.05)
        raise AssertionError("the status never became so")

    def status(self) -> Mapping[str, Any]:
        return call(self.places.status_socket, "status")

    def ask(self, verb: str, **args: object) -> Mapping[str, Any]:
        return call(self.places.control_socket, verb, args)

    def events(self) -> list[Event]:
        """Every event in the store; for after the end."""
        with open_store(self.places, write=False) as store:
            assert store.verify().ok
            return [stored.event for stored in store.events()]


@pytest.fixture
def running(
    settings: Settings, places: Places, vision: FacePipeline, monkeypatch: pytest.MonkeyPatch
) -> Running:
    """A daemon on the still scene; the strike's line and the service manager are within reach."""
    changed = settings.model_dump() | {
        "camera": {"kind": "simulated", "source": "still", "lost_after_s": 1.0}
    }
    clock = SystemClock()
    found = Running(Settings.model_validate(changed), places, SimulatedLine(clock))
    monkeypatch.setattr(service, "build_strike", lambda _, clock, __: StrikeController(found.line, clock))
    monkeypatch.setattr(service, "build_vision", lambda *_: vision)
    monkeypatch.setattr(service, "_make_watchdog", lambda: found.watchdog)
    return found


@pytest.fixture
def enroll(
    settings: Settings, places: Places, vision: FacePipeline, photos: Path
) -> Callable[[str, str], str]:
    """Enrol somebody from a bundled portrait, as the command does; returns the resident's id."""

    def make(name: str, photo: str) -> str:
        encoding = encode_photo(vision, photos / photo, largest=False)
        text = base64.b64encode(encoding.tobytes()).decode()
        args = {"name": name, "model_id": vision.model_id, "encodings": [text]}
        return str(carry_out(places, settings, "enroll", args)["id"])

    return make
