"""Residents: the life of one, from the first photo to the last trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from standins.command_line import Run

from doorguard.photos import path


@pytest.fixture
def barack(run: Run) -> Run:
    assert run("enroll", "Barack", path("obama-2012"), "--consent", "by word").code == 0
    return run


def test_enroll_says_who_and_where(run: Run, state: Path) -> None:
    ran = run("enroll", "Eileen", path("collins"))
    assert ran.out == "Eileen enrolled, 1 template, consent: none recorded\n"
    assert ran.err == f"front door, store {state / 'doorguard.db'}\n"


def test_enroll_without_photo_or_camera_is_usage(run: Run) -> None:
    assert run("enroll", "Ada").code == 2
    assert run("enroll", "Ada", path("collins"), "--camera").code == 2


def test_enroll_name_that_cannot_be_used_is_refused_before_the_photo_is_read(run: Run) -> None:
    ran = run("enroll", "...", "no-such-photo.jpg")
    assert ran.code == 2
    assert "holds no letter" in ran.err


def test_enroll_camera_without_daemon_says_what_is_missing(run: Run) -> None:
    ran = run("enroll", "Ada", "--camera")
    assert ran.code == 8
    assert "doorguard run" in ran.err


def test_enroll_taken_name_needs_add(barack: Run) -> None:
    assert barack("enroll", "barack", path("obama-2009")).code == 13
    assert barack("enroll", "barack", path("obama-2009"), "--add").out.startswith(
        "Barack enrolled, 2 templates"
    )


def test_enroll_lookalike_names_both(barack: Run) -> None:
    ran = barack("enroll", "Double", path("obama-2009"))
    assert ran.code == 14
    assert "Double" in ran.err
    assert "Barack" in ran.err
    assert barack("enroll", "Double", path("obama-2009"), "--force").code == 0


def test_enroll_photos_of_two_people_are_refused(run: Run) -> None:
    ran = run("enroll", "Barack", path("obama-2012"), path("biden-2010"))
    assert ran.code == 12
    assert "same person" in ran.err


def test_residents_life_of_one(barack: Run, state: Path) -> None:
    shown = barack("residents", "show", "BARACK", "--json").json
    assert shown["consent"] == "by word"
    assert shown["consent_at"] is not None
    assert "Barack" in barack("residents", "show", "barack").out
    assert barack("residents", "disable", "barack").out == "Barack disabled\n"
    assert barack("residents", "list", "--json").json[0]["enabled"] is False
    assert barack("identify", path("obama-2009")).code == 20
    assert barack("residents", "enable", "barack").code == 0
    assert barack("residents", "rename", "barack", "Mr President").code == 0
    assert "Mr President" in barack("residents", "list").out
    assert barack("residents", "remove", "mr president", "--yes").code == 0
    assert barack("residents", "list").out.startswith("nobody is enrolled")
    for file in state.rglob("*"):
        assert not file.is_file() or b"Barack" not in file.read_bytes()


def test_residents_remove_asks_first(barack: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert barack("residents", "remove", "barack").code == 1
    assert len(barack("residents", "list", "--json").json) == 1


@pytest.mark.parametrize("verb", [("show",), ("remove", "--yes"), ("disable",), ("enable",)])
def test_residents_unknown_name_is_usage(run: Run, verb: tuple[str, ...]) -> None:
    ran = run("residents", *verb, "Nobody")
    assert ran.code == 2
    assert ran.err.count("\n") == 1


def test_identify_counts_only_enabled_templates(barack: Run) -> None:
    one = barack("identify", path("obama-2009"), "--json").json["tau"]
    barack("enroll", "Eileen", path("collins"))
    two = barack("identify", path("obama-2009"), "--json").json["tau"]
    assert two < one
