"""Restore: a backup replaces the store only once it has proved itself beside it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from doorguard.adapters.store import residents as resident_rows
from doorguard.adapters.store import schema, sealed_file
from doorguard.adapters.store.database import Database
from doorguard.adapters.store.files import (
    WriterLock,
    create_private,
    discard_staged,
    prepare_folder,
    staged,
    sync_folder,
    translated,
)
from doorguard.adapters.store.opening import Opened, bring_up_to_date
from doorguard.adapters.store.store import Store
from doorguard.core.audit import AuditReport
from doorguard.core.model import Event, EventKind, ResidentId
from doorguard.errors import DoorguardError, StoreCorruptError, StoreError, StoreKeyError
from doorguard.ports import Clock, KeySource


@dataclass(frozen=True, slots=True)
class Target:
    """The store a backup is restored to; `door` and `boot_id` go into the event that tells of it."""

    path: Path
    keys: KeySource
    clock: Clock
    door: str = ""
    boot_id: str = ""


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore did.

    Parameters
    ----------
    residents, events : how many there are now, the event that tells of the restore included.
    dropped : residents in the backup who had been erased since, and so were not brought back.
    erasures_known : whether the old store could be asked who was erased; False when there was none.
    audit : the restored log, as it was in the backup.
    key_origin : where the key lies that opens the store from now on.
    key_made : whether that key was made by this restore.

    """

    residents: int
    events: int
    dropped: tuple[ResidentId, ...]
    erasures_known: bool
    audit: AuditReport
    key_origin: str
    key_made: bool


def restore(file: Path, passphrase: str, target: Target, self_test: Callable[[Store], None]) -> RestoreReport:
    """Replace the target's store by a backup; whatever fails on the way leaves the old one as it was.

    The backup is opened, checked whole, rid of everyone erased since and given to `self_test` beside the
    old store; one rename then puts it in its place. It is sealed under the machine's own key, which is made
    where there is none, so the machine need not be the one that made the backup.

    Parameters
    ----------
    file
        What `backup` wrote.
    passphrase
        The one given then.
    target
        The store to replace; nobody else may have it open for writing.
    self_test
        Raises a `DoorguardError` when the new store will not do.

    Raises
    ------
    StoreBusyError, StoreTooNewError, StoreCorruptError, StoreKeyError, StoreError

    """
    content = sealed_file.unseal(_read(file), passphrase, file)
    with translated(target.path):
        prepare_folder(target.path.parent)
        lock = WriterLock(target.path.parent)
    try:
        with translated(target.path):
            _stage(target.path, content.image)
        report = _prove(content, target, self_test)
        with translated(target.path):
            _replace(target.path)
        return report
    finally:
        with translated(target.path):
            discard_staged(target.path)
        lock.close()


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(sealed_file.MAX_BYTES + 4096)
    except OSError as error:
        raise StoreError(f"cannot read the backup {file}: {error.strerror}") from error


def _stage(path: Path, image: bytes) -> None:
    discard_staged(path)
    create_private(staged(path))
    with staged(path).open("r+b") as stream:
        stream.write(image)
        stream.flush()
        os.fsync(stream.fileno())


def _prove(content: sealed_file.Content, target: Target, self_test: Callable[[Store], None]) -> RestoreReport:
    """Check the staged store, drop the erased, test it, and seal it under the machine's key."""
    database = Database(staged(target.path), write=True)
    try:
        _check_whole(database, content)
        bring_up_to_date(database)
        erased = _erased_since(target.path)
        store = Store(Opened(database, content.key, "backup", None), target.clock)
        audit = store.verify()
        dropped = _drop(database, store, erased or frozenset(), target)
        self_test(store)
        origin, made = _adopt(database, content, target.keys)
        store.append(_restored_event(content, target, dropped, audit))
        store.checkpoint_wal()
        residents = len(store.residents())
    finally:
        database.close()
    return RestoreReport(residents, audit.rows + 1, dropped, erased is not None, audit, origin, made)


def _check_whole(database: Database, content: sealed_file.Content) -> None:
    """Refuse a damaged database and one that belongs to another key than the backup's."""
    with database.reading() as connection:
        schema.check(connection, database.path)
        finding = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        row = connection.execute("SELECT value FROM meta WHERE name = 'store_id'").fetchone()
    if finding != "ok":
        raise StoreCorruptError(f"the backup's database is damaged ({finding}); use an older backup")
    if row is None or row[0] != content.key.store_id:
        raise StoreKeyError("the backup's key belongs to another store; use an older backup")


def _erased_since(path: Path) -> frozenset[ResidentId] | None:
    """Ask the old store whom it erased; None when there is none or it cannot be read."""
    if not path.exists():
        return None
    try:
        with closing(Database(path, write=False)) as old, old.reading() as connection:
            return resident_rows.erased(connection)
    except DoorguardError:
        return None


def _drop(
    database: Database, store: Store, erased: frozenset[ResidentId], target: Target
) -> tuple[ResidentId, ...]:
    """Erase from the staged store whom the old one erased, and keep that in mind for later restores."""
    dropped = tuple(item.resident_id for item in store.residents() if item.resident_id in erased)
    with database.changing() as connection:
        resident_rows.erase(connection, erased, target.clock.utc())
    return dropped


def _adopt(database: Database, content: sealed_file.Content, keys: KeySource) -> tuple[str, bool]:
    """Wrap the data key with the machine's master key; return where that lies and whether it was made now."""
    there = keys.keys()
    origin, master = next(iter(there.items())) if there else keys.make()
    with database.changing() as connection:
        connection.execute(
            "UPDATE meta SET value = ? WHERE name = 'wrapped_key'", (content.key.wrap(master),)
        )
    return origin, not there


def _restored_event(
    content: sealed_file.Content, target: Target, dropped: tuple[ResidentId, ...], audit: AuditReport
) -> Event:
    clock = target.clock
    detail = {
        "backup_utc": content.made_utc.isoformat(),
        "dropped": list(dropped),
        "audit_ok": audit.ok,
        "audit": audit.what,
    }
    return Event(
        EventKind.RESTORED,
        clock.utc(),
        clock.monotonic(),
        clock.synced(),
        target.boot_id,
        target.door,
        None,
        detail,
    )


def _replace(path: Path) -> None:
    """Put the staged store in its place.

    The old store's write-ahead log is folded in and removed first: SQLite would replay it into the new
    file. A kill between the two steps leaves the old store, whole.
    """
    try:
        old = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
        try:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            old.close()
    except sqlite3.Error:
        pass  # damaged or not there; nothing of it is worth keeping, for its successor has passed
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    sync_folder(path.parent)
    staged(path).replace(path)
    sync_folder(path.parent)
