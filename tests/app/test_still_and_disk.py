"""What the daemon writes: nothing while nobody comes, little for a visit, and what a full disk costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from doorguard.adapters.simulated.camera import SimulatedCamera
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.line import SimulatedLine
from doorguard.adapters.simulated.visits import LINGERER, RESIDENT, Script, Visit
from doorguard.adapters.store import Store
from doorguard.app import Daemon, Resources, assemble, open_store
from doorguard.config import Settings
from doorguard.core.model import Box, EventKind, Frame, Image
from doorguard.daemon.loop import run_lockstep
from doorguard.daemon.view import GuardView
from doorguard.errors import StoreError
from doorguard.places import Places
from doorguard.strike.controller import StrikeController
from doorguard.vision.pipeline import FacePipeline

Enroll = Callable[[str, str], str]
PERIOD_S = 1 / 15
TEN_MINUTES = 15 * 600
VISIT_BYTES_MAX = 64 * 1024


@dataclass
class Lockstep:
    """The daemon's parts on a manual clock with the real models and the real store."""

    clock: ManualClock
    settings: Settings
    store: Store
    line: SimulatedLine
    daemon: Daemon

    def play(self, visit: Visit) -> list[GuardView]:
        views: list[GuardView] = []
        source = SimulatedCamera(Script((visit,)), self.clock, self.settings.camera)
        run_lockstep(source, self.daemon.guard, self.daemon.recorder, on_view=views.append)
        return views


@pytest.fixture
def lockstep(
    settings: Settings, places: Places, vision: FacePipeline, enroll: Enroll, clock: ManualClock
) -> Iterator[Lockstep]:
    enroll("Barack Obama", "obama-2010.jpg")
    line = SimulatedLine(clock)
    strike = StrikeController(line, clock, watch=False)
    with open_store(places, write=True, clock=clock) as store:
        daemon = assemble(settings, Resources(vision, store, strike, clock, lambda face, image: None))
        daemon.guard.reload()
        yield Lockstep(clock, settings, store, line, daemon)
    strike.close()


class _StillScene:
    """Thirty noisy pictures of one wall, over and over for ten minutes."""

    def __init__(self, clock: ManualClock) -> None:
        rng = np.random.default_rng(1)
        noise = rng.normal(0, 3, (30, 480, 640, 3))
        wall = rng.integers(60, 180, (480, 640, 3))
        self._pictures = np.clip(wall + noise, 0, 255).astype(np.uint8)
        self._clock = clock
        self._sequence = 0

    def open(self) -> None:
        """Nothing to open."""

    def read(self) -> Frame | None:
        self._clock.advance(PERIOD_S)
        self._sequence += 1
        if self._sequence > TEN_MINUTES:
            return None
        return Frame(self._pictures[self._sequence % 30], self._clock.monotonic(), self._sequence)

    def to_rgb(self, native: Image) -> Image:
        return native

    def meter(self, face: Box | None, image: Image) -> None:
        """Nothing to meter."""

    def close(self) -> None:
        """Nothing to close."""


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_still_scene_of_ten_minutes_writes_nothing(lockstep: Lockstep, places: Places) -> None:
    before = _files(places.state)
    daemon = lockstep.daemon
    daemon.upkeep()
    run_lockstep(
        _StillScene(lockstep.clock), daemon.guard, daemon.recorder, on_view=lambda _: daemon.upkeep()
    )
    assert _files(places.state) == before
    disposals = daemon.guard.view().disposals
    assert disposals["no_motion"] > 0.9 * TEN_MINUTES
    assert disposals["no_face"] >= 550  # about one look a second


def test_visit_with_three_attempts_writes_at_most_64_kib(lockstep: Lockstep, places: Places) -> None:
    lockstep.store.checkpoint_wal()
    before = sum(map(len, _files(places.state).values()))
    lockstep.play(LINGERER)
    attempts = [each for each in lockstep.store.events() if each.event.kind is EventKind.ATTEMPT]
    assert [each.event.detail["outcome"] for each in attempts] == ["denied"] * 3
    wal = len(_files(places.state).get("doorguard.db-wal", b""))
    lockstep.store.checkpoint_wal()
    grown = sum(map(len, _files(places.state).values())) - before
    assert wal > 0
    assert wal + max(grown, 0) <= VISIT_BYTES_MAX


def test_full_disk_lets_the_resident_in_and_keeps_the_events_in_memory(lockstep: Lockstep) -> None:
    _fill_up(lockstep.store)
    written = len(list(lockstep.store.events()))
    views = lockstep.play(RESIDENT)
    assert lockstep.line.levels[:3] == [False, True, False]
    last = views[-1]
    assert last.recorder.queued >= 2
    assert any(text.startswith("ALARM") for text in last.off)
    assert len(list(lockstep.store.events())) == written
    _limit(lockstep.store, 100_000)
    assert lockstep.daemon.recorder.drain()
    kinds = [each.event.kind for each in lockstep.store.events(after=written)]
    assert kinds == [EventKind.ATTEMPT, EventKind.STORE_FULL, EventKind.STORE_BACK]
    assert lockstep.store.verify().ok


def _limit(store: Store, pages: int) -> None:
    """Let the database file grow to so many pages; never below those it has."""
    with store._database.reading() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages}")


def _fill_up(store: Store) -> None:
    """Leave no room for another event."""
    _limit(store, 1)
    (event,) = (stored.event for stored in store.events())
    with pytest.raises(StoreError):
        for _ in range(1000):
            store.append(event)
