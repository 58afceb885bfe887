"""The client when the daemon is absent, silent, rude or somebody else's."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from doorguard.control.client import call, daemon_running
from doorguard.control.protocol import MAX_LINE_BYTES
from doorguard.errors import ControlError, NotAllowedError
from doorguard.places import Places


@contextlib.contextmanager
def rude_daemon(path: Path, behave: Callable[[socket.socket], None]) -> Iterator[None]:
    """Listen at `path` and treat one client as told."""
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            thread.join(10.0)


def answer(line: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.recv(MAX_LINE_BYTES)
        connection.sendall(line)

    return behave


def test_call_without_a_daemon_says_how_to_start_one(places: Places) -> None:
    for path in (places.control_socket, Path("/dev/null/control.sock")):
        with pytest.raises(ControlError, match=r"no daemon answers at .*; start it with: doorguard run"):
            call(path, "ping")


def test_daemon_running_at_a_path_too_long_for_a_socket_is_false(places: Places, tmp_path: Path) -> None:
    deep = replace(places, runtime=tmp_path / ("x" * 100))
    assert not daemon_running(deep)
    with pytest.raises(ControlError, match="too long"):
        call(deep.status_socket, "ping")


def test_call_at_a_dead_daemons_socket_says_how_to_start_one(places: Places) -> None:
    places.runtime.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(places.control_socket))
    with pytest.raises(ControlError, match="no daemon answers"):
        call(places.control_socket, "ping")
    assert not daemon_running(places)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "hung up without an answer"),
        (b'{"ok":true', "hung up without an answer"),
        (b"hello\n", "not one JSON object"),
        (b'{"ok":true,"result":7}\n', "not one this release understands"),
        (b"x" * (2 * MAX_LINE_BYTES), "at most 65536 bytes"),
    ],
)
def test_call_answered_with_nonsense_is_a_control_error(places: Places, line: bytes, message: str) -> None:
    with (
        rude_daemon(places.control_socket, answer(line)),
        pytest.raises(ControlError, match=message),
    ):
        call(places.control_socket, "ping")


def test_call_answered_with_more_than_a_line_takes_the_line(places: Places) -> None:
    with rude_daemon(places.control_socket, answer(b'{"ok":true,"result":{"a":1}}\ntrailing')):
        assert call(places.control_socket, "ping") == {"a": 1}


def test_call_never_answered_gives_up_in_time(places: Places) -> None:
    done = threading.Event()

    def say_nothing(_: socket.socket) -> None:
        done.wait(10.0)

    with rude_daemon(places.control_socket, say_nothing):
        with pytest.raises(ControlError, match=r"did not answer within 0\.1 s"):
            call(places.control_socket, "ping", timeout_s=0.1)
        done.set()


def test_call_answered_byte_by_byte_gives_up_in_time(places: Places) -> None:
    done = threading.Event()

    def trickle(connection: socket.socket) -> None:
        while not done.wait(0.01):
            connection.sendall(b" ")

    with rude_daemon(places.control_socket, trickle):
        with pytest.raises(ControlError, match=r"did not answer within 0\.1 s"):
            call(places.control_socket, "ping", timeout_s=0.1)
        done.set()


def test_call_without_any_time_left_gives_up(places: Places) -> None:
    with (
        rude_daemon(places.control_socket, answer(b"")),
        pytest.raises(ControlError, match="did not answer within 0 s"),
    ):
        call(places.control_socket, "ping", timeout_s=0.0)


def test_call_at_a_daemon_that_accepts_nobody_gives_up_in_time(places: Places) -> None:
    places.runtime.mkdir()
    with contextlib.ExitStack() as queue:
        listener = queue.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(str(places.control_socket))
        listener.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting = queue.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                waiting.setblocking(False)
                waiting.connect(str(places.control_socket))
        with pytest.raises(ControlError, match=r"did not answer within 0\.1 s"):
            call(places.control_socket, "ping", timeout_s=0.1)


def test_call_of_a_request_too_long_is_refused_before_it_is_sent(places: Places) -> None:
    with pytest.raises(ControlError, match="the request takes"):
        call(places.control_socket, "unlock", {"reason": "x" * MAX_LINE_BYTES})


def test_call_at_a_path_no_socket_can_have_is_a_control_error(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="cannot be asked"):
        call(tmp_path / ("x" * 120), "ping")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without the right")
def test_call_without_the_right_says_sudo_and_counts_as_running(tmp_path: Path) -> None:
    places = replace(Places(None, tmp_path, Path("/"), system=True), runtime=Path(f"/tmp/dg-{os.getpid()}"))
    places.runtime.mkdir(mode=0o755)
    try:
        for path in (places.control_socket, places.status_socket):
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
            path.chmod(0o600)
        os.seteuid(65534)
        try:
            with pytest.raises(NotAllowedError, match="run with sudo"):
                call(places.control_socket, "ping")
            assert daemon_running(places)
        finally:
            os.seteuid(0)
    finally:
        for path in (places.control_socket, places.status_socket):
            path.unlink()
        places.runtime.rmdir()
