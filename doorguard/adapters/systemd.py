"""The service manager: readiness, watchdog and status over sd_notify(3), and this boot's id.

The protocol is one datagram of `KEY=value` lines to the AF_UNIX socket that `NOTIFY_SOCKET` names; a
leading `@` stands for the abstract namespace. Without that variable nothing is sent. Nothing here raises:
a service manager that does not listen must not stop a door.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from pathlib import Path

LOG = logging.getLogger(__name__)

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
STATUS_MAX = 200


class SystemdWatchdog:
    """`ports.Watchdog` over sd_notify(3).

    Parameters
    ----------
    environ : where `NOTIFY_SOCKET` and `WATCHDOG_USEC` are looked up.

    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.interval_s = _interval_s(environ.get("WATCHDOG_USEC", ""))
        """Seconds within which the watchdog must be fed; None when the unit asks for none."""
        self._status = ""

    def ready(self, status: str) -> None:
        """Tell that start-up is done."""
        self._status = _one_line(status)
        self._send(f"READY=1\nSTATUS={self._status}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Set the one-line status; an unchanged one is not sent again."""
        line = _one_line(text)
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def stopping(self) -> None:
        """Tell that an orderly stop began."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                # A manager that does not read must not hold the loop up. Connected, because a datagram socket
                # that is not always counts as writable, and waiting for a full queue would spin.
                sender.settimeout(0.2)
                sender.connect(self._address)
                sender.send(message.encode())
        except OSError as error:
            LOG.debug("sd_notify failed: %s", error)


def boot_id(file: Path = BOOT_ID_FILE) -> str:
    """Return the kernel's random id of this boot, 32 hexadecimal digits; `unknown` where there is none."""
    try:
        return file.read_text(encoding="ascii").strip().replace("-", "") or "unknown"
    except (OSError, UnicodeDecodeError):
        return "unknown"


def _address(name: str) -> str | None:
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _interval_s(value: str) -> float | None:
    return int(value) / 1e6 if value.isascii() and value.isdigit() and int(value) > 0 else None


def _one_line(text: str) -> str:
    return " ".join(text.split())[:STATUS_MAX]
