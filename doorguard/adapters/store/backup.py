"""Backup: everything the store holds, its key included, in one file that only a passphrase opens."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from doorguard.adapters.store import sealed_file
from doorguard.adapters.store.files import sync_folder
from doorguard.adapters.store.store import Store
from doorguard.core.audit import AuditReport
from doorguard.errors import StoreError, UsageError


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What was written. `audit` says whether the log was whole when it was copied."""

    size: int
    residents: int
    audit: AuditReport


def backup(store: Store, file: Path, passphrase: str) -> BackupReport:
    """Write everything, the store's key included, into a new file that only the passphrase opens.

    The file may not lie in the state folder: there it would outlive an erasure, and the disk it is to
    replace would take it along.

    Raises
    ------
    UsageError : there is no store yet, the file exists or lies in the state folder, or the passphrase is
        too short.
    StoreError : the file cannot be written.

    """
    sealed_file.check_passphrase(passphrase)
    if not store.path.exists():
        raise UsageError(f"there is no store at {store.path} to back up; enrol somebody first")
    if file.absolute().parent.resolve().is_relative_to(store.path.absolute().parent.resolve()):
        raise UsageError(f"{file} lies in the state folder; keep backups elsewhere, best on another disk")
    image, key, now = store.snapshot()
    data = sealed_file.seal(sealed_file.Content(key, now, image), passphrase)
    try:
        _write_new(file, data)
    except FileExistsError as error:
        raise UsageError(f"{file} exists and is not overwritten; name another file") from error
    except OSError as error:
        raise StoreError(f"cannot write the backup {file}: {error.strerror}") from error
    return BackupReport(len(data), len(store.residents()), store.verify())


def _write_new(file: Path, data: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        sync_folder(file.absolute().parent)
    except BaseException:
        file.unlink()
        raise
