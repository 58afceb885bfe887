"""The recorder: order kept, nothing waits for the disk, a log that refuses raises an alarm."""

from __future__ import annotations

import threading

import pytest

from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.memory import MemoryStore
from doorguard.core.model import Event, EventKind, ResidentId, StoredEvent
from doorguard.daemon.events import EventStamp, Recorder


@pytest.fixture
def store(clock: ManualClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def recorder(store: MemoryStore, clock: ManualClock) -> Recorder:
    return Recorder(store, EventStamp(clock, "front", "boot"), 10)


def _details(store: MemoryStore) -> list[object]:
    return [stored.event.detail.get("n") for stored in store.events()]


def test_record_stamps_the_event_with_time_door_and_boot(
    recorder: Recorder, store: MemoryStore, clock: ManualClock
) -> None:
    clock.is_synced = False
    recorder.record(EventKind.STARTED, {"n": 1}, ResidentId("ab"))
    assert recorder.drain()
    (stored,) = store.events()
    event = stored.event
    assert (event.at_utc, event.monotonic_s) == (clock.utc(), clock.monotonic())
    assert (event.door, event.boot_id, event.clock_synced) == ("front", "boot", False)
    assert event.resident_id == "ab"


def test_drain_writes_oldest_first(recorder: Recorder, store: MemoryStore) -> None:
    for number in range(5):
        recorder.record(EventKind.ATTEMPT, {"n": number})
    assert recorder.health.queued == 5
    assert recorder.drain()
    assert _details(store) == [0, 1, 2, 3, 4]
    assert recorder.health.queued == 0


def test_drain_log_that_refuses_keeps_events_and_raises_the_alarm_once(
    recorder: Recorder, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.full = True
    recorder.record(EventKind.ATTEMPT, {"n": 1})
    assert not recorder.drain()
    assert not recorder.drain()
    health = recorder.health
    assert (health.queued, health.lost, health.alarm) == (2, 0, "the simulated store is full")
    assert caplog.text.count("ALARM") == 1
    store.full = False
    assert recorder.drain()
    assert store.kinds == [EventKind.ATTEMPT, EventKind.STORE_FULL, EventKind.STORE_BACK]
    assert recorder.health.alarm == ""


def test_drain_event_that_no_log_takes_is_dropped_and_the_others_written(
    recorder: Recorder, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = store.append

    def append(event: Event) -> StoredEvent:
        if event.detail["n"] == 1:
            raise ValueError("not JSON")
        return keep(event)

    monkeypatch.setattr(store, "append", append)
    for number in range(3):
        recorder.record(EventKind.ATTEMPT, {"n": number})
    assert recorder.drain()
    assert _details(store) == [0, 2]
    assert recorder.health.lost == 1


def test_drain_log_that_raises_something_unexpected_keeps_events(
    recorder: Recorder, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(event: Event) -> StoredEvent:
        raise RuntimeError("a name")

    monkeypatch.setattr(store, "append", append)
    recorder.record(EventKind.ATTEMPT, {"n": 1})
    assert not recorder.drain()
    assert recorder.health.alarm.startswith("RuntimeError at")
    assert recorder.health.queued == 2


def test_put_full_queue_drops_the_oldest_and_tells_how_many(recorder: Recorder, store: MemoryStore) -> None:
    store.full = True
    recorder.record(EventKind.ATTEMPT, {"n": 0})
    recorder.drain()
    for number in range(1, 13):
        recorder.record(EventKind.ATTEMPT, {"n": number})
    assert (recorder.health.queued, recorder.health.lost) == (10, 4)
    store.full = False
    recorder.drain()
    kept = [stored.event.detail for stored in store.events()]
    assert [detail["n"] for detail in kept[:-1]] == list(range(3, 13))
    assert kept[-1] == {"lost": 4}


def test_put_never_waits_for_a_log_that_hangs(clock: ManualClock) -> None:
    entered, release = threading.Event(), threading.Event()

    class Hanging(MemoryStore):
        def append(self, event: Event) -> StoredEvent:
            entered.set()
            release.wait(30)
            return super().append(event)

    store = Hanging(clock)
    recorder = Recorder(store, EventStamp(clock, "front", "boot"), 10)
    recorder.start()
    recorder.record(EventKind.ATTEMPT, {"n": 0})
    assert entered.wait(10)
    for number in range(1, 12):
        recorder.record(EventKind.ATTEMPT, {"n": number})
    assert recorder.health.lost == 2  # the one in the log's hands among them
    assert not recorder.stop(0.01)
    release.set()
    assert recorder.stop(10)
    assert _details(store) == [0, *range(2, 12)]


def test_start_writes_on_a_thread_of_its_own(recorder: Recorder, store: MemoryStore) -> None:
    recorder.start()
    recorder.record(EventKind.ATTEMPT, {"n": 1})
    assert recorder.stop(10)
    assert _details(store) == [1]


def test_stop_with_a_log_that_refuses_says_what_is_lost(
    recorder: Recorder, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.full = True
    recorder.start()
    recorder.record(EventKind.ATTEMPT, {"n": 1})
    assert recorder.stop(10)
    assert "2 events could not be written" in caplog.text


def test_run_tries_again_by_itself(
    recorder: Recorder, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doorguard.daemon.events.RETRY_S", 0.001)
    written = threading.Event()
    tries: list[int] = []
    keep = store.append

    def append(event: Event) -> StoredEvent:
        tries.append(1)
        store.full = len(tries) < 5
        stored = keep(event)
        written.set()
        return stored

    monkeypatch.setattr(store, "append", append)
    recorder.record(EventKind.ATTEMPT, {"n": 1})
    recorder.start()
    assert written.wait(10)
    assert recorder.stop(10)
    assert store.kinds[0] is EventKind.ATTEMPT


def test_stop_before_start_does_nothing(recorder: Recorder) -> None:
    assert recorder.stop(1)


def test_ring_is_called_when_the_alarm_changes(store: MemoryStore, clock: ManualClock) -> None:
    rings: list[str] = []
    recorder = Recorder(store, EventStamp(clock, "front", "boot"), 10, lambda: rings.append("ring"))
    store.full = True
    recorder.record(EventKind.ATTEMPT, {})
    recorder.drain()
    store.full = False
    recorder.drain()
    assert rings == ["ring", "ring"]
