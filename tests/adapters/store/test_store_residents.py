"""Residents and templates: what goes in comes out, sealed, and what is removed is gone."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doorguard.adapters.store import Store, database
from doorguard.core.model import Encoding, ModelId, ResidentId
from doorguard.errors import NameTakenError, StoreBusyError, StoreError, UnknownResidentError

MODEL = ModelId("facenet@0123456789ab")
Face = Callable[[int], Encoding]
Enroll = Callable[..., ResidentId]
NOBODY = ResidentId("00" * 8)


def test_add_resident_comes_back_whole(home: Any, store: Store, face: Face) -> None:
    added = store.add_resident("Ann Lee", "Ann, on paper", [(MODEL, face(1)), (MODEL, face(2))])
    assert store.residents() == (added,)
    assert (added.name, added.enabled, added.templates) == ("Ann Lee", True, 2)
    assert (added.consent, added.consent_utc, added.created_utc) == (
        "Ann, on paper",
        home.clock.utc(),
        home.clock.utc(),
    )
    assert len(added.resident_id) == 16


def test_add_resident_without_consent_records_none(store: Store, enroll: Enroll) -> None:
    enroll(store, "Ann")
    assert (store.residents()[0].consent, store.residents()[0].consent_utc) == (None, None)


def test_add_resident_without_template_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="at least one template"):
        store.add_resident("Ann", None, [])


def test_templates_after_reopening_are_the_same_bits_and_read_only(home: Any, face: Face) -> None:
    with home.open() as store:
        resident = store.add_resident("Ann", None, [(MODEL, face(1)), (ModelId("other@1"), face(2))])
    with home.open() as store:
        first, second = store.templates()
    np.testing.assert_array_equal(first.encoding, face(1))
    np.testing.assert_array_equal(second.encoding, face(2))
    assert (first.resident_id, first.model_id, second.model_id) == (resident.resident_id, MODEL, "other@1")
    assert first.encoding.dtype == np.float32
    assert not first.encoding.flags.writeable


def test_residents_are_listed_by_name(store: Store, enroll: Enroll) -> None:
    for number, name in enumerate(("zoe", "Bob", "ann")):
        enroll(store, name, number)
    assert [item.name for item in store.residents()] == ["ann", "Bob", "zoe"]


@pytest.mark.parametrize("taken", ["Zoé", "ZOÉ", "zoe\N{COMBINING ACUTE ACCENT}"])
def test_add_resident_of_the_same_name_is_refused(store: Store, enroll: Enroll, taken: str) -> None:
    resident_id = enroll(store, "Zoé")
    with pytest.raises(NameTakenError, match="'Zoé' is enrolled already"):
        enroll(store, taken)
    assert store.find(taken).resident_id == resident_id


def test_find_prefers_a_name_to_an_id(store: Store, enroll: Enroll) -> None:
    first = enroll(store, "Ann")
    second = enroll(store, first, 1)
    assert store.find(first).resident_id == second
    assert store.find("ann").resident_id == first
    with pytest.raises(UnknownResidentError, match="no resident 'Eve'"):
        store.find("Eve")


def test_add_templates_adds_to_one_resident(store: Store, enroll: Enroll, face: Face) -> None:
    ann, bob = enroll(store, "Ann", 1), enroll(store, "Bob", 2)
    assert store.add_templates(ann, [(MODEL, face(3))]).templates == 2
    assert [item.resident_id for item in store.templates()] == [ann, bob, ann]


def test_rename_changes_the_name_and_keeps_the_rest(home: Any, store: Store, enroll: Enroll) -> None:
    ann = enroll(store, "Ann")
    enroll(store, "Bob", 1)
    home.clock.advance(5)
    assert store.rename(ann, "ANN").name == "ANN"
    renamed = store.rename(ann, "Anna")
    assert (renamed.resident_id, renamed.templates) == (ann, 1)
    assert renamed.created_utc == home.clock.utc() - timedelta(seconds=5)
    with pytest.raises(NameTakenError):
        store.rename(ann, "bob")
    with pytest.raises(UnknownResidentError):
        store.find("Ann")


def test_set_enabled_keeps_a_disabled_residents_templates_back(store: Store, enroll: Enroll) -> None:
    ann, bob = enroll(store, "Ann", 1), enroll(store, "Bob", 2)
    assert store.set_enabled(ann, False).enabled is False
    assert [item.resident_id for item in store.templates()] == [bob]
    assert len(store.templates(enabled_only=False)) == 2
    assert store.set_enabled(ann, True).enabled is True
    assert len(store.templates()) == 2


def test_every_change_of_nobody_is_refused(store: Store, face: Face) -> None:
    for change in (
        lambda: store.add_templates(NOBODY, [(MODEL, face(1))]),
        lambda: store.rename(NOBODY, "Ann"),
        lambda: store.set_enabled(NOBODY, True),
        lambda: store.remove(NOBODY),
    ):
        with pytest.raises(UnknownResidentError, match="it may have been removed"):
            change()
    assert store.change_count == 0


def test_change_count_counts_changes(store: Store, enroll: Enroll, face: Face) -> None:
    ann = enroll(store, "Ann")
    store.add_templates(ann, [(MODEL, face(1))])
    store.rename(ann, "Anna")
    store.set_enabled(ann, False)
    store.remove(ann)
    assert store.change_count == 5


def test_name_that_is_no_unicode_is_a_store_error(store: Store, enroll: Enroll) -> None:
    with pytest.raises(StoreError, match="not valid Unicode"):
        enroll(store, "Ann \udc80")
    assert store.residents() == ()


# --- sealing --------------------------------------------------------------------------------------


def test_files_hold_no_encoding_in_clear(home: Any, store: Store, enroll: Enroll, face: Face) -> None:
    enroll(store, "Ann", 1)
    plain = face(1).tobytes()
    assert home.files_with(plain[:16], plain[16:32], plain[-16:]) == []
    store.checkpoint_wal()
    assert home.files_with(plain[:16], plain[16:32], plain[-16:]) == []
    assert home.files_with(b"Ann") == ["doorguard.db"]


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE templates SET resident_id = (SELECT resident_id FROM residents WHERE name = 'Bob')",
        "UPDATE templates SET model_id = 'facenet@ffffffffffff'",
        "UPDATE templates SET nonce = x'00'",
        "UPDATE templates SET sealed = substr(sealed, 1, 40)",
        "UPDATE templates SET sealed = (SELECT sealed FROM templates WHERE template_id = 2)",
    ],
)
def test_template_tampered_with_is_left_out_and_reported(home: Any, enroll: Enroll, tampering: str) -> None:
    with home.open() as store:
        enroll(store, "Ann", 1)
        bob = enroll(store, "Bob", 2)
    home.sql(f"{tampering} WHERE template_id = 1")
    with home.open() as store:
        assert [item.resident_id for item in store.templates()] == [bob]
        [(_, template_id, reason)] = store.unusable()
    assert (template_id, reason) == (1, "not_authentic")


def test_template_of_wrong_length_is_given_out_for_the_gallery_to_judge(store: Store) -> None:
    store.add_resident("Ann", None, [(MODEL, np.ones(3, np.float32))])
    assert store.templates()[0].encoding.shape == (3,)
    assert store.unusable() == []


def test_sealing_the_same_encoding_twice_looks_different(home: Any, store: Store, enroll: Enroll) -> None:
    enroll(store, "Ann", 1)
    enroll(store, "Bob", 1)
    rows = home.sql("SELECT nonce, sealed FROM templates")
    assert rows[0][0] != rows[1][0]
    assert rows[0][1] != rows[1][1]


# --- erasure --------------------------------------------------------------------------------------


def traces(home: Any, name: str, face: Encoding) -> list[bytes]:
    """Every byte string that must be gone after a removal."""
    sealed = home.sql(
        "SELECT sealed, nonce, consent FROM templates JOIN residents USING (resident_id) WHERE name = ?", name
    )
    pieces = [name.encode(), name.casefold().encode(), face.tobytes()[:16]]
    for blob, nonce, consent in sealed:
        pieces += [blob[:16], blob[100:116], blob[-16:], nonce, *([consent.encode()] if consent else [])]
    return pieces


def test_remove_leaves_no_byte_in_any_file(home: Any, store: Store, enroll: Enroll, face: Face) -> None:
    ann = enroll(store, "Ann Unforgettable", 1, "agreed by Ann on 1 May")
    enroll(store, "Bob", 2)
    store.rename(ann, "Ann Renamed")
    gone = [*traces(home, "Ann Renamed", face(1)), b"Unforgettable", b"unforgettable"]
    assert len(gone) == 10
    assert home.files_with(*gone[3:]) != []
    store.remove(ann)
    assert home.files_with(*gone) == []
    assert [item.name for item in store.residents()] == ["Bob"]
    assert len(store.templates()) == 1


def test_remove_clears_copies_that_sqlite_leaves_when_it_moves_cells(home: Any, enroll: Enroll) -> None:
    """Deleting with `secure_delete` alone leaves some names of this history in the file (SQLite 3.40)."""
    with home.open() as store:
        last = enroll(store, "Ann Unforgettable", 1)
    gone = [b"Unforgettable", b"unforgettable", *busy_history(home)]
    with home.open() as store:
        store.remove(last)
        assert home.files_with(*gone) == []
        assert len(store.residents()) > 500
    assert home.sql("PRAGMA integrity_check") == [("ok",)]


def busy_history(home: Any) -> list[bytes]:
    """Add, rename and delete thousands of residents by plain SQL; return the names that are gone."""
    chance = random.Random(6)
    names: dict[str, str] = {}
    gone: list[bytes] = []
    connection = sqlite3.connect(home.path, isolation_level=None)
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("BEGIN")
    for _ in range(4000):
        dice, resident_id = chance.random(), f"{chance.getrandbits(64):016x}"
        name = f"{chance.getrandbits(64):016x}" + "y" * chance.randrange(60)
        if dice < 0.5 or not names:
            consent = "c" * chance.choice([0, 10, 300, 900])
            row = (resident_id, name, name, 1, "2026-01-01T00:00:00+00:00", consent, None)
            connection.execute("INSERT INTO residents VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        else:
            resident_id = chance.choice(list(names))
            gone.append(names.pop(resident_id)[:16].encode())
        if dice >= 0.75:
            connection.execute("DELETE FROM residents WHERE resident_id = ?", (resident_id,))
            continue
        names[resident_id] = name
        change = "UPDATE residents SET name = ?, name_key = ? WHERE resident_id = ?"
        connection.execute(change, (name, name, resident_id))
    connection.execute("COMMIT")
    connection.close()
    return gone


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a reader only for a moment."""
    monkeypatch.setattr(database, "BUSY_MS", 20)


def test_remove_beside_a_reader_is_finished_once_it_is_gone(
    hurried: None, home: Any, store: Store, enroll: Enroll, tell: Callable[..., Any]
) -> None:
    ann = enroll(store, "Ann Unforgettable", 1)
    reader = sqlite3.connect(home.path, isolation_level=None)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM residents").fetchall()
        with pytest.raises(StoreBusyError, match="still in its write-ahead log"):
            store.remove(ann)
        assert store.residents() == ()
        store.append(tell())  # still busy: must not raise
        reader.execute("COMMIT")
    finally:
        reader.close()
    store.append(tell())
    assert home.files_with(b"Unforgettable", b"unforgettable") == []


def test_remove_cut_off_by_a_crash_is_finished_at_the_next_opening(
    hurried: None, home: Any, store: Store, enroll: Enroll, tmp_path: Path
) -> None:
    ann = enroll(store, "Ann Unforgettable", 1)
    reader = sqlite3.connect(home.path, isolation_level=None)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM residents").fetchall()
        with pytest.raises(StoreBusyError):
            store.remove(ann)
        shutil.copytree(home.state, tmp_path / "crashed")  # the folder as a power cut leaves it
    finally:
        reader.close()
    crashed = type(home)(tmp_path / "crashed")
    assert crashed.files_with(b"Unforgettable") != []
    with crashed.open():
        assert crashed.files_with(b"Unforgettable", b"unforgettable") == []


# --- kept pictures --------------------------------------------------------------------------------

PICTURE = b"RIFF-a-picture-of-Ann's-face" * 40


def test_keep_crops_writes_no_plain_picture_and_remove_leaves_no_sealed_one(
    home: Any, enroll: Enroll
) -> None:
    with home.open() as store:
        ann, bob = enroll(store, "Ann"), enroll(store, "Bob", 2)
        store.keep_crops(ann, MODEL, [PICTURE])
        store.keep_crops(bob, MODEL, [b"another"])
        assert home.files_with(PICTURE[:28]) == []
        ((sealed,),) = home.sql("SELECT sealed FROM crops WHERE resident_id = ?", ann)
        assert isinstance(sealed, bytes)
        store.remove(ann)
        assert home.files_with(sealed[:32], sealed[-32:], sealed[500:532]) == []
        assert store.crops(bob) == [(MODEL, b"another")]


@pytest.mark.parametrize("change", ["resident_id = 'RESIDENT'", "model_id = 'other@1'", "sealed = x'00'"])
def test_a_picture_moved_to_another_resident_or_model_or_damaged_does_not_open(
    home: Any, enroll: Enroll, change: str
) -> None:
    with home.open() as store:
        ann, bob = enroll(store, "Ann"), enroll(store, "Bob", 2)
        store.keep_crops(ann, MODEL, [PICTURE])
    home.sql(f"UPDATE crops SET {change.replace('RESIDENT', bob)}")
    with home.open() as store:
        assert (store.crops(ann), store.crops(bob)) == ([], [])


def test_a_sealed_picture_does_not_open_as_a_template(home: Any, enroll: Enroll) -> None:
    with home.open() as store:
        ann = enroll(store, "Ann")
        store.keep_crops(ann, MODEL, [bytes(512)])
    home.sql("UPDATE templates SET (nonce, sealed) = (SELECT nonce, sealed FROM crops)")
    with home.open() as store:
        assert [reason for _, _, reason in store.unusable()] == ["not_authentic"]
