"""The upkeep: once a day, never with a clock nobody has set, never an error."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import pytest

from doorguard.adapters.simulated.clock import ManualClock
from doorguard.core.audit import Head
from doorguard.daemon.events import EventStamp
from doorguard.daemon.upkeep import DAY_S, UNSET_S, Upkeep
from doorguard.errors import DoorguardError, NotAllowedError, StoreError


class Log:
    """Remembers what it was asked to prune."""

    def __init__(self) -> None:
        self.pruned: list[datetime] = []
        self.error: DoorguardError | None = None

    def prune(self, before_utc: datetime, *, door: str = "", boot_id: str = "") -> int:
        assert (door, boot_id) == ("front", "boot")
        if self.error is not None:
            raise self.error
        self.pruned.append(before_utc)
        return 3

    def head(self) -> Head:
        return Head(12, bytes(32))


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def upkeep(log: Log, clock: ManualClock) -> Upkeep:
    return Upkeep(log, EventStamp(clock, "front", "boot"), keep_days=30)


def test_call_works_at_once_and_then_once_a_day(
    upkeep: Upkeep, log: Log, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    start = clock.utc()
    for _ in range(49):
        upkeep()
        clock.advance(DAY_S / 24)
    assert log.pruned == [start + timedelta(days=day) - timedelta(days=30) for day in (0, 1, 2)]
    assert caplog.text.count(f"audit head 12:{'00' * 32}") == 3
    assert "3 events older than 30 days pruned" in caplog.text


def test_call_clock_nobody_has_set_prunes_nothing_but_tells_the_head(
    upkeep: Upkeep, log: Log, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock.is_synced = False
    upkeep()
    assert log.pruned == []
    assert "audit head" in caplog.text
    clock.is_synced = True
    clock.advance(UNSET_S)
    upkeep()
    assert len(log.pruned) == 1


@pytest.mark.parametrize("kind", [StoreError, NotAllowedError])
def test_call_log_that_fails_is_told_and_tried_again_the_next_day(
    upkeep: Upkeep,
    log: Log,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    kind: type[DoorguardError],
) -> None:
    log.error = kind("disk full")
    upkeep()
    assert "upkeep of the event log failed: disk full" in caplog.text
    log.error = None
    clock.advance(DAY_S)
    upkeep()
    assert len(log.pruned) == 1


def test_call_nothing_old_says_nothing_about_it(
    upkeep: Upkeep, log: Log, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(log, "prune", lambda before, **_: 0)
    upkeep()
    assert "pruned" not in caplog.text
