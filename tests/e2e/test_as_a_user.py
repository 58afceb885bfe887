"""The product as its user meets it: separate processes, real models, real store, real sockets and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doorguard.photos import path

PATIENCE_S = 30.0
STOP_S = 2.0


class House:
    """One installation, used through the command line only."""

    def __init__(self, folder: Path, runtime: str) -> None:
        self.state = folder / "state"
        config = folder / "doorguard.yaml"
        config.write_text(f"runtime: {runtime}\n")
        self.environ = os.environ | {
            "DOORGUARD_CONFIG": str(config),
            "DOORGUARD_STATE_DIR": str(self.state),
            "DOORGUARD_RUNTIME_DIR": str(folder / "run"),
        }
        self.daemon: subprocess.Popen[str] | None = None

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "doorguard", *map(str, arguments)]
        return subprocess.run(
            command, env=self.environ, capture_output=True, text=True, check=False, timeout=60
        )

    def start(self) -> None:
        self.daemon = subprocess.Popen(
            [sys.executable, "-m", "doorguard", "run"], env=self.environ, stderr=subprocess.PIPE, text=True
        )
        self.until(lambda: self("status").returncode == 0)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Send a signal and return the seconds until the daemon was gone."""
        assert self.daemon is not None
        began = time.monotonic()
        self.daemon.send_signal(number)
        self.daemon.communicate(timeout=PATIENCE_S)
        return time.monotonic() - began

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self("events", "--json").stdout.splitlines()]

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for another process; polls, because that is all a command line can do."""
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, "it did not happen in time"
            assert self.daemon is None or self.daemon.poll() is None, "the daemon is gone"
            time.sleep(0.1)


@pytest.fixture
def house(tmp_path: Path, runtime: str) -> Iterator[House]:
    house = House(tmp_path, runtime)
    yield house
    if house.daemon is not None:
        house.daemon.kill()
        house.daemon.communicate()


def _granted(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["detail"].get("outcome") == "granted"]


def test_resident_is_let_in_and_leaves_no_trace_when_erased(house: House) -> None:
    assert house("enroll", "Barack", path("obama-2012"), "--consent", "by word").returncode == 0
    house.start()
    house.until(lambda: bool(_granted(house.events())))
    status = json.loads(house("status", "--json").stdout)
    assert {"door", "strike", "contact", "camera", "liveness", "model", "tau", "off"} <= status.keys()
    assert status["off"], "no liveness and no contact: status must say so"
    granted = _granted(house.events())[0]
    told = house("explain", str(granted["id"])).stdout
    assert "The door was released" in told
    assert "Barack" in told
    assert house("unlock", "--reason", "parcel").stdout == "released for 5 s\n"
    assert house("residents", "remove", "Barack", "--yes").returncode == 0
    assert json.loads(house("status", "--json").stdout)["residents"] == 0
    assert house.stop() <= STOP_S
    assert house("audit", "verify").returncode == 0
    kinds = [event["kind"] for event in house.events()]
    assert {"started", "manual_release", "removed", "stopped"} <= set(kinds)
    for file in house.state.rglob("*"):
        assert not file.is_file() or b"Barack" not in file.read_bytes(), file.name


def test_stranger_alone_is_denied_with_a_reason(house: House) -> None:
    assert house("enroll", "Eileen", path("collins")).returncode == 0
    assert house("residents", "disable", "Eileen").returncode == 0
    assert house("enroll", "Joe", path("biden-2010")).returncode == 0
    house.start()
    house.until(lambda: any(event["kind"] == "attempt" for event in house.events()))
    first = next(event for event in house.events() if event["kind"] == "attempt")
    assert first["detail"]["outcome"] == "denied"
    assert first["detail"]["reason"] == "no_match"
    assert first["detail"]["nearest"]["distance_sq"] > first["detail"]["tau"]
    assert first["resident"] is None


def test_killed_daemon_loses_no_acknowledged_change(house: House) -> None:
    house.start()
    assert house("enroll", "Barack", path("obama-2012")).returncode == 0
    house.stop(signal.SIGKILL)
    listed = json.loads(house("residents", "list", "--json").stdout)
    assert [person["name"] for person in listed] == ["Barack"]
    assert house("audit", "verify").returncode == 0
    house.start()
    assert house.stop(signal.SIGINT) <= STOP_S


def test_second_daemon_is_refused(house: House) -> None:
    house.start()
    second = house("run")
    assert second.returncode == 5
    assert len(second.stderr.strip().splitlines()) == 1, second.stderr


def test_wrong_model_file_refuses_to_run(house: House, tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, doorguard.vision.profile as p; from doorguard.cli.main import main; "
        "p.MODELS = pathlib.Path(sys.argv[1]); sys.exit(main(['run']))"
    )
    models = tmp_path / "models"
    models.mkdir()
    for file in (Path(path("collins")).parent.parent / "models").iterdir():
        content = bytearray(file.read_bytes())
        if file.name == "facenet.tflite":
            content[-1] ^= 1
        (models / file.name).write_bytes(content)
    ran = subprocess.run(
        [sys.executable, "-c", script, str(models)],
        env=house.environ, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 4
    assert "facenet.tflite" in ran.stderr
