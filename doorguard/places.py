"""Where an installation keeps its files, and which installation a command means.

Three cases, in this order: a settings file named by hand (`--config`, `DOORGUARD_CONFIG`); the system's
installation where `/etc/doorguard/doorguard.yaml` exists, whoever types; else the user's own, under the XDG
directories. A named file in the system's folder means the system's installation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SYSTEM_CONFIG = Path("/etc/doorguard/doorguard.yaml")
SYSTEM_STATE = Path("/var/lib/doorguard")
SYSTEM_RUNTIME = Path("/run/doorguard")


@dataclass(frozen=True, slots=True)
class Places:
    """One installation.

    Parameters
    ----------
    config : the settings file, None where the defaults hold.
    state : folder of the store, its key and its lock.
    runtime : folder of the sockets.
    system : whether this is the machine's installation and not a user's own.

    """

    config: Path | None
    state: Path
    runtime: Path
    system: bool

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.state / "doorguard.db"

    @property
    def key(self) -> Path:
        """The key file, used where there is no systemd credential."""
        return self.state / "store.key"

    @property
    def models(self) -> Path:
        """The folder of encoders added to those of the release."""
        return self.state / "models"

    @property
    def status_socket(self) -> Path:
        """Read-only verbs."""
        return self.runtime / "status.sock"

    @property
    def control_socket(self) -> Path:
        """Every verb."""
        return self.runtime / "control.sock"


def find_places(
    named: Path | None, environ: Mapping[str, str], *, system_config: Path = SYSTEM_CONFIG
) -> Places:
    """Decide which installation is meant.

    `named` is what `--config` gave; `DOORGUARD_CONFIG` in `environ` comes next. `DOORGUARD_STATE_DIR` and
    `DOORGUARD_RUNTIME_DIR` (systemd's `STATE_DIRECTORY`, `RUNTIME_DIRECTORY` likewise) move the folders of
    an installation named by hand, never those of the system's.
    """
    if named is None and environ.get("DOORGUARD_CONFIG"):
        named = Path(environ["DOORGUARD_CONFIG"])
    is_system = _same_file(named, system_config) if named is not None else _exists(system_config)
    if is_system:
        return Places(system_config, SYSTEM_STATE, SYSTEM_RUNTIME, system=True)
    state = environ.get("DOORGUARD_STATE_DIR")
    runtime = environ.get("DOORGUARD_RUNTIME_DIR")
    config = named if named is not None else _user_config(environ)
    return Places(
        config,
        Path(state) if state else _xdg(environ, "XDG_STATE_HOME", ".local/state") / "doorguard",
        Path(runtime) if runtime else _user_runtime(environ),
        system=False,
    )


def _exists(path: Path) -> bool:
    """Whether the file exists; a folder that may not be entered counts as existing (fail closed)."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _same_file(left: Path, right: Path) -> bool:
    return left.absolute() == right.absolute() or (
        left.exists() and _exists(right) and os.access(right, os.R_OK) and left.samefile(right)
    )


def _xdg(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    """Return an XDG base directory; a relative value is ignored, as the specification asks."""
    value = environ.get(variable, "")
    return Path(value) if value.startswith("/") else Path(environ.get("HOME") or Path.home()) / fallback


def _user_config(environ: Mapping[str, str]) -> Path | None:
    file = _xdg(environ, "XDG_CONFIG_HOME", ".config") / "doorguard" / "doorguard.yaml"
    return file if file.exists() else None


def _user_runtime(environ: Mapping[str, str]) -> Path:
    """The sockets' folder: XDG_RUNTIME_DIR, else inside the state folder (never a shared /tmp)."""
    value = environ.get("XDG_RUNTIME_DIR", "")
    if value.startswith("/"):
        return Path(value) / "doorguard"
    return _xdg(environ, "XDG_STATE_HOME", ".local/state") / "doorguard" / "run"
