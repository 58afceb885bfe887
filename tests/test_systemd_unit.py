"""The unit and the code agree on folders, on the command and on who feeds the watchdog."""

from __future__ import annotations

from pathlib import Path

import pytest

from doorguard.config import Settings
from doorguard.places import SYSTEM_CONFIG, SYSTEM_RUNTIME, SYSTEM_STATE


@pytest.fixture
def unit(root: Path) -> dict[str, str]:
    lines = (root / "systemd" / "doorguard.service").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_unit_folders_are_those_of_the_system_installation(unit: dict[str, str]) -> None:
    assert Path("/var/lib") / unit["StateDirectory"] == SYSTEM_STATE
    assert Path("/run") / unit["RuntimeDirectory"] == SYSTEM_RUNTIME
    assert Path("/etc") / unit["ConfigurationDirectory"] == SYSTEM_CONFIG.parent


def test_unit_notifies_and_is_watched_longer_than_a_camera_may_be_silent(unit: dict[str, str]) -> None:
    assert unit["Type"] == "notify"
    assert float(unit["WatchdogSec"]) > Settings().camera.lost_after_s


def test_unit_runs_the_daemon_and_reloads_it_by_signal(unit: dict[str, str]) -> None:
    assert unit["ExecStart"].endswith("/doorguard run")
    assert unit["ExecReload"].split()[1] == "-HUP"


def test_unit_waits_longer_for_the_stop_than_the_stop_takes(unit: dict[str, str]) -> None:
    assert float(unit["TimeoutStopSec"]) > 2


def test_unit_leaves_no_core_with_the_key_in_it(unit: dict[str, str]) -> None:
    assert unit["LimitCORE"] == "0"
