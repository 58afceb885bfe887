"""The demo end to end: the real daemon, models and photographs, a real store and real sockets."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from doorguard.adapters.simulated.visits import COMPANY, PASSER_BY, RESIDENT, Expected, Script
from doorguard.cli.main import main
from doorguard.config import Settings
from doorguard.demo.hush import hushed
from doorguard.demo.play import DISAGREES, INTERRUPTED, DemoOptions, play
from doorguard.demo.stage import Cue
from doorguard.errors import UnknownResidentError

HOME = Script((replace(RESIDENT, duration_s=2.6),), pause_s=0.4)


def _console(**more: object) -> Console:
    return Console(width=80, height=24, file=StringIO(), **more)  # type: ignore[arg-type]


def _text(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.slow
def test_whole_script_played_fast_is_decided_as_expected(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console, picture = _console(), tmp_path / "demo.svg"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    code = play(DemoOptions(settings, fast=True, picture=picture), console)

    text = _text(console)
    assert code == 0
    assert "9 of 9 visits decided as expected" in text
    assert "its chain is intact" in text
    assert "denied 3 times" in text
    assert "WRONG" not in text
    assert [file.name for file in tmp_path.iterdir()] == ["demo.svg"]
    drawn = picture.read_text(encoding="utf-8")
    assert "RELEASED" in drawn
    assert "url(http" not in drawn
    assert "Barack" in drawn


def test_visit_decided_otherwise_than_expected_ends_in_failure(settings: Settings) -> None:
    unwanted = replace(HOME.visits[0], expected=Expected.DENIED, person=None)
    console = _console()

    code = play(DemoOptions(settings, fast=True, script=Script((unwanted,), pause_s=0.4)), console)

    assert code == DISAGREES
    assert "WRONG" in _text(console)
    assert "0 of 1 visits" in _text(console)


@pytest.mark.slow
def test_demo_in_real_time_enrols_over_the_socket_and_tells_each_visit(settings: Settings) -> None:
    console = _console()

    code = play(DemoOptions(settings, script=Script((COMPANY,), pause_s=0.6)), console)

    assert code == 0
    assert "Enrolled now, with company: let in Eileen" in _text(console)
    assert "1 of 1 visits decided as expected" in _text(console)


def test_demo_in_real_time_on_a_terminal_draws_its_screen(settings: Settings, tmp_path: Path) -> None:
    console = _console(force_terminal=True, color_system="truecolor", force_interactive=True)
    walk = Script((replace(PASSER_BY, duration_s=0.8),), pause_s=0.4)

    code = play(DemoOptions(settings, script=walk, picture=tmp_path / "empty.svg"), console)

    text = _text(console)
    assert code == 0
    assert "▀" in text
    assert "LOCKED" in text
    assert "visits decided as expected" in text


def test_cue_that_is_refused_ends_the_demo_with_its_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = replace(PASSER_BY, duration_s=0.8)
    monkeypatch.setattr("doorguard.demo.show.CUES", (Cue(visit, "disable", "collins", ""),))
    walk = Script((visit,), pause_s=0.4)

    with pytest.raises(UnknownResidentError, match="Eileen"):
        play(DemoOptions(settings, script=walk), _console())


def test_interrupted_demo_says_so_and_fails(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    console = _console()
    seen: list[object] = []

    def interrupt(*_: object) -> list[str]:
        if not seen:
            seen.append(os.kill(os.getpid(), signal.SIGINT))
        return []

    monkeypatch.setattr("doorguard.demo.show.Show.news", interrupt)

    assert play(DemoOptions(settings), console) == INTERRUPTED
    assert "stopped before the end" in _text(console)


def test_hush_keeps_errors_and_lets_nothing_through(capfd: pytest.CaptureFixture[str]) -> None:
    with hushed() as kept:
        os.write(2, b"INFO: a library's own line\n")
        logging.getLogger("doorguard.anything").error("the strike did not obey")
        logging.getLogger("doorguard.anything").info("all is well")
    sys.stderr.write("after\n")

    assert kept == ["the strike did not obey"]
    assert capfd.readouterr().err == "after\n"


def test_command_with_a_webcam_that_is_not_there_is_a_camera_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["demo", "--camera", "77"]) == 6
    assert "camera 77" in capsys.readouterr().err


def test_command_ended_by_ctrl_c_fails() -> None:
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    assert main(["demo"]) == INTERRUPTED


def test_command_with_a_picture_that_cannot_be_written_refuses_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--picture", str(tmp_path / "missing" / "demo.svg")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_command_refuses_a_picture_of_a_webcam(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--camera", "0", "--fast"]) == 2
    assert "--camera" in capsys.readouterr().err
