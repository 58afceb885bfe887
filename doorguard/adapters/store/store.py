"""The store: residents, templates and events in one SQLite file, with one writer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType

from doorguard.adapters.store import events as event_rows
from doorguard.adapters.store import residents as resident_rows
from doorguard.adapters.store import schema
from doorguard.adapters.store.database import Database
from doorguard.adapters.store.files import WriterLock, create_private, prepare_folder, translated
from doorguard.adapters.store.residents import Sealed, Unusable
from doorguard.adapters.store.sealing import DataKey, TemplateSeal, unwrap
from doorguard.core import audit
from doorguard.core.model import Event, EventKind, Resident, ResidentId, StoredEvent, Template
from doorguard.errors import StoreCorruptError
from doorguard.ports import Clock, KeySource


class Store:
    """Implements `ports.TemplateStore` and `ports.EventLog`; a context manager, thread-safe."""

    def __init__(
        self, database: Database, key: DataKey, clock: Clock, *, key_origin: str, lock: WriterLock | None
    ) -> None:
        """Take over an open database; use `Store.open`."""
        self.path = database.path
        self.key_origin = key_origin
        self.change_count = 0
        self._database = database
        self._clock = clock
        self._lock = lock
        self._data_key = key
        self._seal = TemplateSeal(key)
        self._audit_key = key.derive(b"audit")
        self._erasing = False

    @classmethod
    def open(cls, path: Path, key_source: KeySource, *, clock: Clock, write: bool) -> Store:
        """Open the store at `path`.

        With `write` it is made if it is not there, brought up to date, and locked against other writers.
        Without, it is read beside a running writer; one that is not there reads as empty.

        Raises
        ------
        StoreBusyError, StoreTooNewError, StoreCorruptError, StoreKeyError, NotAllowedError, StoreError

        """
        if not write:
            return cls._open_reader(path, key_source, clock)
        with translated(path):
            prepare_folder(path.parent)
            lock = WriterLock(path.parent)
        try:
            return cls._open_writer(path, key_source, clock, lock)
        except BaseException:
            lock.close()
            raise

    @classmethod
    def _open_reader(cls, path: Path, key_source: KeySource, clock: Clock) -> Store:
        with translated(path):
            is_there = path.exists()
        database = Database(path if is_there else None, write=False)
        try:
            with database.reading() as connection:
                if not is_there:
                    schema.migrate(connection)
                    return cls(database, DataKey.new(), clock, key_origin="none yet", lock=None)
                schema.check(connection, path)
                schema.require_current(connection, path)
                connection.execute("PRAGMA query_only = ON")
            origin, key = _open_key(database, key_source)
        except BaseException:
            database.close()
            raise
        return cls(database, key, clock, key_origin=origin, lock=None)

    @classmethod
    def _open_writer(cls, path: Path, key_source: KeySource, clock: Clock, lock: WriterLock) -> Store:
        with translated(path):
            if not path.exists():
                create_private(path)
        database = Database(path, write=True)
        try:
            with database.reading() as connection:
                schema.check(connection, path)
                is_fresh = schema.is_fresh(connection)
            if is_fresh:
                _initialise(database, key_source)
            origin, key = _open_key(database, key_source)
            with database.reading() as connection:
                is_old = schema.version_of(connection) < len(schema.MIGRATIONS)
            if is_old:
                with database.changing() as connection:
                    schema.migrate(connection)
        except BaseException:
            database.close()
            raise
        return cls(database, key, clock, key_origin=origin, lock=lock)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, then give the lock back; closing again does nothing."""
        self._database.close()
        if self._lock is not None:
            self._lock.close()

    # --- residents and templates ------------------------------------------------------------------

    def residents(self) -> tuple[Resident, ...]:
        """All residents by name."""
        with self._database.reading() as connection:
            return resident_rows.every(connection)

    def find(self, name_or_id: str) -> Resident:
        """Return one resident by name (any case), else by id; raises `UnknownResidentError`."""
        with self._database.reading() as connection:
            return resident_rows.find(connection, name_or_id)

    def templates(self, *, enabled_only: bool = True) -> tuple[Template, ...]:
        """Decrypted templates in the order they were made, without those that `unusable` reports."""
        return tuple(item for item in self._opened(enabled_only) if isinstance(item, Template))

    def unusable(self) -> list[Unusable]:
        """Return `(resident_id, template_id, reason)` for each template that is not what was stored."""
        return [item for item in self._opened(enabled_only=False) if not isinstance(item, Template)]

    def _opened(self, enabled_only: bool) -> list[Template | Unusable]:
        with self._database.reading() as connection:
            return list(resident_rows.open_templates(connection, self._seal, enabled_only=enabled_only))

    def add_resident(self, name: str, consent: str | None, templates: Sealed) -> Resident:
        """Store a new resident with at least one template; raises `NameTakenError`."""
        if not templates:
            raise ValueError("a resident needs at least one template")
        now = self._clock.utc()
        with self._database.changing() as connection:
            resident_id = resident_rows.insert(connection, name, consent, now)
            resident_rows.insert_templates(connection, self._seal, resident_id, templates, now)
            resident = resident_rows.by_id(connection, resident_id)
        self.change_count += 1
        return resident

    def add_templates(self, resident_id: ResidentId, templates: Sealed) -> Resident:
        """Add templates to a resident."""
        with self._database.changing() as connection:
            resident_rows.by_id(connection, resident_id)
            resident_rows.insert_templates(connection, self._seal, resident_id, templates, self._clock.utc())
            resident = resident_rows.by_id(connection, resident_id)
        self.change_count += 1
        return resident

    def rename(self, resident_id: ResidentId, name: str) -> Resident:
        """Change the name; raises `NameTakenError`."""
        with self._database.changing() as connection:
            resident_rows.by_id(connection, resident_id)
            resident_rows.rename(connection, resident_id, name)
            resident = resident_rows.by_id(connection, resident_id)
        self.change_count += 1
        return resident

    def set_enabled(self, resident_id: ResidentId, enabled: bool) -> Resident:
        """Enable or disable."""
        with self._database.changing() as connection:
            connection.execute(
                "UPDATE residents SET enabled = ? WHERE resident_id = ?", (int(enabled), resident_id)
            )
            resident = resident_rows.by_id(connection, resident_id)
        self.change_count += 1
        return resident

    def remove(self, resident_id: ResidentId) -> None:
        """Erase resident, templates and name from the file and its write-ahead log.

        Raises
        ------
        UnknownResidentError : nobody has this id.
        StoreBusyError : the resident is removed and never matched again, but another process is reading
            older pages; the next change or the next opening erases what is left of them.

        """
        with self._database.changing() as connection:
            resident_rows.by_id(connection, resident_id)
            resident_rows.erase(connection, {resident_id}, self._clock.utc())
        self.change_count += 1
        self._database.truncate_wal()

    # --- events -----------------------------------------------------------------------------------

    def append(self, event: Event) -> StoredEvent:
        """Store and chain one event; it is on the disk when this returns."""
        with self._database.changing() as connection:
            return event_rows.append(connection, self._audit_key, event)

    def events(
        self, *, after: int = 0, limit: int | None = None, newest_first: bool = False
    ) -> Iterator[StoredEvent]:
        """Stored events with a number above `after`; raises `StoreCorruptError` at one it cannot read."""
        for count, row in enumerate(self._rows(after, newest_first=newest_first)):
            if limit is not None and count >= limit:
                return
            yield event_rows.decode(row, self.path)

    def _rows(self, after: int = 0, *, newest_first: bool = False) -> Iterator[audit.Row]:
        before: int | None = None
        while True:
            with self._database.reading() as connection:
                rows = event_rows.batch(connection, after=after, before=before, newest_first=newest_first)
            if not rows:
                return
            yield from rows
            if newest_first:
                before = rows[-1].event_id
            else:
                after = rows[-1].event_id

    def head(self) -> audit.Head:
        """Return the last event's number and code, for a checkpoint."""
        with self._database.reading() as connection:
            return event_rows.head(connection)

    def verify(self, head: audit.Head | None = None) -> audit.AuditReport:
        """Walk the whole chain, and hold it against a checkpoint if there is one."""
        return audit.verify(self._rows(), self._audit_key, head)

    def prune(self, before_utc: datetime, *, door: str = "", boot_id: str = "") -> int:
        """Delete the oldest events made before `before_utc` and chain a row that says so.

        Returns how many were removed; with none, nothing is written.
        """
        now = self._clock.utc()
        with self._database.changing() as connection:
            try:
                last, removed = event_rows.prunable(self._rows(), before_utc, now)
            except ValueError as error:
                raise StoreCorruptError(
                    f"{self.path} holds an event that cannot be read; `doorguard audit verify` names it"
                ) from error
            if removed:
                detail = audit.pruning_detail(last, removed, before_utc)
                event = Event(
                    EventKind.PRUNED,
                    now,
                    self._clock.monotonic(),
                    self._clock.synced(),
                    boot_id,
                    door,
                    None,
                    detail,
                )
                event_rows.append(connection, self._audit_key, event)
                event_rows.remove_through(connection, last)
        return removed

    # --- the file ---------------------------------------------------------------------------------

    @property
    def schema_version(self) -> int:
        """How many migrations the file has seen."""
        with self._database.reading() as connection:
            return schema.version_of(connection)

    def checkpoint_wal(self) -> None:
        """Move the write-ahead log into the file and cut it to nothing."""
        self._database.truncate_wal()


def _initialise(database: Database, key_source: KeySource) -> None:
    """Make the tables and the data key; the master key is made only here, where there is no store yet."""
    keys = key_source.keys()
    master = next(iter(keys.values())) if keys else key_source.make()[1]
    key = DataKey.new()
    with database.changing() as connection:
        schema.migrate(connection)
        connection.executemany(
            "INSERT INTO meta VALUES (?, ?)", [("store_id", key.store_id), ("wrapped_key", key.wrap(master))]
        )


def _open_key(database: Database, key_source: KeySource) -> tuple[str, DataKey]:
    with database.reading() as connection:
        meta = dict(connection.execute("SELECT name, value FROM meta"))
    if not {"store_id", "wrapped_key"} <= meta.keys():
        raise StoreCorruptError(f"the store {database.path} has lost its key entry; restore a backup")
    return unwrap(meta["wrapped_key"], meta["store_id"], key_source.keys(), database.path)
