"""The two socket files: where they are made, whose they are, and who is at the other end."""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from doorguard.control.protocol import Channel, Peer
from doorguard.errors import ControlError

GROUPS = {Channel.STATUS: "doorguard", Channel.CONTROL: "doorguard-admin"}
"""The group that may use each socket, where the machine has it; else only the owner may."""

BACKLOG = 64
_PROBE_S = 0.5
_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket and its file, known by inode so that no other daemon's file is removed."""

    socket: socket.socket
    path: Path
    channel: Channel
    inode: int

    def close(self) -> None:
        """Remove the file if it is still ours, then stop listening."""
        with contextlib.suppress(OSError):
            if self.path.lstat().st_ino == self.inode:
                self.path.unlink()
        self.socket.close()


def listen(path: Path, channel: Channel) -> Listener:
    """Make the socket file and listen.

    Nobody can connect between `bind` and `listen`, so the mode is set before the first client can come.

    Raises
    ------
    ControlError : a daemon answers there already, or the file cannot be made.

    """
    _clear(path)
    endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        endpoint.bind(str(path))
        _give(path, GROUPS[channel])
        endpoint.listen(BACKLOG)
        return Listener(endpoint, path, channel, path.lstat().st_ino)
    except OSError as error:
        endpoint.close()
        raise ControlError(f"cannot listen at {path}: {error.strerror or error}") from error


def prepare_folder(folder: Path, *, shared: bool) -> None:
    """Make the sockets' folder, and refuse one in which others could put a socket of theirs.

    Parameters
    ----------
    folder
        made with its parents when it is not there.
    shared
        whether the machine's groups must reach it (0755) or only its owner (0700).

    Raises
    ------
    ControlError : it cannot be made, belongs to another user, or others may write to it.

    """
    try:
        folder.mkdir(mode=0o755 if shared else 0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise ControlError(f"cannot make the folder {folder}: {error.strerror}") from error
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ControlError(f"others may write to {folder}; make it yours alone: chmod go-w {folder}")


def peer_of(connection: socket.socket) -> Peer:
    """Return who connected, as the kernel noted it at that moment; raises `OSError`."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return Peer(uid=uid, pid=pid)


def _clear(path: Path) -> None:
    """Remove a socket file nobody answers at; raises `ControlError` when it is in use, or no socket."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ControlError(f"{path} is in the way and no socket; remove it")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PROBE_S)
            probe.connect(str(path))
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
        return
    except OSError as error:
        raise ControlError(f"cannot tell whether {path} is in use: {error.strerror or error}") from error
    raise ControlError(f"a daemon answers at {path} already; stop it first")


def _give(path: Path, group: str) -> None:
    """0660 for the group where it exists and we may give the file to it, else 0600."""
    path.chmod(0o600)
    with contextlib.suppress(KeyError, PermissionError):
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
        path.chmod(0o660)
