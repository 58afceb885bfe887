"""A network camera's address, and opening its stream without its password reaching any log."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

import cv2

from doorguard.adapters.camera.quiet import silent_opencv
from doorguard.errors import CameraError

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
CONNECT_S = 1.5
OPEN_MS = 3000
READ_MS = 2000
PASSWORD_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where a network camera answers. `str()` is fit for messages: no user, password, path or query.

    Parameters
    ----------
    scheme : rtsp, rtsps, http or https.
    host, port : where it listens.
    user : who signs in, empty for nobody.
    password : read from its file; never shown.
    rest : path and query, not shown either: some cameras take a password there.

    """

    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    rest: str = field(default="", repr=False)

    @classmethod
    def parse(cls, source: str, password_file: Path | None) -> Address:
        """Take `camera.source` apart and read the password's file.

        Raises
        ------
        CameraError : another scheme, no host, a password inside the URL (it would show in the settings),
            a password without a user, or a file that cannot be read or that everybody can read. The message
            never repeats the URL.

        """
        try:
            parts = urlsplit(source)
            port = parts.port
        except ValueError:
            raise CameraError("camera.source is no valid URL", fatal=True) from None
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            known = ", ".join(DEFAULT_PORTS)
            raise CameraError(f"camera.source must be scheme://host/path with one of {known}", fatal=True)
        if parts.password is not None:
            raise CameraError(
                "camera.source holds a password; take it out of the URL, leave the user name, and name a "
                "file that holds it in camera.password_file",
                fatal=True,
            )
        user = unquote(parts.username or "")
        password = _read_password(password_file) if password_file is not None else ""
        if password and not user:
            raise CameraError(
                "camera.password_file is set but camera.source names no user: scheme://USER@host/path",
                fatal=True,
            )
        return cls(
            parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme], user, password, _rest(parts)
        )

    @property
    def url(self) -> str:
        """The whole URL with the password: for the library, for nobody else."""
        who = quote(self.user, safe="")
        if self.password:
            who += f":{quote(self.password, safe='')}"
        return f"{self.scheme}://{who}{'@' if who else ''}{self._place}{self.rest}"

    @property
    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self._place}"


def _rest(parts: SplitResult) -> str:
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _read_password(path: Path) -> str:
    """Read one line; the file may be anybody's but must not be readable for everybody."""
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            raw = stream.read(PASSWORD_BYTES_MAX + 1)
    except OSError as error:
        raise CameraError(
            f"camera.password_file {path} cannot be read: {error.strerror}", fatal=True
        ) from None
    if mode & stat.S_IROTH:
        raise CameraError(
            f"camera.password_file {path} is readable by everybody; run: chmod o= {path}", fatal=True
        )
    try:
        lines = raw.decode().splitlines()
    except UnicodeDecodeError:
        lines = []
    if len(raw) > PASSWORD_BYTES_MAX or len(lines) != 1 or not lines[0]:
        raise CameraError(f"camera.password_file {path} must hold one line of text: the password", fatal=True)
    return lines[0]


def open_stream(address: Address) -> cv2.VideoCapture:
    """Open a network camera's stream within about five seconds; raises `CameraError`.

    The connection is first tried by hand: FFmpeg's reasons are silenced with its log, and "connection
    refused" is what one wants to know. A host name that no server resolves can take longer; give an address.
    """
    try:
        socket.create_connection((address.host, address.port), timeout=CONNECT_S).close()
    except OSError as error:
        reason = error.strerror or "no answer"
        raise CameraError(f"the camera at {address} cannot be reached: {reason}") from None
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_MS]
    with silent_opencv():
        capture = cv2.VideoCapture(address.url, cv2.CAP_FFMPEG, limits)
    if capture.isOpened():
        return capture
    capture.release()
    raise CameraError(
        f"the camera at {address} answered but gave no picture; check user name, password file and path"
    )
