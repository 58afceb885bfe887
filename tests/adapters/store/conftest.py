"""A store in a temporary state folder, with real keys and a clock that stands still."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from doorguard.adapters.keys import FileKeys
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.store import Store
from doorguard.core.model import Encoding, Event, EventKind, ModelId, ResidentId

MODEL = ModelId("facenet@0123456789ab")


@dataclass
class Home:
    """A state folder and what is in it."""

    state: Path
    clock: ManualClock = field(default_factory=ManualClock)

    @property
    def path(self) -> Path:
        return self.state / "doorguard.db"

    @property
    def keys(self) -> FileKeys:
        return FileKeys(self.state / "store.key")

    def open(self, *, write: bool = True) -> Store:
        return Store.open(self.path, self.keys, clock=self.clock, write=write)

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Do to the file what an attacker or another program would."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def files_with(self, *needles: bytes) -> list[str]:
        """Names of the state folder's files that hold any of the byte strings."""
        found = []
        for file in self.state.rglob("*"):
            content = file.read_bytes() if file.is_file() else b""
            found += [file.name for needle in needles if needle in content]
        return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "state")


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with home.open() as opened:
        yield opened


@pytest.fixture
def face() -> Callable[[int], Encoding]:
    """Encodings by number: random unit vectors."""

    def make(number: int) -> Encoding:
        vector = np.random.default_rng(number).normal(size=128)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    return make


@pytest.fixture
def enroll(face: Callable[[int], Encoding]) -> Callable[..., ResidentId]:
    """Add a resident with one template to a store."""

    def add(store: Store, name: str, number: int = 0, consent: str | None = None) -> ResidentId:
        return store.add_resident(name, consent, [(MODEL, face(number))]).resident_id

    return add


@pytest.fixture
def tell(home: Home) -> Callable[..., Event]:
    """Events of the folder's clock."""

    def make(kind: EventKind = EventKind.ATTEMPT, **detail: object) -> Event:
        return Event(kind, home.clock.utc(), home.clock.monotonic(), True, "boot", "front", None, detail)

    return make
