"""config show, backup and restore, and what every command says when it cannot."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from standins.command_line import Run

from doorguard.photos import path


def test_config_show_prints_the_promise(run: Run) -> None:
    ran = run("config", "show")
    assert ran.code == 0
    assert "match.target_false_accepts" in ran.out
    assert "tau 1.0924 (measured) for 0 enabled templates" in ran.out
    assert "at most 2.2 wrong openings a year" in ran.out


def test_config_show_fixed_tau_is_marked(run: Run, config: Path) -> None:
    config.write_text("match: {tau: 1.2}\n")
    assert "tau 1.2000 (set by hand" in run("config", "show").out
    assert run("config", "show", "--json").json["match"]["kind"] == "fixed"


def test_config_wrong_lists_every_problem(run: Run, config: Path) -> None:
    config.write_text("strike: {pin: 99}\nliveliness: on\nmatch: {margin: 3 cm}\n")
    ran = run("run")
    assert ran.code == 3
    for key in ("strike.pin", "liveliness", "match.margin"):
        assert key in ran.err


def test_unknown_model_is_refused(run: Run, config: Path) -> None:
    config.write_text("vision: {encoder: no-such-model}\n")
    assert run("verify", path("collins"), path("collins")).code == 4


def test_settings_that_any_user_may_write_are_refused(run: Run, config: Path) -> None:
    config.chmod(0o646)
    ran = run("config", "show")
    assert ran.code == 3
    assert "chmod o-w" in ran.err


def test_config_show_of_a_store_one_may_not_look_at_says_sudo(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Path.stat

    def forbid(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if self.name == "doorguard.db":
            raise PermissionError(13, "Permission denied")
        return look(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", forbid)
    ran = run("config", "show")
    assert ran.code == 2
    assert "run with sudo" in ran.err


def test_backup_restores_on_another_machine(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("enroll", "Barack", path("obama-2012"))
    sealed = tmp_path / "house.dgb"
    assert run("backup", sealed, "--passphrase-fd", _pipe("correct horse")).code == 0
    assert b"Barack" not in sealed.read_bytes()
    monkeypatch.setenv("DOORGUARD_STATE_DIR", str(tmp_path / "elsewhere"))
    assert run("restore", sealed, "--passphrase-fd", _pipe("wrong horses")).code == 5
    ran = run("restore", sealed, "--passphrase-fd", _pipe("correct horse"))
    assert ran.code == 0
    assert ran.out.startswith("restored 1 resident from ")
    assert run("identify", path("obama-2009"), "--json").json["resident"] == "Barack"


def test_restore_drops_whoever_was_erased_since(run: Run, tmp_path: Path) -> None:
    run("enroll", "Barack", path("obama-2012"))
    run("enroll", "Eileen", path("collins"))
    sealed = tmp_path / "house.dgb"
    run("backup", sealed, "--passphrase-fd", _pipe("correct horse"))
    run("residents", "remove", "Eileen", "--yes")
    ran = run("restore", sealed, "--passphrase-fd", _pipe("correct horse"))
    assert ran.out.endswith("1 erased since then stayed erased\n")
    assert [person["name"] for person in run("residents", "list", "--json").json] == ["Barack"]


def test_backup_of_a_broken_chain_warns(run: Run, tmp_path: Path, state: Path) -> None:
    run("enroll", "Barack", path("obama-2012"))
    with sqlite3.connect(state / "doorguard.db") as database:
        database.execute("UPDATE events SET payload = replace(payload, 'enrolled', 'x')")
    database.close()
    ran = run("backup", tmp_path / "house.dgb", "--passphrase-fd", _pipe("correct horse"))
    assert ran.code == 0
    assert "warning: the audit chain is broken" in ran.err


def test_backup_poor_passphrase_is_refused(run: Run, tmp_path: Path) -> None:
    for passphrase in ("short", "x" * 2000, "\udcff" * 9):
        assert run("backup", tmp_path / "x.dgb", "--passphrase-fd", _pipe(passphrase)).code == 2
    assert run("backup", tmp_path / "x.dgb", "--passphrase-fd", "99").code == 2
    assert run("backup", tmp_path / "x.dgb").code == 2  # no terminal to ask at


def _pipe(text: str) -> str:
    """A file descriptor with one line to read, its other end closed."""
    reader, writer = os.pipe()
    os.write(writer, text.encode("utf-8", "surrogateescape") + b"\n")
    os.close(writer)
    return str(reader)


@pytest.mark.parametrize("command", ["status", "unlock"])
def test_no_daemon_is_said_plainly(run: Run, command: str) -> None:
    ran = run(command, *(["--reason", "parcel"] if command == "unlock" else []))
    assert ran.code == 8
    assert ran.err.count("\n") == 1
    assert "doorguard run" in ran.err


def test_help_and_version_from_a_shell() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "doorguard", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "enroll" in help_text
    version = subprocess.run(
        [sys.executable, "-m", "doorguard", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert version.startswith("doorguard ")
