"""Rows of the audit log. Each function runs on a connection its caller has opened and locked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from doorguard.core.audit import START, Head, Row, decode_event, encode_event, link
from doorguard.core.model import Event, EventKind, StoredEvent
from doorguard.errors import StoreCorruptError

BATCH = 256
"""Rows per read, so that a long listing holds neither the lock nor a snapshot of the file for long."""


def head(connection: sqlite3.Connection) -> Head:
    """Return the last row's number and code."""
    row = connection.execute("SELECT event_id, mac FROM events ORDER BY event_id DESC LIMIT 1").fetchone()
    return Head(row[0], row[1]) if row else START


def append(connection: sqlite3.Connection, key: bytes, event: Event) -> StoredEvent:
    """Chain one event to the last."""
    last = head(connection)
    payload = encode_event(event)
    event_id = last.event_id + 1
    mac = link(key, last.mac, event_id, payload)
    connection.execute("INSERT INTO events VALUES (?, ?, ?)", (event_id, payload.decode(), mac))
    return StoredEvent(event_id, event, mac)


def batch(
    connection: sqlite3.Connection, *, after: int | None, before: int | None, newest_first: bool
) -> list[Row]:
    """Return up to `BATCH` rows with `after` < number < `before`; None is no bound."""
    order = "DESC" if newest_first else "ASC"
    rows = connection.execute(
        f"SELECT event_id, CAST(payload AS BLOB), mac FROM events "  # noqa: S608  two constants
        "WHERE (:after IS NULL OR event_id > :after) AND (:before IS NULL OR event_id < :before) "
        f"ORDER BY event_id {order} LIMIT {BATCH}",
        {"after": after, "before": before},
    )
    return [Row(event_id, payload, mac) for event_id, payload, mac in rows]


def decode(row: Row, path: Path) -> StoredEvent:
    """Read one row; raises `StoreCorruptError`."""
    try:
        return StoredEvent(row.event_id, decode_event(row.payload), row.mac)
    except ValueError as error:
        raise StoreCorruptError(
            f"event {row.event_id} in {path} cannot be read; `doorguard audit verify` says more"
        ) from error


def prunable(rows: Iterator[Row], before_utc: datetime, now: datetime) -> tuple[Head, int]:
    """Return the last row of the oldest stretch made before `before_utc`, and the stretch's length.

    Rows are removed from the front only, or the chain would break. A row stamped later than now (a clock
    that was wrong) does not protect the rows before it. A stretch of nothing but earlier pruning rows is not
    worth another one.
    """
    last, count, worthwhile = START, 0, False
    for seen, row in enumerate(rows, start=1):
        event = decode_event(row.payload)
        if before_utc <= event.at_utc <= now:
            break
        worthwhile = worthwhile or event.kind is not EventKind.PRUNED
        if event.at_utc < before_utc:
            last, count = Head(row.event_id, row.mac), seen
    return (last, count) if worthwhile else (START, 0)


def remove_through(connection: sqlite3.Connection, last: Head) -> None:
    """Delete the rows up to and including `last`."""
    connection.execute("DELETE FROM events WHERE event_id <= ?", (last.event_id,))
