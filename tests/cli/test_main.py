"""How a command ends when something goes wrong around it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from standins.command_line import Run

from doorguard.cli import log, session
from doorguard.photos import path


def _raises(error: BaseException) -> property:
    def get(self: object) -> None:
        raise error

    return property(get)


def test_unexpected_error_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.Session, "settings", _raises(ZeroDivisionError("by\nzero")))
    ran = run("config", "show")
    assert ran.code == 1
    assert ran.err.startswith("doorguard: internal error (ZeroDivisionError: by zero)")
    assert ran.err.count("\n") == 1


def test_unexpected_error_is_shown_whole_on_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.Session, "settings", _raises(ZeroDivisionError()))
    monkeypatch.setenv("DOORGUARD_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        run("config", "show")


def test_interrupted_command_says_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.Session, "settings", _raises(KeyboardInterrupt()))
    ran = run("config", "show")
    assert ran.code == 130
    assert ran.err == ""


def test_reader_that_went_away_is_no_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.Session, "settings", _raises(BrokenPipeError()))
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert run("config", "show").code == 0
    sys.stdout.close()


def test_version_from_inside(run: Run) -> None:
    assert run("--version").out.startswith("doorguard ")


def test_events_follow_goes_on_until_interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("enroll", "Barack", path("obama-2012"))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(log.time, "sleep", sleep)
    ran = run("events", "--follow")
    assert ran.code == 130
    assert len(ran.out.splitlines()) == 1, "an event is told once"
    assert slept == [log.FOLLOW_EVERY_S] * 2


def test_camera_check_tells_what_it_sees(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "seen.png"
    ran = run("camera", "check", "--picture", out)
    assert ran.code == 0
    assert "frames a second" in ran.out
    assert out.stat().st_size > 1000
