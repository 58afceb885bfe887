"""The state folder: made private, locked by one writer, its files durable, and plain errors for all of it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from doorguard.errors import (
    DoorguardError,
    NotAllowedError,
    StoreBusyError,
    StoreCorruptError,
    StoreError,
)

LOCK_NAME = "doorguard.lock"
_RESTORE = "restore a backup with `doorguard restore`"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise about the store at `path` into `StoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(path, error) from error
    except UnicodeDecodeError as error:  # damaged text, in a row or in SQLite's own message
        raise StoreCorruptError(f"the store {path} is damaged (text is not UTF-8); {_RESTORE}") from error
    except PermissionError as error:
        raise NotAllowedError(f"the store {path} belongs to another user; run with sudo") from error
    except UnicodeEncodeError as error:
        raise StoreError(f"the store {path} takes no text that is not valid Unicode") from error
    except OSError as error:
        raise StoreError(f"cannot use the store {path}: {error.strerror or error}") from error


def _translate(path: Path, error: sqlite3.Error) -> DoorguardError:
    name = str(getattr(error, "sqlite_errorname", "") or "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StoreCorruptError(f"the store {path} is damaged ({error}); {_RESTORE}")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreBusyError(f"another process holds the store {path}; try again in a moment")
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return StoreError(f"cannot write the store {path} ({error}); free some space or check the disk")
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_CANTOPEN")):
        return NotAllowedError(f"the store {path} cannot be opened as it must be ({error}); run with sudo")
    return StoreError(f"the store {path} failed: {error}")


def prepare_folder(folder: Path) -> None:
    """Make the state folder (0700) unless it is there; refuse one that any user may write to."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & stat.S_IWOTH:
        raise StoreError(f"any user may write to {folder}; run `chmod o-w {folder}`")


def create_private(file: Path) -> None:
    """Create an empty file of mode 0600; root gives it to the owner of its folder."""
    os.close(_open_private(file, os.O_EXCL))
    sync_folder(file.parent)


def staged(path: Path) -> Path:
    """Return where a restore prepares the store that is to stand at `path`."""
    return path.with_name(f"{path.name}.restoring")


def discard_staged(path: Path) -> None:
    """Delete what an interrupted restore left behind."""
    remove_database(staged(path))


def remove_database(path: Path) -> None:
    """Delete a database with its write-ahead log and index, as far as they are there."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make new, replaced and deleted names in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_private(file: Path, extra_flags: int = 0) -> int:
    is_new = not file.exists()
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | extra_flags
    descriptor = os.open(file, flags, 0o600)
    if is_new and os.geteuid() == 0:
        owner = file.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


class WriterLock:
    """The right to write, held from construction to `close`; the kernel gives it back if the process dies."""

    def __init__(self, folder: Path) -> None:
        """Take the lock of the store in `folder`; raises `StoreBusyError` naming who has it."""
        self._descriptor = _open_private(folder / LOCK_NAME)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StoreBusyError(
                f"process {holder} is writing to the store in {folder}; stop it or try again when it is done"
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Give the lock back; the file stays, for deleting it would race with the next to lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
