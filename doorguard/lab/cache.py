"""Samples kept between runs, in one SQLite file of the user's own cache folder.

It holds encodings of the people in the pictures, so it is readable by its owner alone, and deleting the file
deletes them. No picture is kept.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from types import TracebackType

import numpy as np

from doorguard.core.model import Encoding, Quality
from doorguard.errors import StoreError
from doorguard.lab.recipe import Recipe
from doorguard.lab.worker import UNREADABLE, Sample, Shot

_SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
    recipe TEXT, picture TEXT, change TEXT, faces INTEGER, cause TEXT,
    quality BLOB, encoding BLOB, mirrored BLOB,
    PRIMARY KEY (recipe, picture, change)
) STRICT, WITHOUT ROWID
"""


def cache_file(environ: Mapping[str, str]) -> Path:
    """Return where the user's cache of encodings lies (XDG base directories)."""
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".cache")
    return Path(base) / "doorguard" / "encodings.sqlite3"


class SampleCache:
    """Implements `encodings.Cache` for one recipe."""

    def __init__(self, file: Path, recipe: Recipe) -> None:
        """Open or make the file; raises `StoreError`."""
        self._file = file
        self._recipe = recipe.digest
        with self._translated():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            self._database = sqlite3.connect(file, timeout=60.0)
            self._database.execute("PRAGMA journal_mode = WAL")
            # What power loss takes from a cache is computed again.
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute(_SCHEMA)

    def __enter__(self) -> SampleCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def get(self, shot: Shot, digest: str) -> Sample | None:
        """Return what was kept of this picture under this change; raises `StoreError`."""
        with self._translated():
            row = self._database.execute(
                "SELECT faces, cause, quality, encoding, mirrored FROM samples"
                " WHERE recipe = ? AND picture = ? AND change = ?",
                (self._recipe, digest, _change(shot)),
            ).fetchone()
            if row is None:
                return None
            faces, cause, quality, encoding, mirrored = row
            measured = None if quality is None else Quality(*np.frombuffer(quality).tolist())
            return Sample(shot.path, digest, faces, _read(encoding), _read(mirrored), measured, cause)

    def put(self, shots: Sequence[Shot], samples: Sequence[Sample]) -> None:
        """Keep samples, all or none; raises `StoreError`."""
        rows = [
            (
                *(self._recipe, sample.digest, _change(shot), sample.faces, sample.cause),
                None if sample.quality is None else np.array(astuple(sample.quality)).tobytes(),
                *(None if each is None else each.tobytes() for each in (sample.encoding, sample.mirrored)),
            )
            for shot, sample in zip(shots, samples, strict=True)
            if sample.cause != UNREADABLE
        ]
        with self._translated(), self._database:
            self._database.executemany("INSERT OR REPLACE INTO samples VALUES (?,?,?,?,?,?,?,?)", rows)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            raise StoreError(
                f"the cache of encodings {self._file} cannot be used ({error}); delete it, or use --no-cache"
            ) from error


def _change(shot: Shot) -> str:
    return "" if shot.change is None else shot.change.key


def _read(blob: bytes | None) -> Encoding | None:
    return None if blob is None else np.frombuffer(blob, dtype=np.float32)
