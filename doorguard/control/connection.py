"""One client's connection as a small state machine: read a line, wait for the answer, write it, gone."""

from __future__ import annotations

import socket
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

from doorguard.control.protocol import ANSWER_WITHIN_S, MAX_LINE_BYTES, Channel, Peer


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the daemon its clients may have.

    Parameters
    ----------
    connections : open at once; beyond it, the user with most of them loses the oldest unfinished line.
    per_uid : open at once for one user.
    line_s : seconds a client has to send its line; so a client that trickles bytes is gone soon.
    answer_s : seconds from the connection to the answer, below the two that clients wait.
    workers : requests carried out at once per socket.

    """

    connections: int = 32
    per_uid: int = 8
    line_s: float = 1.0
    answer_s: float = ANSWER_WITHIN_S - 0.2
    workers: int = 2


class Phase(StrEnum):
    """How far a connection is."""

    READING = "reading"
    RUNNING = "running"
    WRITING = "writing"
    DONE = "done"


@dataclass(slots=True, eq=False)
class Connection:
    """A non-blocking socket and what has come and what is to go.

    Parameters
    ----------
    socket : non-blocking; closed by `close`.
    opened_s : monotonic seconds at which it was accepted.
    due_s : monotonic seconds at which the phase must be over.

    """

    socket: socket.socket
    peer: Peer
    channel: Channel
    opened_s: float
    due_s: float
    phase: Phase = Phase.READING
    future: Future[bytes] | None = None
    _received: bytearray = field(default_factory=bytearray)
    _unsent: memoryview = field(default_factory=lambda: memoryview(b""))

    def read(self) -> bytes | None:
        """Take what has come; return the line once it is whole, an over-long one included, else None.

        A client that hung up before its newline ends the connection.
        """
        chunk = self.socket.recv(MAX_LINE_BYTES)
        self._received += chunk
        # only the new bytes are searched, so that a line sent byte by byte costs no more than another
        if b"\n" in chunk or len(self._received) > MAX_LINE_BYTES:
            return bytes(self._received.partition(b"\n")[0])
        if not chunk:
            self.phase = Phase.DONE
        return None

    def begin_reply(self, line: bytes, due_s: float) -> None:
        """Write the answer as far as it goes; the rest is for `write`. Raises `OSError`."""
        self.phase, self.due_s, self._unsent = Phase.WRITING, due_s, memoryview(line)
        self.write()

    def write(self) -> None:
        """Write on; a client that hung up raises `OSError`."""
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent, socket.MSG_NOSIGNAL) :]
        except BlockingIOError:
            return
        if not self._unsent:
            self.phase = Phase.DONE

    def close(self) -> None:
        """Hang up; work not begun for it is not begun any more."""
        self.phase = Phase.DONE
        if self.future is not None:
            self.future.cancel()
        self.socket.close()
