"""The command line on an installation of its own, in this process, with the real models."""

from __future__ import annotations

from pathlib import Path

import pytest
from standins.command_line import Ran, Run

from doorguard.cli.main import main


@pytest.fixture
def config(tmp_path: Path, runtime: str) -> Path:
    """A settings file on the runtime under test."""
    file = tmp_path / "doorguard.yaml"
    file.write_text(f"runtime: {runtime}\n")
    return file


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config: Path, state: Path
) -> Run:
    """Run one command and return what a shell would see."""
    monkeypatch.setenv("DOORGUARD_CONFIG", str(config))
    monkeypatch.setenv("DOORGUARD_STATE_DIR", str(state))
    monkeypatch.setenv("DOORGUARD_RUNTIME_DIR", str(state / "run"))

    def _run(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Ran(code, told.out, told.err)

    return _run
