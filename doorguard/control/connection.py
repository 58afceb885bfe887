"""One client's connection: read a line, wait for the answer, send it, gone."""

from __future__ import annotations

import contextlib
import socket
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

from doorguard.control.protocol import ANSWER_WITHIN_S, MAX_LINE_BYTES, Channel, Peer


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the daemon its clients may have, on each of the two sockets.

    Parameters
    ----------
    connections : open at once; beyond it, the user with most of them loses the oldest unfinished line.
    per_uid : open at once for one user.
    line_s : seconds a client has to send its line; so a client that trickles bytes is gone soon.
    answer_s : seconds from the connection to the answer, below the two that clients wait.
    workers : requests carried out at once per socket.

    """

    connections: int = 64
    per_uid: int = 32
    line_s: float = 1.0
    answer_s: float = ANSWER_WITHIN_S - 0.2
    workers: int = 2


class Phase(StrEnum):
    """How far a connection is."""

    READING = "reading"
    RUNNING = "running"
    DONE = "done"


@dataclass(slots=True, eq=False)
class Connection:
    """A non-blocking socket and what has come.

    Parameters
    ----------
    socket : non-blocking; closed by `finish`.
    opened_s : monotonic seconds at which it was accepted.
    due_s : monotonic seconds at which the phase must be over.
    future : the answer's line, once a worker has the request.

    """

    socket: socket.socket
    peer: Peer
    channel: Channel
    opened_s: float
    due_s: float
    phase: Phase = Phase.READING
    future: Future[bytes] | None = None
    _received: bytearray = field(default_factory=bytearray)

    def read(self) -> bytes | None:
        """Take what has come; return the line once it is whole, an over-long one included, else None.

        Raises
        ------
        OSError : the client hung up before its newline.

        """
        try:
            chunk = self.socket.recv(MAX_LINE_BYTES)
        except BlockingIOError:
            return None
        self._received += chunk
        # only the new bytes are searched, so that a line sent byte by byte costs no more than another
        if b"\n" in chunk or len(self._received) > MAX_LINE_BYTES:
            return bytes(self._received.partition(b"\n")[0])
        if not chunk:
            raise ConnectionResetError
        return None

    def finish(self, line: bytes) -> None:
        """Leave the answer to the kernel and hang up; work not begun for it is not begun any more.

        The longest line fits the socket's buffer, so nobody waits for a client that does not read.
        """
        self.phase = Phase.DONE
        if self.future is not None:
            self.future.cancel()
        with self.socket, contextlib.suppress(OSError):
            self.socket.send(line, socket.MSG_NOSIGNAL)
