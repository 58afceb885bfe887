"""The SQLite file: opened with the settings durability and erasure need, shared by threads under one lock."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from doorguard.adapters.store.files import translated
from doorguard.errors import StoreBusyError, StoreError

BUSY_MS = 1500
"""How long to wait for a reader; below the two seconds in which the control socket must answer."""


class Database:
    """One connection. Every access goes through `reading` or `changing`, so no SQLite error escapes."""

    def __init__(self, path: Path, *, write: bool, in_memory: bool = False) -> None:
        """Open the file at `path`, or an empty database in memory that stands for one not yet made."""
        self.path = path
        self.write = write
        self._erasing = write  # the writer before may have died between its commit and the erasing
        self._lock = threading.RLock()
        with translated(self.path):
            self._connection = sqlite3.connect(
                ":memory:" if in_memory else f"{path.absolute().as_uri()}?mode=rw",
                uri=not in_memory,
                isolation_level=None,
                check_same_thread=False,
                timeout=BUSY_MS / 1000,
            )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self) -> None:
        for pragma in (
            "synchronous = FULL",  # an acknowledged commit survives power loss
            "foreign_keys = ON",
            "secure_delete = ON",  # freed cells and pages are overwritten with zeros
            "temp_store = MEMORY",  # no copy of a row in a temporary file
            "trusted_schema = OFF",
            "cell_size_check = ON",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        if self.write:
            self._connection.execute("PRAGMA journal_mode = WAL")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection to one thread."""
        with self._lock, translated(self.path):
            yield self._connection

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection inside a transaction, durable when the block ends, undone when it raises."""
        if not self.write:
            raise StoreError(f"the store {self.path} is open for reading only")
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk may have ended it already
                    connection.execute("ROLLBACK")
                raise

    def erase_wal(self) -> None:
        """Move the write-ahead log into the file and cut it to nothing.

        Raises
        ------
        StoreBusyError : another process is in the middle of reading older pages.

        """
        self._erasing = True
        with self.reading() as connection:
            if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise StoreBusyError(
                    f"another process is reading {self.path}, so what was erased is still in its write-ahead "
                    "log; it goes with the next event once that process ends"
                )
        self._erasing = False

    def finish_erasing(self) -> None:
        """Try again what `erase_wal` could not do, or what a crash kept the last writer from doing."""
        if self._erasing:
            with suppress(StoreError):
                self.erase_wal()

    def close(self) -> None:
        """Close; closing again does nothing."""
        with self._lock, translated(self.path):
            self._connection.close()
