"""Events, explanations and the audit chain, as a person asks for them."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
from standins.command_line import Run

from doorguard.cli import log
from doorguard.cli.main import main
from doorguard.photos import path


@pytest.fixture
def barack(run: Run) -> Run:
    assert run("enroll", "Barack", path("obama-2012")).code == 0
    assert run("residents", "disable", "Barack").code == 0
    return run


def test_events_lists_oldest_first_without_names(barack: Run) -> None:
    ran = barack("events")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["1", "2"]
    assert "Barack" not in ran.out


def test_events_json_is_one_object_a_line(barack: Run) -> None:
    rows = [json.loads(line) for line in barack("events", "--json", "--limit", "1").out.splitlines()]
    assert [row["kind"] for row in rows] == ["disabled"]
    assert set(rows[0]) == {
        *("id", "kind", "at", "clock_synced", "boot_id", "monotonic_s", "door", "resident", "detail")
    }


def test_events_empty_store_prints_nothing(run: Run) -> None:
    assert run("events").code == 0


def test_events_follow_sees_a_store_made_later_and_one_put_back(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def passphrase() -> str:
        reader, writer = os.pipe()
        os.write(writer, b"correct horse\n")
        os.close(writer)
        return str(reader)

    def step(_: float) -> None:
        if not steps:
            raise KeyboardInterrupt
        assert main([str(word) for word in steps.pop(0)]) == 0

    sealed = tmp_path / "house.dgb"
    steps: list[tuple[str | Path, ...]] = [
        ("enroll", "Barack", path("obama-2012")),
        ("backup", sealed, "--passphrase-fd", passphrase()),
        ("residents", "disable", "Barack"),
        ("residents", "enable", "Barack"),
        ("restore", sealed, "--passphrase-fd", passphrase()),
        ("residents", "disable", "Barack"),
    ]
    monkeypatch.setattr(log, "time", SimpleNamespace(sleep=step))
    ran = run("events", "--follow")
    shown = [line.split()[0] for line in ran.out.splitlines() if line.startswith(" ")]
    assert shown == ["1", "2", "3", "2", "3"]
    assert "the store was restored" in ran.out
    assert ran.code == 130


def test_explain_names_the_resident_of_now(barack: Run) -> None:
    ran = barack("explain", "1")
    assert "A resident was enrolled." in ran.out
    assert "Barack" in ran.out
    assert barack("explain", "99").code == 2


def test_audit_edit_shows_with_its_row(barack: Run, state: Path) -> None:
    assert barack("audit", "verify").out.startswith("audit chain whole: 2 rows, head 2:")
    with sqlite3.connect(state / "doorguard.db") as database:
        database.execute("UPDATE events SET payload = replace(payload, 'enrolled', 'x') WHERE event_id = 1")
    database.close()
    ran = barack("audit", "verify")
    assert ran.code == 5
    assert "row 1" in ran.err


def test_audit_checkpoint_shows_a_cut_tail(barack: Run, state: Path) -> None:
    head = barack("audit", "checkpoint").out.strip()
    assert barack("audit", "verify", "--head", head).code == 0
    with sqlite3.connect(state / "doorguard.db") as database:
        database.execute("DELETE FROM events WHERE event_id = 2")
    database.close()
    assert barack("audit", "verify").code == 0
    assert barack("audit", "verify", "--head", head).code == 5
    assert barack("audit", "verify", "--head", "nonsense").code == 2
