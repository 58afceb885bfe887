"""The contracts of `ports.TemplateStore` and `ports.EventLog`, in memory and in the real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from doorguard.adapters.keys import FileKeys
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.memory import MemoryStore
from doorguard.adapters.simulated.vision import MODEL_ID, person
from doorguard.adapters.store import Store
from doorguard.core.model import EventKind, ModelId, ResidentId
from doorguard.daemon.events import EventStamp
from doorguard.errors import NameTakenError, StoreError, UnknownResidentError
from doorguard.ports import EventLog, TemplateStore

NOBODY = ResidentId("ffffffffffffffff")


class Both(TemplateStore, EventLog, Protocol):
    """Residents and events in one, as the daemon uses them."""


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Both]:
    if request.param == "memory":
        yield MemoryStore(clock)
        return
    with Store.open(tmp_path / "doorguard.db", FileKeys(tmp_path / "key"), clock=clock, write=True) as real:
        yield real


@pytest.fixture
def stamp(clock: ManualClock) -> EventStamp:
    return EventStamp(clock, "front", "boot")


def test_add_resident_is_found_by_any_case_and_by_id(store: Both, clock: ManualClock) -> None:
    made = store.add_resident("Ada", "said yes", [(MODEL_ID, person(1))])
    assert (made.name, made.enabled, made.templates, made.consent) == ("Ada", True, 1, "said yes")
    assert made.consent_utc == clock.utc()
    assert store.find("aDa") == store.find(made.resident_id) == made


def test_add_resident_without_consent_records_none(store: Both) -> None:
    made = store.add_resident("Ada", None, [(MODEL_ID, person(1))])
    assert (made.consent, made.consent_utc) == (None, None)


def test_add_resident_without_a_template_is_refused(store: Both) -> None:
    with pytest.raises(ValueError, match="at least one template"):
        store.add_resident("Ada", None, [])


def test_add_resident_of_a_name_that_is_taken_is_refused(store: Both) -> None:
    store.add_resident("Ada", None, [(MODEL_ID, person(1))])
    with pytest.raises(NameTakenError):
        store.add_resident("ADA", None, [(MODEL_ID, person(2))])
    assert len(store.templates()) == 1


def test_residents_come_by_name(store: Both) -> None:
    for number, name in enumerate(("carl", "Ada", "Bob")):
        store.add_resident(name, None, [(MODEL_ID, person(number))])
    assert [resident.name for resident in store.residents()] == ["Ada", "Bob", "carl"]


def test_templates_come_back_as_they_were_given(store: Both) -> None:
    made = store.add_resident("Ada", None, [(MODEL_ID, person(1)), (MODEL_ID, person(2))])
    first, second = store.templates()
    assert (first.resident_id, first.model_id) == (made.resident_id, MODEL_ID)
    np.testing.assert_array_equal(first.encoding, person(1))
    np.testing.assert_array_equal(second.encoding, person(2))


def test_add_templates_adds(store: Both) -> None:
    made = store.add_resident("Ada", None, [(MODEL_ID, person(1))])
    assert store.add_templates(made.resident_id, [(MODEL_ID, person(2))]).templates == 2


def test_set_enabled_hides_templates_and_brings_them_back(store: Both) -> None:
    made = store.add_resident("Ada", None, [(MODEL_ID, person(1))])
    assert not store.set_enabled(made.resident_id, False).enabled
    assert list(store.templates()) == []
    assert len(store.templates(enabled_only=False)) == 1
    store.set_enabled(made.resident_id, True)
    assert len(store.templates()) == 1


def test_rename_changes_the_name_also_its_case(store: Both) -> None:
    made = store.add_resident("Ada", None, [(MODEL_ID, person(1))])
    store.add_resident("Bob", None, [(MODEL_ID, person(2))])
    assert store.rename(made.resident_id, "ADA").name == "ADA"
    with pytest.raises(NameTakenError):
        store.rename(made.resident_id, "bob")


def test_remove_forgets_resident_and_templates(store: Both) -> None:
    made = store.add_resident("Ada", None, [(MODEL_ID, person(1))])
    store.remove(made.resident_id)
    assert list(store.residents()) == []
    assert list(store.templates(enabled_only=False)) == []
    with pytest.raises(UnknownResidentError):
        store.find("Ada")


OTHER = ModelId("other@0123456789ab")


def test_keep_crops_come_back_in_order_and_go_with_the_resident(store: Both) -> None:
    made = store.add_resident("Ada", None, [(MODEL_ID, person(1))])
    bob = store.add_resident("Bob", None, [(MODEL_ID, person(2))])
    assert store.keep_crops(made.resident_id, MODEL_ID, [b"one", b"two"]).crops == 2
    store.keep_crops(bob.resident_id, OTHER, [b"three"])
    assert list(store.crops(made.resident_id)) == [(MODEL_ID, b"one"), (MODEL_ID, b"two")]
    assert store.find("Ada").as_json()["crops"] == 2
    store.remove(made.resident_id)
    assert list(store.crops(made.resident_id)) == []
    assert list(store.crops(bob.resident_id)) == [(OTHER, b"three")]


def test_model_in_use_is_that_of_the_first_template_until_another_is_named(store: Both) -> None:
    assert store.model_in_use() is None
    ada = store.add_resident("Ada", None, [(MODEL_ID, person(1))])
    store.add_resident("Bob", None, [(OTHER, person(2))])
    assert store.model_in_use() == MODEL_ID
    store.use_model(OTHER, [(ada.resident_id, person(3))])
    assert store.model_in_use() == OTHER
    assert [each.model_id for each in store.templates()] == [MODEL_ID, OTHER, OTHER]
    assert store.find("Ada").templates == 2


def test_use_model_with_a_template_of_nobody_changes_nothing(store: Both) -> None:
    ada = store.add_resident("Ada", None, [(MODEL_ID, person(1))])
    with pytest.raises(UnknownResidentError):
        store.use_model(OTHER, [(ada.resident_id, person(3)), (NOBODY, person(3))])
    assert store.model_in_use() == MODEL_ID
    assert len(store.templates()) == 1


def test_every_change_of_nobody_is_refused(store: Both) -> None:
    for change in (
        lambda: store.rename(NOBODY, "Ada"),
        lambda: store.set_enabled(NOBODY, True),
        lambda: store.add_templates(NOBODY, [(MODEL_ID, person(1))]),
        lambda: store.remove(NOBODY),
        lambda: store.keep_crops(NOBODY, MODEL_ID, [b"one"]),
    ):
        with pytest.raises(UnknownResidentError):
            change()


def test_append_numbers_events_from_one(store: Both, stamp: EventStamp) -> None:
    made = [store.append(stamp.make(EventKind.STARTED, {"n": number})) for number in range(3)]
    assert [stored.event_id for stored in made] == [1, 2, 3]
    assert [stored.event.detail["n"] for stored in store.events()] == [0, 1, 2]


def test_events_after_limit_and_newest_first(store: Both, stamp: EventStamp) -> None:
    for number in range(1, 6):
        store.append(stamp.make(EventKind.STARTED, {"n": number}))

    def numbers(**how: object) -> list[int]:
        return [stored.event_id for stored in store.events(**how)]  # type: ignore[arg-type]

    assert numbers(after=3) == [4, 5]
    assert numbers(limit=2) == [1, 2]
    assert numbers(limit=2, newest_first=True) == [5, 4]
    assert numbers(after=3, newest_first=True) == [5, 4]
    assert numbers(limit=0) == []


def test_event_comes_back_as_it_was_given(store: Both, stamp: EventStamp) -> None:
    event = stamp.make(EventKind.ATTEMPT, {"tau": 1.25, "frames": [{"d": None}]}, ResidentId("ab" * 8))
    store.append(event)
    (stored,) = store.events()
    assert stored.event == event


def test_memory_store_that_is_full_refuses_changes_but_can_be_read(
    clock: ManualClock, stamp: EventStamp
) -> None:
    store = MemoryStore(clock)
    made = store.add_resident("Ada", None, [(MODEL_ID, person(1))])
    store.full = True
    with pytest.raises(StoreError, match="full"):
        store.append(stamp.make(EventKind.STARTED, {}))
    with pytest.raises(StoreError):
        store.remove(made.resident_id)
    assert store.find("Ada") == made


def test_memory_store_that_is_broken_refuses_to_be_read(clock: ManualClock) -> None:
    store = MemoryStore(clock)
    store.broken = True
    with pytest.raises(StoreError, match="broken"):
        store.templates()


def test_memory_store_reports_sealed_templates(clock: ManualClock) -> None:
    store = MemoryStore(clock)
    made = store.add_resident("Ada", None, [(MODEL_ID, person(1)), (MODEL_ID, person(2))])
    store.sealed.add(store.templates()[0].template_id)
    assert [row[0] for row in store.unusable()] == [made.resident_id]
    assert len(store.templates()) == 1
