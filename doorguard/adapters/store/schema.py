"""The tables, as ordered migrations. `PRAGMA user_version` counts those applied."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from doorguard.errors import StoreCorruptError, StoreError, StoreTooNewError

APPLICATION_ID = 0x646F6F72
"""`door` in ASCII; in the file's header it tells our database from another program's."""

MOST_TEMPLATES = """SELECT t.model_id FROM templates t JOIN residents r USING (resident_id)
    GROUP BY t.model_id ORDER BY sum(r.enabled) DESC, count(*) DESC, t.model_id LIMIT 1"""
"""The model in use of a store that names none, being older than version 2: that of its residents. Part of a
migration, so never changed either."""

MIGRATIONS: Sequence[Iterable[str]] = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
        """CREATE TABLE residents (
            resident_id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL UNIQUE,
            enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
            created_utc TEXT NOT NULL,
            consent TEXT,
            consent_utc TEXT
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE templates (
            template_id INTEGER PRIMARY KEY,
            resident_id TEXT NOT NULL REFERENCES residents,
            model_id TEXT NOT NULL,
            created_utc TEXT NOT NULL,
            nonce BLOB NOT NULL,
            sealed BLOB NOT NULL
        ) STRICT""",
        "CREATE TABLE erased (resident_id TEXT PRIMARY KEY, at_utc TEXT NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE TABLE events (event_id INTEGER PRIMARY KEY, payload TEXT NOT NULL, mac BLOB NOT NULL) STRICT",
    ),
    (
        """CREATE TABLE crops (
            crop_id INTEGER PRIMARY KEY,
            resident_id TEXT NOT NULL REFERENCES residents,
            model_id TEXT NOT NULL,
            created_utc TEXT NOT NULL,
            nonce BLOB NOT NULL,
            sealed BLOB NOT NULL
        ) STRICT""",
        "CREATE TABLE encoder (one INTEGER PRIMARY KEY CHECK (one = 1), model_id TEXT NOT NULL) STRICT",
        f"INSERT INTO encoder SELECT 1, model_id FROM ({MOST_TEMPLATES})",  # noqa: S608  a constant
    ),
)
"""Each entry is one version's statements. An entry that was released is never changed, only followed."""


def version_of(connection: sqlite3.Connection) -> int:
    """Return how many migrations the file has seen."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def is_fresh(connection: sqlite3.Connection) -> bool:
    """Whether the file holds nothing at all."""
    return connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is None


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse another program's file, a newer release's and a damaged one.

    Only the small tables are read through here, for start-up time; damage among the events shows when they
    are read, and `audit verify` reads them all.

    Raises
    ------
    StoreTooNewError, StoreCorruptError

    """
    if is_fresh(connection):
        return
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreCorruptError(f"{path} is no doorguard store; move it away or name another state folder")
    if version_of(connection) > len(MIGRATIONS):
        raise StoreTooNewError(
            f"the store {path} is of version {version_of(connection)}, newer than this release knows "
            f"({len(MIGRATIONS)}); install the newer doorguard"
        )
    for table in ("meta", "residents", "templates"):
        finding = connection.execute(f"PRAGMA quick_check('{table}')").fetchone()[0]
        if finding != "ok":
            raise StoreCorruptError(f"the store {path} is damaged ({finding}); restore a backup")


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what is missing, inside the caller's transaction: all of it happens or none."""
    for statements in MIGRATIONS[version_of(connection) :]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def require_current(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse to read a store that still needs a migration, which only a writer may do."""
    if version_of(connection) != len(MIGRATIONS):
        raise StoreError(
            f"the store {path} is of version {version_of(connection)} and this release reads "
            f"{len(MIGRATIONS)}; start the daemon once to bring it up to date"
        )
