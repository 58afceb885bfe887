"""The store's master key: a systemd credential where the service has one, else a file of mode 0600.

Both hold 64 hexadecimal digits. The key does not encrypt templates; it wraps the store's own data key, so a
backup can be restored under another machine's master key without touching one template or audit row.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from doorguard.errors import NotAllowedError, StoreKeyError

KEY_BYTES = 32
CREDENTIAL = "doorguard.key"
_HINT = "a key is 64 hexadecimal digits, as `openssl rand -hex 32` prints them"


@dataclass(frozen=True, slots=True)
class FileKeys:
    """Implements `ports.KeySource` with files.

    Parameters
    ----------
    file : the key file made at first use.
    credentials : systemd's `$CREDENTIALS_DIRECTORY`, None outside a service.

    """

    file: Path
    credentials: Path | None = None

    @classmethod
    def from_environ(cls, file: Path, environ: Mapping[str, str]) -> FileKeys:
        """Take the credential's folder from the environment systemd gives a service."""
        folder = environ.get("CREDENTIALS_DIRECTORY")
        return cls(file, Path(folder) if folder else None)

    def keys(self) -> Mapping[str, bytes]:
        """Return the credential, then the file's key, as far as they are there."""
        found: dict[str, bytes] = {}
        if self.credentials is not None:
            # systemd makes a credential readable for the service's user alone, in part by an ACL that
            # shows in the group's bits; only the bits of others say that it is open.
            _collect(found, self.credentials / CREDENTIAL, "systemd credential", forbidden=0o007)
        _collect(found, self.file, "key file", forbidden=0o077)
        return found

    def make(self) -> tuple[str, bytes]:
        """Make the key file; it and its folder entry are on the disk when this returns."""
        key = secrets.token_bytes(KEY_BYTES)
        try:
            _write_new(self.file, key.hex().encode() + b"\n")
        except OSError as error:
            raise StoreKeyError(
                f"cannot make the key file {self.file}: {error.strerror}; one that is there is never replaced"
            ) from error
        return f"key file {self.file}", key


def _collect(found: dict[str, bytes], file: Path, what: str, *, forbidden: int) -> None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as error:
        raise NotAllowedError(f"{what} {file} belongs to another user; run with sudo") from error
    except OSError as error:
        raise StoreKeyError(f"cannot read the {what} {file}: {error.strerror}") from error
    try:
        _check_private(os.fstat(descriptor), file, what, forbidden)
        text = os.read(descriptor, 4 * KEY_BYTES)
    finally:
        os.close(descriptor)
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreKeyError(f"{what} {file} holds no key; {_HINT}")
    found[f"{what} {file}"] = key


def _check_private(status: os.stat_result, file: Path, what: str, forbidden: int) -> None:
    """Refuse a key that others may read or that somebody else put there."""
    if not stat.S_ISREG(status.st_mode):
        raise StoreKeyError(f"{what} {file} is no regular file")
    mode = stat.S_IMODE(status.st_mode)
    if mode & forbidden:
        raise StoreKeyError(f"{what} {file} is open to other users (mode {mode:04o}); run `chmod 600 {file}`")
    trusted = {0, os.geteuid()} | ({file.parent.stat().st_uid} if os.geteuid() == 0 else set())
    if status.st_uid not in trusted:
        raise StoreKeyError(f"{what} {file} belongs to user {status.st_uid}, who could change it; chown it")


def _write_new(file: Path, content: bytes) -> None:
    """Create a 0600 file that was not there, whole or not at all; root hands it to the folder's owner."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, 0o600)
            if os.geteuid() == 0:
                folder = file.parent.stat()
                os.fchown(descriptor, folder.st_uid, folder.st_gid)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        os.link(draft, file)  # unlike a rename, this never replaces
    finally:
        draft.unlink()
    folder_descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder_descriptor)
    finally:
        os.close(folder_descriptor)
