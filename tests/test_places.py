"""Which installation a command means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from doorguard import places
from doorguard.places import SYSTEM_CONFIG, SYSTEM_RUNTIME, SYSTEM_STATE, Places, find_places


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """The settings file of a machine's installation, not there yet."""
    return tmp_path / "etc" / "doorguard.yaml"


def install(system: Path) -> None:
    system.parent.mkdir()
    system.write_text("", encoding="utf-8")


def test_user_without_anything_gets_his_own_folders_and_the_defaults(home: Path, system: Path) -> None:
    found = find_places(None, {"HOME": str(home)}, system_config=system)
    own = home / ".local" / "state" / "doorguard"
    assert found == Places(None, own, own / "run", system=False)


def test_user_with_xdg_variables_gets_those_folders(tmp_path: Path, home: Path, system: Path) -> None:
    environ = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(tmp_path / "c"),
        "XDG_STATE_HOME": str(tmp_path / "s"),
        "XDG_RUNTIME_DIR": str(tmp_path / "r"),
    }
    config = tmp_path / "c" / "doorguard" / "doorguard.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("", encoding="utf-8")
    found = find_places(None, environ, system_config=system)
    assert found == Places(config, tmp_path / "s" / "doorguard", tmp_path / "r" / "doorguard", system=False)


def test_relative_xdg_values_are_ignored(home: Path, system: Path) -> None:
    environ = {"HOME": str(home), "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "run"}
    found = find_places(None, environ, system_config=system)
    assert found.state == home / ".local" / "state" / "doorguard"
    assert found.runtime == found.state / "run"


def test_user_without_home_gets_the_one_of_the_password_file(
    tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_places(None, {}, system_config=system).state.is_relative_to(tmp_path)


def test_system_file_means_the_system_whoever_types(home: Path, system: Path) -> None:
    install(system)
    found = find_places(None, {"HOME": str(home)}, system_config=system)
    assert found == Places(system, SYSTEM_STATE, SYSTEM_RUNTIME, system=True)


def test_system_ignores_variables_that_would_move_its_folders(home: Path, system: Path) -> None:
    install(system)
    environ = {"HOME": str(home), "DOORGUARD_STATE_DIR": "/elsewhere", "DOORGUARD_RUNTIME_DIR": "/elsewhere"}
    assert find_places(None, environ, system_config=system).state == SYSTEM_STATE


def test_system_folder_that_may_not_be_entered_still_means_the_system(
    home: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(self: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(places.Path, "stat", forbidden)
    assert find_places(None, {"HOME": str(home)}, system_config=system).system


def test_file_in_the_way_of_the_system_folder_means_no_system(home: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("", encoding="utf-8")
    assert not find_places(
        None, {"HOME": str(home)}, system_config=tmp_path / "etc" / "doorguard.yaml"
    ).system


def test_named_file_wins_over_the_system(tmp_path: Path, home: Path, system: Path) -> None:
    install(system)
    found = find_places(tmp_path / "mine.yaml", {"HOME": str(home)}, system_config=system)
    assert (found.config, found.system) == (tmp_path / "mine.yaml", False)


def test_option_wins_over_the_variable(tmp_path: Path, home: Path, system: Path) -> None:
    environ = {"HOME": str(home), "DOORGUARD_CONFIG": str(tmp_path / "b.yaml")}
    assert find_places(tmp_path / "a.yaml", environ, system_config=system).config == tmp_path / "a.yaml"
    assert find_places(None, environ, system_config=system).config == tmp_path / "b.yaml"


def test_empty_variable_names_nothing(home: Path, system: Path) -> None:
    environ = {"HOME": str(home), "DOORGUARD_CONFIG": ""}
    assert find_places(None, environ, system_config=system).config is None


def test_named_installation_may_have_its_folders_moved(tmp_path: Path, home: Path, system: Path) -> None:
    environ = {
        "HOME": str(home),
        "DOORGUARD_STATE_DIR": str(tmp_path / "s"),
        "DOORGUARD_RUNTIME_DIR": str(tmp_path / "r"),
    }
    found = find_places(tmp_path / "mine.yaml", environ, system_config=system)
    assert (found.state, found.runtime) == (tmp_path / "s", tmp_path / "r")


def test_system_file_named_by_hand_is_the_system(home: Path, system: Path) -> None:
    install(system)
    assert find_places(system, {"HOME": str(home)}, system_config=system).system


def test_link_to_the_system_file_is_the_system(tmp_path: Path, home: Path, system: Path) -> None:
    install(system)
    link = tmp_path / "link.yaml"
    link.symlink_to(system)
    assert find_places(link, {"HOME": str(home)}, system_config=system).system


def test_files_of_an_installation_stand_in_its_folders(tmp_path: Path) -> None:
    own = Places(None, tmp_path / "s", tmp_path / "r", system=False)
    assert (own.store, own.key) == (tmp_path / "s" / "doorguard.db", tmp_path / "s" / "store.key")
    assert (own.status_socket, own.control_socket) == (
        tmp_path / "r" / "status.sock",
        tmp_path / "r" / "control.sock",
    )


def test_system_settings_stand_where_systemd_puts_them() -> None:
    assert (str(SYSTEM_CONFIG), str(SYSTEM_STATE), str(SYSTEM_RUNTIME)) == (
        "/etc/doorguard/doorguard.yaml",
        "/var/lib/doorguard",
        "/run/doorguard",
    )
