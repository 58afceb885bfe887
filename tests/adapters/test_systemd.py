"""sd_notify as the service manager receives it, and what is read of the machine."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from doorguard.adapters.systemd import SystemdWatchdog, boot_id


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A service manager's socket and what `NOTIFY_SOCKET` says of it."""
    named = str(tmp_path / "notify") if request.param == "file" else "@doorguard-" + secrets.token_hex(8)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(named.replace("@", "\0", 1))
        receiver.settimeout(5)
        yield named, receiver


def test_messages_reach_the_manager_in_its_own_words(manager: tuple[str, socket.socket]) -> None:
    named, receiver = manager
    watchdog = SystemdWatchdog({"NOTIFY_SOCKET": named})
    watchdog.ready("locked,\ncamera ok")
    watchdog.alive()
    watchdog.status("locked, camera lost")
    watchdog.stopping()
    assert [receiver.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=locked, camera ok",
        b"WATCHDOG=1",
        b"STATUS=locked, camera lost",
        b"STOPPING=1",
    ]


def test_status_that_did_not_change_is_not_sent_again(manager: tuple[str, socket.socket]) -> None:
    named, receiver = manager
    watchdog = SystemdWatchdog({"NOTIFY_SOCKET": named})
    watchdog.ready("locked")
    watchdog.status("locked")
    watchdog.alive()
    assert receiver.recv(4096).startswith(b"READY=1")
    assert receiver.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}])
def test_nothing_is_sent_without_a_manager(environ: dict[str, str]) -> None:
    watchdog = SystemdWatchdog(environ)
    watchdog.ready("locked")
    watchdog.alive()
    watchdog.stopping()


def test_manager_that_is_gone_raises_nothing(tmp_path: Path) -> None:
    SystemdWatchdog({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive()


def test_manager_that_does_not_read_costs_no_processor_time(manager: tuple[str, socket.socket]) -> None:
    named, _ = manager
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as filler:
        filler.connect(named.replace("@", "\0", 1))
        with pytest.raises(BlockingIOError):
            while True:
                filler.send(b"full")
    began_s = time.thread_time()
    SystemdWatchdog({"NOTIFY_SOCKET": named}).alive()
    assert time.thread_time() - began_s < 0.1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30000000", 30.0), ("", None), ("0", None), ("-5", None), ("x", None), ("²", None)],
)
def test_interval_is_the_unit_s_watchdog_in_seconds(value: str, seconds: float | None) -> None:
    assert SystemdWatchdog({"WATCHDOG_USEC": value}).interval_s == seconds


def test_boot_id_is_the_kernel_s_without_dashes(tmp_path: Path) -> None:
    file = tmp_path / "boot_id"
    file.write_text("6e1b2b6c-9f6a-4d0e-8f0a-000000000001\n", encoding="ascii")
    assert boot_id(file) == "6e1b2b6c9f6a4d0e8f0a000000000001"


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_boot_id_that_cannot_be_read_is_unknown(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "boot_id"
    if content is not None:
        file.write_bytes(content)
    assert boot_id(file) == "unknown"
