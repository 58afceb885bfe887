"""The daemon's sockets: one thread moves every byte, so no client, slow or hostile, holds up another."""

from __future__ import annotations

import contextlib
import logging
import queue
import selectors
import socket
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from doorguard.control import protocol
from doorguard.control.connection import Connection, Limits, Phase
from doorguard.control.protocol import Channel, Request
from doorguard.control.sockets import Listener, listen, peer_of, prepare_folder
from doorguard.control.verbs import check_request
from doorguard.errors import ControlError, DoorguardError
from doorguard.places import Places

_log = logging.getLogger(__name__)

Execute = Callable[[Request], Mapping[str, object]]
"""Carries out one validated request; raises `DoorguardError` to refuse. Must return by its deadline."""

_JOIN_S = 1.0
_BREATH_S = 0.05


class ControlServer:
    """Listens on both sockets from `start` to `stop`; also a context manager.

    Parameters
    ----------
    places : the installation; the sockets go to its runtime folder.
    execute : called on a worker thread with requests that stand in the table and were validated.
    limits : for tests.

    """

    def __init__(self, places: Places, execute: Execute, *, limits: Limits | None = None) -> None:
        self._places = places
        self._execute = execute
        self._limits = limits or Limits()
        self._stopping = threading.Event()
        self._finished: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._connections: dict[Connection, None] = {}
        self._listeners: list[Listener] = []
        self._pools: dict[Channel, ThreadPoolExecutor] = {}
        self._selector = selectors.DefaultSelector()
        self._bell, self._rope = socket.socketpair()  # whoever pulls the rope wakes the thread
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        self._thread = threading.Thread(target=self._serve, name="doorguard-control", daemon=True)

    def start(self) -> None:
        """Make the sockets and listen; raises `ControlError` and leaves nothing behind."""
        try:
            prepare_folder(self._places.runtime, shared=self._places.system)
            for channel, path in (
                (Channel.STATUS, self._places.status_socket),
                (Channel.CONTROL, self._places.control_socket),
            ):
                listener = listen(path, channel)
                self._listeners.append(listener)
                self._selector.register(listener.socket, selectors.EVENT_READ, listener)
                self._pools[channel] = ThreadPoolExecutor(self._limits.workers, f"doorguard-{channel}")
            self._selector.register(self._bell, selectors.EVENT_READ, None)
            self._thread.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove the sockets, hang up on everybody; returns within about a second. Twice does nothing."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._ring()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            self._drop(connection)
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        self._selector.close()
        self._bell.close()
        self._rope.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001  one client's fault must not cost the others the daemon
                _log.error("control: %s", _place(error))
                self._stopping.wait(_BREATH_S)

    def _turn(self) -> None:
        """Wait for something to happen and deal with it."""
        for key, _ in self._selector.select(self._pause_s()):
            if isinstance(key.data, Listener):
                self._accept(key.data)
            elif key.data in self._connections:  # not one that was dropped earlier in this turn
                self._advance(key.data)
        self._collect()
        self._expire(time.monotonic())

    def _pause_s(self) -> float | None:
        """Seconds until the next connection is due; None while there is none."""
        due_s = min((connection.due_s for connection in self._connections), default=None)
        return None if due_s is None else max(due_s - time.monotonic(), 0.0)

    def _accept(self, listener: Listener) -> None:
        """Take in whoever waits, a bounded number of them, so that those inside have their turn too."""
        for _ in range(self._limits.connections):
            try:
                raw, _ = listener.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:  # out of descriptors: they stay in the queue, so look again later
                _log.warning("control: cannot accept a client: %s", error.strerror)
                self._stopping.wait(_BREATH_S)
                return
            self._welcome(raw, listener)

    def _welcome(self, raw: socket.socket, listener: Listener) -> None:
        raw.setblocking(False)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * protocol.MAX_LINE_BYTES)
        now_s = time.monotonic()
        connection = Connection(raw, peer_of(raw), listener.channel, now_s, now_s + self._limits.line_s)
        has_room = self._make_room(connection)
        self._connections[connection] = None
        self._selector.register(raw, selectors.EVENT_READ, connection)
        if not has_room:
            self._refuse(connection, ControlError("the daemon is busy with other requests; try again"))

    def _make_room(self, newcomer: Connection) -> bool:
        """Hang up on the oldest unfinished line of whoever crowds this socket; False if there is none."""
        inside = [each for each in self._connections if each.channel is newcomer.channel]
        held = Counter(each.peer.uid for each in inside)
        if held[newcomer.peer.uid] >= self._limits.per_uid:
            crowd = newcomer.peer.uid
        elif len(inside) >= self._limits.connections:
            crowd = held.most_common(1)[0][0]
        else:
            return True
        silent = [each for each in inside if each.peer.uid == crowd and each.phase is Phase.READING]
        for connection in silent:
            self._advance(connection)  # its line may have come meanwhile
            if connection.phase is Phase.RUNNING:
                continue
            if connection in self._connections:
                self._refuse(
                    connection, ControlError("too many requests at once, so this was dropped unread")
                )
            return True
        return False

    def _advance(self, connection: Connection) -> None:
        """Read what has come; whatever a client sends or does ends at most its own connection."""
        try:
            line = connection.read()
            if line is not None:
                self._begin(connection, line)
        except DoorguardError as error:
            self._refuse(connection, error)
        except OSError:
            self._drop(connection)

    def _begin(self, connection: Connection, line: bytes) -> None:
        """Validate a line and hand it to a worker; raises `DoorguardError` to refuse."""
        verb, raw = protocol.decode_request(line)
        deadline_s = connection.opened_s + self._limits.answer_s
        request = Request(
            verb=verb,
            args=check_request(verb, raw, connection.channel),
            peer=connection.peer,
            channel=connection.channel,
            deadline_s=deadline_s,
        )
        connection.phase, connection.due_s = Phase.RUNNING, deadline_s
        self._selector.unregister(connection.socket)
        connection.future = self._pools[connection.channel].submit(self._run, request)
        connection.future.add_done_callback(lambda _: self._announce(connection))

    def _run(self, request: Request) -> bytes:
        """Carry a request out on a worker thread and return the line that answers it."""
        try:
            return protocol.encode_result(self._execute(request))
        except DoorguardError as error:
            return protocol.encode_error(error)
        except BaseException as error:  # noqa: BLE001  a fault in one verb must not take the sockets down
            _log.error("control: %s failed: %s", request.verb, _place(error))
            return protocol.encode_error(
                ControlError(f"{request.verb} failed inside; see the daemon's journal")
            )

    def _announce(self, connection: Connection) -> None:
        """Tell the serving thread that a worker is done."""
        self._finished.put(connection)
        self._ring()

    def _ring(self) -> None:
        """Wake the serving thread; a full bell has woken it already, a closed one is not needed."""
        with contextlib.suppress(OSError):
            self._rope.send(b"x")

    def _collect(self) -> None:
        """Send the answers that workers have finished."""
        with contextlib.suppress(BlockingIOError):
            self._bell.recv(4096)
        while not self._finished.empty():
            connection = self._finished.get()
            future = connection.future
            if connection.phase is Phase.RUNNING and future is not None and not future.cancelled():
                self._drop(connection, future.result())

    def _expire(self, now_s: float) -> None:
        """End every connection whose time is up, saying why."""
        for connection in [each for each in self._connections if each.due_s <= now_s]:
            if connection.phase is Phase.READING:
                self._refuse(connection, ControlError("no whole line came in time"))
            else:
                self._refuse(connection, _late(connection))

    def _refuse(self, connection: Connection, error: DoorguardError) -> None:
        _log.info("control: refused %s: %s", connection.peer.actor, type(error).__name__)
        self._drop(connection, protocol.encode_error(error))

    def _drop(self, connection: Connection, last_line: bytes = b"") -> None:
        """Send the last line, hang up and forget."""
        del self._connections[connection]
        with contextlib.suppress(KeyError):  # one whose request runs is not watched any more
            self._selector.unregister(connection.socket)
        connection.finish(last_line)


def _place(error: BaseException) -> str:
    """Name an error's type and place only: its text could hold a name."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {frame.filename}:{frame.lineno}"


def _late(connection: Connection) -> ControlError:
    """Say truthfully whether the request can still take effect."""
    if connection.future is not None and connection.future.cancel():
        return ControlError("the daemon did not get to it in time; nothing was changed; try again")
    return ControlError("the daemon is not done with it yet; look whether it took effect before trying again")
