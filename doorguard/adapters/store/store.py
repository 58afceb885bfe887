"""The store: residents, templates and events in one SQLite file, with one writer at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType

from doorguard.adapters.store import events as event_rows
from doorguard.adapters.store import residents as resident_rows
from doorguard.adapters.store import schema
from doorguard.adapters.store.opening import Opened, open_reader, open_writer
from doorguard.adapters.store.residents import Sealed, Unusable
from doorguard.adapters.store.sealing import DataKey, Seals
from doorguard.core import audit
from doorguard.core.model import (
    Encoding,
    Event,
    EventKind,
    ModelId,
    Resident,
    ResidentId,
    StoredEvent,
    Template,
)
from doorguard.errors import StoreCorruptError
from doorguard.ports import Clock, KeySource


class Store:
    """Implements `ports.TemplateStore` and `ports.EventLog`; a context manager, thread-safe."""

    def __init__(self, opened: Opened, clock: Clock) -> None:
        """Take over an opened database; use `Store.open`."""
        self.path = opened.database.path
        self.key_origin = opened.key_origin
        self.change_count = 0
        self._opened = opened
        self._database = opened.database
        self._clock = clock
        self._seals = Seals(opened.key)
        self._audit_key = opened.key.derive(b"audit")

    @classmethod
    def open(cls, path: Path, key_source: KeySource, *, clock: Clock, write: bool) -> Store:
        """Open the store at `path`.

        With `write` it is made if it is not there, brought up to date, and locked against other writers.
        Without, it is read beside a running writer; one that is not there reads as empty.

        Raises
        ------
        StoreBusyError, StoreTooNewError, StoreCorruptError, StoreKeyError, NotAllowedError, StoreError

        """
        return cls(open_writer(path, key_source) if write else open_reader(path, key_source), clock)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, then give the lock back; closing again does nothing."""
        self._opened.close()

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
        return tuple(item for item in self._open_all(enabled_only) if isinstance(item, Template))

    def unusable(self) -> list[Unusable]:
        """Return `(resident_id, template_id, reason)` for each template that is not what was stored."""
        return [item for item in self._open_all(enabled_only=False) if not isinstance(item, Template)]

    def _open_all(self, enabled_only: bool) -> list[Template | Unusable]:
        with self._database.reading() as connection:
            return list(
                resident_rows.open_templates(connection, self._seals.templates, enabled_only=enabled_only)
            )

    def add_resident(self, name: str, consent: str | None, templates: Sealed) -> Resident:
        """Store a new resident with at least one template; raises `NameTakenError`."""
        if not templates:
            raise ValueError("a resident needs at least one template")
        now = self._clock.utc()
        with self._database.changing() as connection:
            resident_id = resident_rows.insert(connection, name, consent, now)
            resident_rows.insert_templates(connection, self._seals.templates, resident_id, templates, now)
            resident = resident_rows.by_id(connection, resident_id)
        self.change_count += 1
        return resident

    def add_templates(self, resident_id: ResidentId, templates: Sealed) -> Resident:
        """Add templates to a resident."""
        with self._database.changing() as connection:
            resident_rows.by_id(connection, resident_id)
            resident_rows.insert_templates(
                connection, self._seals.templates, resident_id, templates, self._clock.utc()
            )
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
        self._database.erase_wal()

    def keep_crops(self, resident_id: ResidentId, model_id: ModelId, crops: Sequence[bytes]) -> Resident:
        """Keep the packed pictures behind templates, sealed like them."""
        with self._database.changing() as connection:
            resident_rows.by_id(connection, resident_id)
            pictures = [(model_id, crop) for crop in crops]
            resident_rows.insert_crops(
                connection, self._seals.crops, resident_id, pictures, self._clock.utc()
            )
            resident = resident_rows.by_id(connection, resident_id)
        self.change_count += 1
        return resident

    def crops(self, resident_id: ResidentId) -> list[tuple[ModelId, bytes]]:
        """Kept pictures of a resident, oldest first; one that cannot be decrypted is left out."""
        with self._database.reading() as connection:
            return list(resident_rows.open_crops(connection, self._seals.crops, resident_id))

    def model_in_use(self) -> ModelId | None:
        """Return the model whose templates are compared; None before there ever was a template."""
        with self._database.reading() as connection:
            return resident_rows.model_in_use(connection)

    def use_model(self, model_id: ModelId, templates: Sequence[tuple[ResidentId, Encoding]] = ()) -> None:
        """Add these templates of a model and compare by it from now on: both or nothing."""
        now = self._clock.utc()
        with self._database.changing() as connection:
            for resident_id, encoding in templates:
                resident_rows.by_id(connection, resident_id)
                made = [(model_id, encoding)]
                resident_rows.insert_templates(connection, self._seals.templates, resident_id, made, now)
            resident_rows.use_model(connection, model_id)
        self.change_count += 1

    # --- events -----------------------------------------------------------------------------------

    def append(self, event: Event) -> StoredEvent:
        """Store and chain one event; it is on the disk when this returns."""
        with self._database.changing() as connection:
            stored = event_rows.append(connection, self._audit_key, event)
        self._database.finish_erasing()
        return stored

    def events(
        self, *, after: int = 0, limit: int | None = None, newest_first: bool = False
    ) -> Iterator[StoredEvent]:
        """Stored events with a number above `after`; raises `StoreCorruptError` at one it cannot read."""
        for count, row in enumerate(self._rows(after, newest_first=newest_first)):
            if limit is not None and count >= limit:
                return
            yield event_rows.decode(row, self.path)

    def _rows(self, after: int | None = None, *, newest_first: bool = False) -> Iterator[audit.Row]:
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
                mono_s, synced = self._clock.monotonic(), self._clock.synced()
                event = Event(EventKind.PRUNED, now, mono_s, synced, boot_id, door, None, detail)
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
        """Move the write-ahead log into the file and cut it to nothing; raises `StoreBusyError`."""
        self._database.erase_wal()

    def snapshot(self) -> tuple[bytes, DataKey, datetime]:
        """Return the whole file as of one moment, the key to what is encrypted in it, and the time."""
        with self._database.reading() as connection:
            connection.execute("BEGIN")
            try:
                return connection.serialize(), self._opened.key, self._clock.utc()
            finally:
                connection.execute("COMMIT")
