"""Ask the running daemon: one connection, one line there, one line back."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doorguard.control import protocol
from doorguard.control.protocol import ANSWER_WITHIN_S, MAX_LINE_BYTES
from doorguard.errors import ControlError, NotAllowedError
from doorguard.places import Places

_PATH_BYTES_MAX = 107  # sockaddr_un of unix(7): 108 with the closing zero
_TIMEVAL = struct.Struct("ll")  # struct timeval: seconds, microseconds


def call(
    path: Path, verb: str, args: Mapping[str, object] | None = None, *, timeout_s: float = ANSWER_WITHIN_S
) -> dict[str, Any]:
    """Return the daemon's result, or raise the error it raised.

    Parameters
    ----------
    path
        the socket; `Places.status_socket` or `Places.control_socket`.
    verb, args
        a row of `control.verbs.VERBS` and its arguments.
    timeout_s
        seconds for everything together, connecting included.

    Raises
    ------
    NotAllowedError : the socket is another group's.
    ControlError : nobody answers there, in time, or sensibly.
    DoorguardError : whatever class the daemon raised.

    """
    line = protocol.encode_request(verb, args or {})
    deadline_s = time.monotonic() + timeout_s
    try:
        with _connect(path, timeout_s) as connection:
            # a server that refuses before it has read all has left its reason to be read
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(line)
            return protocol.decode_reply(_read_line(connection, deadline_s))
    except (TimeoutError, BlockingIOError) as error:
        raise ControlError(
            f"the daemon at {path} did not answer within {timeout_s:g} s; see its journal"
        ) from error
    except OSError as error:
        raise _translate(error, path) from error


def daemon_running(places: Places) -> bool:
    """Whether somebody listens at this installation's sockets.

    A socket that may not be opened counts as a running daemon: nobody goes around it for lack of a right.
    """
    for path in (places.control_socket, places.status_socket):
        if len(os.fsencode(path)) > _PATH_BYTES_MAX:
            continue  # nobody can listen there
        try:
            _connect(path, ANSWER_WITHIN_S).close()
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            continue
        except OSError:
            return True
        return True
    return False


def _connect(path: Path, timeout_s: float) -> socket.socket:
    """Connect, waiting in the queue of a crowded daemon; a socket with a Python timeout would not wait."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        whole_s, rest_s = divmod(max(timeout_s, 0.001), 1)
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(int(whole_s), int(rest_s * 1e6))
        )
        connection.connect(str(path))
        connection.settimeout(timeout_s)
    except BaseException:
        connection.close()
        raise
    return connection


def _read_line(connection: socket.socket, deadline_s: float) -> bytes:
    """Read up to the newline or the end, never more than a line may hold; raises `TimeoutError`."""
    received = bytearray()
    while b"\n" not in received and len(received) <= MAX_LINE_BYTES:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        chunk = connection.recv(MAX_LINE_BYTES)
        if not chunk:
            raise ControlError("the daemon hung up without an answer; see its journal")
        received += chunk
    return bytes(received.partition(b"\n")[0])


def _translate(error: OSError, path: Path) -> ControlError | NotAllowedError:
    if isinstance(error, PermissionError):
        return NotAllowedError(f"{path} may not be opened: run with sudo, or join the group it belongs to")
    if isinstance(error, FileNotFoundError | ConnectionRefusedError | NotADirectoryError):
        return ControlError(f"no daemon answers at {path}; start it with: doorguard run")
    return ControlError(f"the daemon at {path} cannot be asked: {error.strerror or error}")
