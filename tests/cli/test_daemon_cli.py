"""Commands that talk to a running daemon, over the real sockets; only its answers are scripted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from standins.command_line import Run

from doorguard.cli import live
from doorguard.control.protocol import Request
from doorguard.control.server import ControlServer
from doorguard.errors import LookalikeError
from doorguard.photos import path
from doorguard.places import Places

SESSION = {"session": "ab12", "hint": "look straight", "taken": 0, "wanted": 5, "result": None, "error": None}


class Daemon:
    """Answers each verb with the next of its scripted answers, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, object]]] = []
        self.answers: dict[str, list[Mapping[str, object]]] = {}

    def execute(self, request: Request) -> Mapping[str, object]:
        self.asked.append((request.verb, request.args.model_dump(exclude_none=True)))
        return self.answers[request.verb].pop(0)

    def will_tell(self, kind: str, *told: Mapping[str, object]) -> None:
        """Script one session: what `live_start` answers, then each `live_poll`."""
        first, *later = ({**SESSION, "kind": kind, "phase": "looking", **each} for each in told)
        self.answers |= {"live_start": [first], "live_poll": later, "live_cancel": [first]}


@pytest.fixture
def daemon(run: Run, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    monkeypatch.setattr(live, "POLL_EVERY_S", 0.0)
    daemon = Daemon()
    places = Places(config=None, state=state, runtime=state / "run", system=False)
    assert run("enroll", "Barack", path("obama-2012")).code == 0
    with ControlServer(places, daemon.execute):
        yield daemon


def test_enroll_camera_follows_the_session_to_its_end(run: Run, daemon: Daemon) -> None:
    resident = {"name": "Ada", "templates": 5, "consent": "by word"}
    daemon.will_tell("enroll", {}, {"taken": 3}, {"phase": "done", "taken": 5, "result": resident})
    ran = run("enroll", "Ada", "--camera", "--consent", "by word")
    assert ran.code == 0
    assert ran.out == "Ada enrolled, 5 templates, consent: by word\n"
    assert daemon.asked[0] == (
        "live_start",
        {"kind": "enroll", "name": "Ada", "consent": "by word", "add": False, "force": False},
    )


def test_enroll_camera_passes_the_doors_refusal_on(run: Run, daemon: Daemon) -> None:
    error = {"type": "LookalikeError", "message": "Ada looks too much like Barack"}
    daemon.will_tell("enroll", {}, {"phase": "failed", "error": error})
    ran = run("enroll", "Ada", "--camera")
    assert ran.code == LookalikeError.exit_code
    assert ran.err == "doorguard: Ada looks too much like Barack\n"


def test_enroll_camera_cancelled_at_the_door_is_said(run: Run, daemon: Daemon) -> None:
    daemon.will_tell("enroll", {}, {"phase": "cancelled"})
    assert run("enroll", "Ada", "--camera").code == 8


def test_enroll_camera_interrupted_cancels_the_session(
    run: Run, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    daemon.will_tell("enroll", {}, {})
    monkeypatch.setattr(live.time, "sleep", interrupt)
    assert run("enroll", "Ada", "--camera").code == 130
    assert daemon.asked[-1] == ("live_cancel", {"session": "ab12"})


def test_residents_check_prints_everybody_nearest_first(run: Run, daemon: Daemon) -> None:
    barack = run("events", "--json").json["resident"]
    rows = [
        {"resident": barack, "distance_sq_min": 0.61, "distance_sq_median": 0.7},
        {"resident": "f" * 16, "distance_sq_min": 1.6, "distance_sq_median": 1.8},
    ]
    result = {"frames": 15, "tau": 1.0936, "distances": rows}
    daemon.will_tell("check", {}, {"phase": "done", "result": result})
    ran = run("residents", "check", "barack")
    assert ran.code == 0
    first, second, third = ran.out.splitlines()
    assert first == "15 frames, tau 1.0936"
    assert second.startswith("* Barack")
    assert second.endswith("D 0.7000 (best 0.6100) within tau")
    assert third.endswith("D 1.8000 (best 1.6000) beyond tau")


def test_unlock_and_status_print_the_answer(run: Run, daemon: Daemon) -> None:
    daemon.answers["unlock"] = [{"released_s": 5.0}]
    assert run("unlock", "--reason", "parcel").out == "released for 5 s\n"
    daemon.answers["status"] = [{"door": "front", "contact": None, "off": off} for off in ([], ["a", "b"])]
    assert run("status").out == "door       front\ncontact    unknown\noff        nothing\n"
    assert run("status").out.endswith("off        a; b\n")


def test_camera_check_leaves_the_daemons_camera_alone(run: Run, daemon: Daemon) -> None:
    ran = run("camera", "check")
    assert ran.code == 6
    assert "the daemon holds the camera" in ran.err


def test_changes_go_through_the_daemon(run: Run, daemon: Daemon) -> None:
    daemon.answers["disable"] = [{"name": "Barack"}]
    assert run("residents", "disable", "barack").out == "Barack disabled\n"
    assert [verb for verb, _ in daemon.asked] == ["disable"]


def test_residents_are_listed_by_the_daemon_page_by_page(run: Run, daemon: Daemon) -> None:
    facts = {"enabled": True, "templates": 1, "created": "2026-01-02T03:04:05+00:00", "consent": None}
    ada, bob = ({"id": letter * 16, "name": name, **facts} for letter, name in (("a", "Ada"), ("b", "Bob")))
    daemon.answers["residents_list"] = [
        {"residents": [ada], "more": True},
        {"residents": [bob], "more": False},
    ]
    ran = run("residents", "list")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["name", "Ada", "Bob"]
    assert daemon.asked[1] == ("residents_list", {"after": "a" * 16, "limit": 20})
    daemon.answers["residents_show"] = [ada]
    assert run("residents", "show", "ada", "--json").json["name"] == "Ada"
