"""The demo before a webcam: what it asks of the daemon, and a video file in the webcam's place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import pytest
from rich.console import Console
from standins.demo_view import VIEW

from doorguard.adapters.simulated.camera import SimulatedCamera
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.scene import Scene
from doorguard.adapters.simulated.visits import STRANGER, Script
from doorguard.cli.main import main
from doorguard.config import CameraSettings
from doorguard.core.model import Grant, ResidentId
from doorguard.core.policy import Decision, FrameVerdict, Outcome, Reason
from doorguard.demo.stage import Onlooker
from doorguard.demo.webcam import YOU, Webcam, play_webcam

WHO = ResidentId("a")
FRAME = FrameVerdict(1, 9.0, WHO, 0.731, None, 4.0, Reason.MATCH, None, {})
GRANTED = Decision(
    Outcome.GRANTED,
    Reason.MATCH,
    WHO,
    Grant(WHO, "face", "door", 9.1),
    VIEW.threshold,
    (FRAME,),
    {},
    1,
    9.0,
    9.1,
    1,
)


class Door:
    """Answers the live verbs as told, and keeps what was asked."""

    def __init__(self, *answers: Mapping[str, Any]) -> None:
        self.asked: list[tuple[str, Mapping[str, object]]] = []
        self._answers = list(answers)

    def __call__(self, verb: str, arguments: Mapping[str, object]) -> Mapping[str, Any]:
        self.asked.append((verb, arguments))
        return self._answers.pop(0)


def _told(phase: str, hint: str, *, result: Mapping[str, str] | None = None) -> dict[str, object]:
    return {"session": "s1", "phase": phase, "hint": hint, "result": result}


def _webcam(door: Door) -> Webcam:
    camera = SimulatedCamera(Script(()), ManualClock(), CameraSettings(width=160, height=120))
    return Webcam(Onlooker(camera), door)


def test_webcam_asks_nothing_before_the_first_frame() -> None:
    door = Door()
    webcam = _webcam(door)

    webcam.give_cues()

    assert door.asked == []
    assert webcam.moment().view is None


def test_webcam_enrols_whoever_looks_in_and_then_asks_no_more() -> None:
    done = {"id": "a", "name": YOU}
    door = Door(_told("looking", "look straight"), _told("done", "done, thank you", result=done))
    webcam = _webcam(door)
    webcam.follow(VIEW)

    webcam.give_cues()
    first = webcam.moment().note
    webcam.give_cues()
    webcam.give_cues()

    assert first == "look straight"
    assert [verb for verb, _ in door.asked] == ["live_start", "live_poll"]
    assert door.asked[0][1]["name"] == YOU
    assert "you are enrolled" in webcam.moment().note
    assert webcam.moment().nearest == YOU


def test_webcam_starts_an_enrolment_that_failed_again() -> None:
    door = Door(_told("failed", "nothing came of it"), _told("looking", "look straight"))
    webcam = _webcam(door)
    webcam.follow(VIEW)

    webcam.give_cues()
    webcam.give_cues()

    assert [verb for verb, _ in door.asked] == ["live_start", "live_start"]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Two seconds of somebody at the door, as a file."""
    file = tmp_path / "visit.avi"
    scene = Scene(Script((replace(STRANGER, duration_s=3.0),), pause_s=0.1), (640, 480))
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 15, (640, 480))
    for index in range(30):
        writer.write(scene.render(0.6 + index / 15, index)[..., ::-1])
    writer.release()
    return file


def test_video_in_the_webcams_place_is_played_to_its_end(video: Path) -> None:
    console = Console(width=80, height=24, file=StringIO(), force_terminal=True, color_system="truecolor")

    assert play_webcam(str(video), console) == 0

    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "webcam" in text
    assert "look straight" in text or "turn your head" in text


def test_command_plays_a_video_as_a_webcam(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--camera", str(video)]) == 0
    assert "your webcam" in capsys.readouterr().out


def test_webcam_tells_each_attempt_once() -> None:
    webcam = _webcam(Door())
    webcam.follow(replace(VIEW, decision=GRANTED))
    webcam.follow(replace(VIEW, decision=GRANTED))

    assert webcam.news() == ["let in a  D 0.73"]
    assert webcam.news() == []
    assert webcam.moment().last is not None
