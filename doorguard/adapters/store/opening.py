"""Opening a store: for its one writer, or for a reader beside it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from doorguard.adapters.store import schema
from doorguard.adapters.store.database import Database
from doorguard.adapters.store.files import (
    WriterLock,
    create_private,
    discard_staged,
    prepare_folder,
    translated,
)
from doorguard.adapters.store.residents import model_in_use
from doorguard.adapters.store.sealing import DataKey, unwrap
from doorguard.core.model import ModelId
from doorguard.errors import StoreCorruptError
from doorguard.ports import KeySource


@dataclass(frozen=True, slots=True)
class Opened:
    """A database that passed every check, its key, where that was found, and the writer's lock."""

    database: Database
    key: DataKey
    key_origin: str
    lock: WriterLock | None

    def close(self) -> None:
        """Close the file, then give the lock back; closing again does nothing."""
        self.database.close()
        if self.lock is not None:
            self.lock.close()


def open_reader(path: Path, key_source: KeySource) -> Opened:
    """Open beside a running writer; a store that is not there reads as an empty one."""
    if not _is_there(path):
        return _open_nothing(path)
    database = Database(path, write=False)
    try:
        with database.reading() as connection:
            schema.check(connection, path)
            schema.require_current(connection, path)
            connection.execute("PRAGMA query_only = ON")
        origin, key = open_key(database, key_source)
    except BaseException:
        database.close()
        raise
    return Opened(database, key, origin, None)


def _is_there(path: Path) -> bool:
    """Whether there is a store; `Path.exists` denies it to whoever may not look, from Python 3.14 on."""
    with translated(path):
        try:
            return path.stat().st_size > 0
        except (FileNotFoundError, NotADirectoryError):
            return False


def _open_nothing(path: Path) -> Opened:
    database = Database(path, write=False, in_memory=True)
    with database.reading() as connection:
        schema.migrate(connection)
    return Opened(database, DataKey.new(), "none yet", None)


def open_writer(path: Path, key_source: KeySource) -> Opened:
    """Lock, make the store if it is not there, bring it up to date, and finish what a crash interrupted."""
    with translated(path):
        prepare_folder(path.parent)
        lock = WriterLock(path.parent)
    try:
        with translated(path):
            discard_staged(path)
            if not path.exists():
                create_private(path)
        return _open_locked(path, key_source, lock)
    except BaseException:
        lock.close()
        raise


def _open_locked(path: Path, key_source: KeySource, lock: WriterLock) -> Opened:
    database = Database(path, write=True)
    try:
        with database.reading() as connection:
            schema.check(connection, path)
            is_fresh = schema.is_fresh(connection)
        if is_fresh:
            _initialise(database, key_source)
        origin, key = open_key(database, key_source)
        bring_up_to_date(database)
        database.finish_erasing()
    except BaseException:
        database.close()
        raise
    return Opened(database, key, origin, lock)


def _initialise(database: Database, key_source: KeySource) -> None:
    """Make the tables and the data key; a master key is made only here, where there is no store yet."""
    keys = key_source.keys()
    master = next(iter(keys.values())) if keys else key_source.make()[1]
    key = DataKey.new()
    with database.changing() as connection:
        schema.migrate(connection)
        connection.executemany(
            "INSERT INTO meta VALUES (?, ?)", [("store_id", key.store_id), ("wrapped_key", key.wrap(master))]
        )


def open_key(database: Database, key_source: KeySource) -> tuple[str, DataKey]:
    """Return where the fitting master key was found, and the data key; raises `StoreKeyError`."""
    with database.reading() as connection:
        meta = dict(connection.execute("SELECT name, value FROM meta"))
    if not {"store_id", "wrapped_key"} <= meta.keys():
        raise StoreCorruptError(f"the store {database.path} has lost its key entry; restore a backup")
    return unwrap(meta["wrapped_key"], meta["store_id"], key_source.keys(), database.path)


def bring_up_to_date(database: Database) -> None:
    """Apply the migrations an older store lacks, all in one transaction."""
    with database.reading() as connection:
        is_old = schema.version_of(connection) < len(schema.MIGRATIONS)
    if is_old:
        with database.changing() as connection:
            schema.migrate(connection)


def model_named_by(path: Path) -> ModelId | None:
    """Return the model in use that the store at `path` names; None where there is no store, or no template.

    Needs no key, and reads a store that waits for a migration too: which encoder to load is asked first.
    """
    with translated(path):
        if not (path.exists() and path.stat().st_size > 0):
            return None
    with closing(Database(path, write=False)) as database, database.reading() as connection:
        schema.check(connection, path)
        return None if schema.is_fresh(connection) else model_in_use(connection)
