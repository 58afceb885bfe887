"""The daemon whole: from a photograph on the disk to the strike, and through everything that goes wrong."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from doorguard.adapters.clock import SystemClock
from doorguard.adapters.simulated.camera import SimulatedCamera
from doorguard.adapters.simulated.visits import RESIDENT, STILL_SCRIPT, Script
from doorguard.app import open_store, run_daemon, service
from doorguard.config import Settings
from doorguard.control.client import call
from doorguard.core.model import EventKind, Frame, Image
from doorguard.core.policy import Outcome
from doorguard.errors import CameraError, ModelError, NotAllowedError, StoreBusyError
from doorguard.places import Places

if TYPE_CHECKING:
    from tests.app.conftest import Running
else:
    Running = object

Enroll = Callable[[str, str], str]


def _camera(settings: Settings, script: Script, *, loop: bool = False) -> SimulatedCamera:
    return SimulatedCamera(script, SystemClock(), settings.camera, loop=loop)


def test_run_daemon_resident_walks_up_and_is_let_in(running: Running, enroll: Enroll) -> None:
    obama = enroll("Barack Obama", "obama-2010.jpg")
    camera = _camera(running.settings, Script((RESIDENT,), pause_s=0.4))

    def scenario(running: Running) -> None:
        view = running.until(lambda view: view.decisions > 0)
        assert view.decision is not None
        assert (view.decision.outcome, view.decision.resident_id) == (Outcome.GRANTED, obama)
        assert view.strike_released
        assert running.status()["strike"] == "released"

    assert running.run(scenario, camera) == 0
    assert running.line.levels[:3] == [False, True, False]
    assert not any(running.line.levels[2:])
    kinds = [event.kind for event in running.events()]
    assert kinds == [EventKind.ENROLLED, EventKind.STARTED, EventKind.ATTEMPT, EventKind.STOPPED]
    assert running.watchdog.calls[:2] == ["alive", "ready"]
    assert running.watchdog.calls[-1] == "stopping"


def test_run_daemon_camera_that_is_a_file_ends_the_run(running: Running) -> None:
    camera = _camera(running.settings, Script((), pause_s=0.3))
    assert run_daemon(running.settings, running.places, source=camera) == 0
    assert not running.places.control_socket.exists()


def test_run_daemon_answers_on_its_sockets_and_stops_within_two_seconds(running: Running) -> None:
    stopped: list[float] = []

    def scenario(running: Running) -> None:
        running.until_status(lambda status: status["camera"] == "ok")
        assert running.ask("ping") == {}
        assert running.ask("unlock", reason="parcel") == {"released_s": 5.0}
        assert running.line.active
        stopped.append(time.monotonic())

    assert running.run(scenario) == 0
    assert time.monotonic() - stopped[0] <= 2.0
    assert running.line.levels[:3] == [False, True, False]
    assert running.line.closed
    kinds = [event.kind for event in running.events()]
    assert kinds == [EventKind.STARTED, EventKind.MANUAL_RELEASE, EventKind.STOPPED]
    assert list(running.places.runtime.iterdir()) == []


def test_run_daemon_sighup_reads_the_residents_again(
    running: Running, enroll: Enroll, monkeypatch: pytest.MonkeyPatch
) -> None:
    enroll("Barack Obama", "obama-2010.jpg")
    opened: list[service.Store] = []

    def keep(places: Places, clock: SystemClock) -> service.Store:
        opened.append(open_store(places, write=True, clock=clock))
        return opened[0]

    monkeypatch.setattr(service, "_open_store", keep)

    def scenario(running: Running) -> None:
        running.until(lambda view: view.residents == 1)
        (obama,) = opened[0].residents()
        opened[0].set_enabled(obama.resident_id, False)
        assert running.status()["residents"] == 1
        os.kill(os.getpid(), signal.SIGHUP)
        running.until_status(lambda status: status["residents"] == 0)

    assert running.run(scenario) == 0


def test_run_daemon_disable_in_mid_visit_ends_it(running: Running, enroll: Enroll) -> None:
    enroll("Barack Obama", "obama-2010.jpg")
    slow = Settings.model_validate(
        running.settings.model_dump() | {"decision": {"frames": 30, "agree": 30, "window_s": 8.0}}
    )
    running.settings = slow
    camera = _camera(slow, Script((RESIDENT,), pause_s=0.4))

    def scenario(running: Running) -> None:
        running.until(lambda view: view.state == "deciding")
        running.ask("disable", name="barack obama")
        running.until(lambda view: view.decisions > 0)

    running.run(scenario, camera)
    assert not any(running.line.levels)
    attempts = [event for event in running.events() if event.kind is EventKind.ATTEMPT]
    assert [event.detail["reason"] for event in attempts] == ["resident_removed"]


def test_run_daemon_camera_vanishes_and_returns(running: Running) -> None:
    camera = _camera(running.settings, STILL_SCRIPT, loop=True)

    def scenario(running: Running) -> None:
        running.until_status(lambda status: status["camera"] == "ok")
        camera.unplug()
        status = running.until_status(lambda status: status["camera"] == "lost")
        assert any("camera lost: the simulated camera is unplugged" in text for text in status["off"])
        assert running.ask("unlock", reason="parcel")["released_s"] == 5.0
        camera.plug_in()
        running.until_status(lambda status: status["camera"] == "ok")

    assert running.run(scenario, camera) == 0
    kinds = [event.kind for event in running.events()]
    assert EventKind.CAMERA_LOST in kinds
    assert kinds.index(EventKind.CAMERA_LOST) < kinds.index(EventKind.CAMERA_BACK)


def test_run_daemon_camera_that_hangs_does_not_hold_the_stop_up(running: Running) -> None:
    release = threading.Event()

    class Hanging(SimulatedCamera):
        def read(self) -> Frame | None:
            release.wait(60)
            return None

    stopped: list[float] = []

    def scenario(running: Running) -> None:
        running.until_status(lambda status: status["camera"] == "lost")
        stopped.append(time.monotonic())

    camera = Hanging(STILL_SCRIPT, SystemClock(), running.settings.camera)
    assert running.run(scenario, camera) == 0
    assert time.monotonic() - stopped[0] <= 2.0
    assert running.watchdog.fed == 0
    release.set()


def test_run_daemon_without_a_frame_is_ready_but_degraded(running: Running) -> None:
    camera = _camera(running.settings, STILL_SCRIPT, loop=True)
    camera.unplug()

    def scenario(running: Running) -> None:
        running.until_status(lambda status: "ready" in running.watchdog.calls)
        assert running.ask("unlock", reason="parcel")["released_s"] == 5.0

    began = time.monotonic()
    assert running.run(scenario, camera) == 0
    assert time.monotonic() - began >= 1.0
    assert "camera lost" in running.watchdog.lines[0]
    assert running.line.levels[:2] == [False, True]


def test_run_daemon_key_that_does_not_open_the_store_keeps_faces_out_only(
    running: Running, enroll: Enroll, caplog: pytest.LogCaptureFixture
) -> None:
    enroll("Barack Obama", "obama-2010.jpg")
    key = running.places.key.read_bytes()
    running.places.key.write_bytes(b"0" * 64 + b"\n")

    def scenario(running: Running) -> None:
        status = running.until_status(lambda status: status["camera"] == "ok")
        assert status["tau"] is None
        assert any("faces do not open the door" in text for text in status["off"])
        assert running.ask("unlock", reason="parcel")["released_s"] == 5.0

    assert running.run(scenario) == 0
    assert "no face opens the door" in caplog.text
    assert running.line.levels[:2] == [False, True]
    running.places.key.write_bytes(key)
    assert [event.kind for event in running.events()] == [EventKind.ENROLLED]


def test_run_daemon_beside_another_is_refused(running: Running) -> None:
    with open_store(running.places, write=True), pytest.raises(StoreBusyError):
        run_daemon(running.settings, running.places)
    assert running.line.closed


def test_run_daemon_camera_with_swapped_channels_is_refused(running: Running) -> None:
    class Swapped(SimulatedCamera):
        def to_rgb(self, native: Image) -> Image:
            return np.ascontiguousarray(native[..., ::-1])

    camera = Swapped(STILL_SCRIPT, SystemClock(), running.settings.camera, loop=True)
    with pytest.raises(ModelError):
        run_daemon(running.settings, running.places, source=camera)
    assert running.line.closed
    assert not any(running.line.levels)
    assert not running.places.control_socket.exists()


def test_run_daemon_camera_that_does_not_exist_is_refused(running: Running) -> None:
    unknown = Settings.model_validate(
        running.settings.model_dump() | {"camera": {"kind": "opencv", "source": "rtsp:///nowhere"}}
    )
    with pytest.raises(CameraError):
        run_daemon(unknown, running.places)
    assert running.line.closed


def test_run_daemon_signal_before_the_loop_stops_it_at_once(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = service.build_strike

    def interrupted(settings: Settings, clock: SystemClock, places: Places) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        return build(settings, clock, places)

    monkeypatch.setattr(service, "build_strike", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    assert run_daemon(running.settings, running.places) == 0
    assert signal.getsignal(signal.SIGTERM) is before


DAEMON = """
import sys
from pathlib import Path
from doorguard.app import run_daemon
from doorguard.config import Settings
from doorguard.places import Places
folder = Path(sys.argv[1])
settings = Settings.model_validate({"runtime": sys.argv[2], "camera": {"source": "still"}})
sys.exit(run_daemon(settings, Places(None, folder / "state", folder / "run", False)))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_daemon_as_a_process_tells_the_manager_and_ends_within_two_seconds(
    tmp_path: Path, runtime: str, number: signal.Signals
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        environ = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"}
        command = [sys.executable, "-c", DAEMON, str(tmp_path), runtime]
        with subprocess.Popen(command, env=environ) as process:
            try:
                heard = b""
                while b"READY=1" not in heard:
                    heard = manager.recv(4096)
                call(tmp_path / "run" / "control.sock", "unlock", {"reason": "parcel"})
                began = time.monotonic()
                process.send_signal(number)
                assert process.wait(10) == 0
                assert time.monotonic() - began <= 2.0
            finally:
                process.kill()
        while b"STOPPING=1" not in heard:
            heard = manager.recv(4096)


def test_load_settings_at_of_a_machine_s_installation_one_may_not_read_says_sudo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from doorguard.app import load_settings_at

    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(NotAllowedError, match="sudo"):
        load_settings_at(Places(tmp_path / "doorguard.yaml", tmp_path, tmp_path, system=True))
