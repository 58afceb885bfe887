"""A network camera that answers as it is told: with one fixed reply, or never."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def serve(reply: bytes | None) -> Iterator[int]:
    """Listen on a free local port and give it; every request gets `reply` (`@CSEQ@` repeats the request's
    header of that name), or nothing where it is None. An HTTP reply ends the connection."""
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server, reply, connections), daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for connection in connections:
                connection.close()


def _accept(server: socket.socket, reply: bytes | None, connections: list[socket.socket]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            connections.append(connection)
            threading.Thread(target=_answer, args=(connection, reply), daemon=True).start()


def _answer(connection: socket.socket, reply: bytes | None) -> None:
    with suppress(OSError):
        while request := connection.recv(65536):
            if reply is None:
                continue
            header = next((line for line in request.splitlines() if line.lower().startswith(b"cseq")), b"")
            connection.sendall(reply.replace(b"@CSEQ@", header))
            if reply.startswith(b"HTTP"):
                connection.shutdown(socket.SHUT_WR)
                return
