"""The audit log in the file: appended, read, tampered with, pruned."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from doorguard.adapters.store import Store
from doorguard.core import audit
from doorguard.core.model import Event, EventKind
from doorguard.errors import StoreCorruptError

Tell = Callable[..., Event]
DAY_S = 86_400.0


def fill(store: Store, tell: Tell, count: int) -> None:
    for number in range(count):
        store.append(tell(number=number))


def test_append_numbers_and_returns_what_is_stored(store: Store, tell: Tell) -> None:
    first, second = store.append(tell(number=1)), store.append(tell(number=2))
    assert [first.event_id, second.event_id] == [1, 2]
    assert [(item.event_id, item.event, item.mac) for item in store.events()] == [
        (1, tell(number=1), first.mac),
        (2, tell(number=2), second.mac),
    ]
    assert store.head() == audit.Head(2, second.mac)


def test_events_of_several_batches_come_in_order_and_only_as_many_as_asked(store: Store, tell: Tell) -> None:
    fill(store, tell, 600)
    ids = [item.event_id for item in store.events()]
    assert ids == list(range(1, 601))
    assert [item.event_id for item in store.events(newest_first=True)] == ids[::-1]
    assert [item.event_id for item in store.events(after=590)] == ids[590:]
    assert [item.event_id for item in store.events(after=590, newest_first=True)] == ids[590:][::-1]
    assert [item.event_id for item in store.events(limit=3, newest_first=True)] == [600, 599, 598]
    assert list(store.events(limit=0)) == []
    assert list(store.events(after=600)) == []


def test_events_may_be_appended_while_they_are_read(store: Store, tell: Tell) -> None:
    fill(store, tell, 2)
    seen = []
    for item in islice(store.events(), 300):
        seen.append(item.event_id)
        store.append(tell())
    assert seen == list(range(1, 301))[: len(seen)]
    assert len(seen) >= 2


def test_verify_untouched_passes_and_a_second_process_sees_the_same(
    home: Any, store: Store, tell: Tell
) -> None:
    fill(store, tell, 300)
    assert store.verify() == audit.AuditReport(True, 300, None, "every row is in place", store.head())
    with home.open(write=False) as reader:
        assert reader.verify() == store.verify()
        assert reader.head() == store.head()


@pytest.mark.parametrize(
    ("tampering", "first_bad"),
    [
        ("UPDATE events SET payload = replace(payload, 'front', 'other') WHERE event_id = 7", 7),
        ("UPDATE events SET payload = CAST(x'ff7b7d' AS TEXT) WHERE event_id = 7", 7),
        ("UPDATE events SET mac = x'00' WHERE event_id = 7", 7),
        ("DELETE FROM events WHERE event_id = 4", 4),
        ("DELETE FROM events WHERE event_id <= 4", 1),
        ("INSERT INTO events SELECT -3, payload, mac FROM events WHERE event_id = 4", -3),
        ("UPDATE events SET event_id = 99 WHERE event_id = 5", 5),
        ("INSERT INTO events SELECT 21, payload, mac FROM events WHERE event_id = 20", 21),
    ],
)
def test_verify_tampered_file_names_the_first_bad_row(
    home: Any, tell: Tell, tampering: str, first_bad: int
) -> None:
    with home.open() as store:
        fill(store, tell, 20)
    home.sql(tampering)
    with home.open(write=False) as store:
        assert store.verify().first_bad_id == first_bad


def test_verify_cut_tail_shows_with_the_checkpoint(home: Any, tell: Tell) -> None:
    with home.open() as store:
        fill(store, tell, 20)
        text = audit.format_checkpoint(store.head())
    home.sql("DELETE FROM events WHERE event_id > 15")
    with home.open() as store:
        assert store.verify().ok
        assert store.verify(audit.parse_checkpoint(text)).first_bad_id == 16


def test_events_unreadable_row_is_a_corrupt_store(home: Any, store: Store, tell: Tell) -> None:
    fill(store, tell, 3)
    home.sql("UPDATE events SET payload = 'nonsense' WHERE event_id = 2")
    with pytest.raises(StoreCorruptError, match=r"event 2 .*audit verify"):
        list(store.events())
    with pytest.raises(StoreCorruptError, match="audit verify"):
        store.prune(tell().at_utc + timedelta(days=1))


# --- pruning --------------------------------------------------------------------------------------


def month(home: Any, store: Store, tell: Tell) -> datetime:
    """Write one event a day for ten days; return the time of the sixth."""
    for number in range(10):
        store.append(tell(number=number))
        home.clock.advance(DAY_S)
    sixth: datetime = home.clock.utc() - timedelta(days=5)
    return sixth


def test_prune_removes_what_is_older_and_verify_accepts_it(home: Any, store: Store, tell: Tell) -> None:
    before = month(home, store, tell)
    assert store.prune(before, door="front", boot_id="boot") == 5
    rows = list(store.events())
    assert [item.event_id for item in rows] == [6, 7, 8, 9, 10, 11]
    signed = rows[-1].event
    assert (signed.kind, signed.door, signed.boot_id) == (EventKind.PRUNED, "front", "boot")
    assert signed.detail["removed"] == 5
    assert store.verify().ok
    assert store.append(tell()).event_id == 12
    assert store.verify().ok


def test_prune_again_and_again_keeps_the_chain_whole(home: Any, store: Store, tell: Tell) -> None:
    for _ in range(4):
        month(home, store, tell)
        store.prune(home.clock.utc() - timedelta(days=5))
        assert store.verify().ok
    assert [item.event.kind for item in store.events()].count(EventKind.PRUNED) == 1


def test_prune_everything_leaves_the_signed_row_and_is_not_repeated(
    home: Any, store: Store, tell: Tell
) -> None:
    month(home, store, tell)
    assert store.prune(home.clock.utc() + timedelta(seconds=1)) == 10
    assert [item.event_id for item in store.events()] == [11]
    home.clock.advance(40 * DAY_S)
    assert store.prune(home.clock.utc()) == 0
    assert store.verify() == audit.AuditReport(True, 1, None, "every row is in place", store.head())


def test_prune_with_nothing_old_writes_nothing(home: Any, store: Store, tell: Tell) -> None:
    before = month(home, store, tell)
    wal = home.path.with_name("doorguard.db-wal")
    size, head = wal.stat().st_size, store.head()
    assert store.prune(before - timedelta(days=30)) == 0
    assert (wal.stat().st_size, store.head()) == (size, head)


def test_prune_row_stamped_later_than_now_does_not_protect_older_ones(
    home: Any, store: Store, tell: Tell
) -> None:
    home.clock.advance(400 * DAY_S)
    wrong = tell(clock="ran ahead")
    store.append(Event(wrong.kind, wrong.at_utc + timedelta(days=400), 1.0, False, "", "front", None, {}))
    before = month(home, store, tell)
    assert store.prune(before) == 6
    assert store.verify().ok


def test_prune_row_stamped_too_early_takes_no_younger_one_with_it(
    home: Any, store: Store, tell: Tell
) -> None:
    before = month(home, store, tell)
    store.append(Event(EventKind.STARTED, before - timedelta(days=9999), 1.0, False, "", "", None, {}))
    assert store.prune(before) == 5
    assert store.verify().ok


def test_pruned_rows_put_back_are_found(home: Any, tell: Tell) -> None:
    with home.open() as store:
        before = month(home, store, tell)
        saved = home.sql("SELECT * FROM events WHERE event_id <= 5")
        store.prune(before)
    for row in saved:
        home.sql("INSERT INTO events VALUES (?, ?, ?)", *row)
    with home.open() as store:
        assert store.verify().first_bad_id == 1


def test_pruned_event_leaves_no_byte(home: Any, store: Store, tell: Tell) -> None:
    store.append(tell(reason="unmistakable"))
    home.clock.advance(DAY_S)
    store.append(tell())
    assert store.prune(home.clock.utc()) == 1
    store.checkpoint_wal()
    assert home.files_with(b"unmistakable") == []
