"""Rows of residents and templates. Each function runs on a connection its caller has opened and locked."""

from __future__ import annotations

import secrets
import sqlite3
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from doorguard.adapters.store import schema
from doorguard.adapters.store.sealing import Seal, plain_encoding, read_encoding
from doorguard.core.model import Encoding, ModelId, Resident, ResidentId, Template
from doorguard.errors import NameTakenError, StoreCorruptError, UnknownResidentError

Sealed = Sequence[tuple[ModelId, Encoding]]
Unusable = tuple[ResidentId, int, str]

_SELECT = """SELECT r.resident_id, r.name, r.enabled, r.created_utc, r.consent, r.consent_utc,
    (SELECT count(*) FROM templates t WHERE t.resident_id = r.resident_id),
    (SELECT count(*) FROM crops c WHERE c.resident_id = r.resident_id) FROM residents r"""


def name_key(name: str) -> str:
    """Return what makes two names the same: compatibility form, without case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def every(connection: sqlite3.Connection) -> tuple[Resident, ...]:
    """All residents by name."""
    return tuple(_resident(row) for row in connection.execute(f"{_SELECT} ORDER BY r.name_key"))


def find(connection: sqlite3.Connection, name_or_id: str) -> Resident:
    """Return the resident of that name, else of that id; raises `UnknownResidentError`."""
    for column, value in (("name_key", name_key(name_or_id)), ("resident_id", name_or_id)):
        row = connection.execute(f"{_SELECT} WHERE r.{column} = ?", (value,)).fetchone()
        if row is not None:
            return _resident(row)
    raise UnknownResidentError(f"no resident {name_or_id!r}; `doorguard residents list` shows who there is")


def by_id(connection: sqlite3.Connection, resident_id: ResidentId) -> Resident:
    """Return one resident; raises `UnknownResidentError`."""
    row = connection.execute(f"{_SELECT} WHERE r.resident_id = ?", (resident_id,)).fetchone()
    if row is None:
        raise UnknownResidentError(f"no resident with the id {resident_id!r}; it may have been removed")
    return _resident(row)


def _resident(row: tuple[str, str, int, str, str | None, str | None, int, int]) -> Resident:
    resident_id, name, enabled, created, consent, consent_utc, templates, crops = row
    return Resident(
        ResidentId(resident_id),
        name,
        bool(enabled),
        _time(created),
        consent,
        _time(consent_utc) if consent_utc else None,
        templates,
        crops,
    )


def _time(stored: str) -> datetime:
    try:
        return datetime.fromisoformat(stored)
    except ValueError as error:
        raise StoreCorruptError(f"the store holds {stored!r} for a time; restore a backup") from error


def insert(connection: sqlite3.Connection, name: str, consent: str | None, now: datetime) -> ResidentId:
    """Add a resident without templates; raises `NameTakenError`."""
    _refuse_taken(connection, name, None)
    resident_id = ResidentId(secrets.token_hex(8))
    stamp = now.isoformat()
    connection.execute(
        "INSERT INTO residents VALUES (?, ?, ?, 1, ?, ?, ?)",
        (resident_id, name, name_key(name), stamp, consent, stamp if consent is not None else None),
    )
    return resident_id


def rename(connection: sqlite3.Connection, resident_id: ResidentId, name: str) -> None:
    """Change the name; raises `NameTakenError`."""
    _refuse_taken(connection, name, resident_id)
    connection.execute(
        "UPDATE residents SET name = ?, name_key = ? WHERE resident_id = ?",
        (name, name_key(name), resident_id),
    )


def _refuse_taken(connection: sqlite3.Connection, name: str, allowed: ResidentId | None) -> None:
    row = connection.execute(
        "SELECT name FROM residents WHERE name_key = ? AND resident_id IS NOT ?", (name_key(name), allowed)
    ).fetchone()
    if row is not None:
        raise NameTakenError(f"{row[0]!r} is enrolled already; choose another name or add with --add")


def insert_templates(
    connection: sqlite3.Connection,
    seal: Seal,
    resident_id: ResidentId,
    templates: Sealed,
    now: datetime,
) -> None:
    """Seal and store templates of one resident; the first of a store names the encoder in use."""
    for model_id, encoding in templates:
        connection.execute("INSERT OR IGNORE INTO encoder VALUES (1, ?)", (model_id,))
        connection.execute(
            "INSERT INTO templates VALUES (NULL, ?, ?, ?, ?, ?)",
            (
                resident_id,
                model_id,
                now.isoformat(),
                *seal.seal(resident_id, model_id, plain_encoding(encoding)),
            ),
        )


def open_templates(
    connection: sqlite3.Connection, seal: Seal, *, enabled_only: bool
) -> Iterator[Template | Unusable]:
    """Decrypt every template; one that does not open comes as `(resident_id, template_id, reason)`."""
    rows = connection.execute(
        """SELECT t.template_id, t.resident_id, t.model_id, t.created_utc, t.nonce, t.sealed
        FROM templates t JOIN residents r USING (resident_id) WHERE r.enabled >= ? ORDER BY t.template_id""",
        (int(enabled_only),),
    )
    for template_id, resident_id, model_id, created, nonce, sealed in rows:
        encoding = read_encoding(seal.open(resident_id, model_id, nonce, sealed))
        if encoding is None:
            yield ResidentId(resident_id), template_id, "not_authentic"
        else:
            stamp = _time(created)
            yield Template(template_id, ResidentId(resident_id), ModelId(model_id), encoding, stamp)


def insert_crops(
    connection: sqlite3.Connection,
    seal: Seal,
    resident_id: ResidentId,
    crops: Sequence[tuple[ModelId, bytes]],
    now: datetime,
) -> None:
    """Seal and store pictures of one resident."""
    for model_id, crop in crops:
        connection.execute(
            "INSERT INTO crops VALUES (NULL, ?, ?, ?, ?, ?)",
            (resident_id, model_id, now.isoformat(), *seal.seal(resident_id, model_id, crop)),
        )


def open_crops(
    connection: sqlite3.Connection, seal: Seal, resident_id: ResidentId
) -> Iterator[tuple[ModelId, bytes]]:
    """Decrypt a resident's pictures, oldest first; one that does not open is left out."""
    rows = connection.execute(
        "SELECT model_id, nonce, sealed FROM crops WHERE resident_id = ? ORDER BY crop_id", (resident_id,)
    )
    for model_id, nonce, sealed in rows:
        crop = seal.open(resident_id, model_id, nonce, sealed)
        if crop is not None:
            yield ModelId(model_id), crop


def model_in_use(connection: sqlite3.Connection) -> ModelId | None:
    """Return the model the store names; of an older store, the one a migration will name."""
    query = "SELECT model_id FROM encoder" if schema.version_of(connection) > 1 else schema.MOST_TEMPLATES
    row = connection.execute(query).fetchone()
    return None if row is None else ModelId(row[0])


def use_model(connection: sqlite3.Connection, model_id: ModelId) -> None:
    """Name the model in use."""
    connection.execute("INSERT OR REPLACE INTO encoder VALUES (1, ?)", (model_id,))


def erase(connection: sqlite3.Connection, resident_ids: Collection[ResidentId], now: datetime) -> None:
    """Delete residents so that no byte of them stays in the file.

    `secure_delete` zeroes a deleted cell and a freed page, but not the copy of a cell that SQLite leaves
    behind in a page's gap when it moves the cell to a neighbour (measured with SQLite 3.40: 63 of 74,569
    names of random histories stayed in the file). So the tables are emptied whole, which
    zeroes all their pages, and those who stay are written afresh.
    """
    staying = [row for row in connection.execute("SELECT * FROM residents") if row[0] not in resident_ids]
    kept = [row for row in connection.execute("SELECT * FROM templates") if row[1] not in resident_ids]
    pictures = [row for row in connection.execute("SELECT * FROM crops") if row[1] not in resident_ids]
    connection.execute("DELETE FROM crops")
    connection.execute("DELETE FROM templates")
    connection.execute("DELETE FROM residents")
    connection.executemany("INSERT INTO residents VALUES (?, ?, ?, ?, ?, ?, ?)", staying)
    connection.executemany("INSERT INTO templates VALUES (?, ?, ?, ?, ?, ?)", kept)
    connection.executemany("INSERT INTO crops VALUES (?, ?, ?, ?, ?, ?)", pictures)
    connection.executemany(
        "INSERT OR IGNORE INTO erased VALUES (?, ?)", [(item, now.isoformat()) for item in resident_ids]
    )


def erased(connection: sqlite3.Connection) -> frozenset[ResidentId]:
    """Ids of everyone ever erased here; a restore must not bring them back."""
    return frozenset(ResidentId(row[0]) for row in connection.execute("SELECT resident_id FROM erased"))
