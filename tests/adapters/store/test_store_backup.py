"""Backup and restore: whole, sealed, on another machine, and never at the old store's cost."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doorguard.adapters.keys import CREDENTIAL, FileKeys
from doorguard.adapters.store import RestoreReport, Store, Target, backup, restore, schema, sealed_file
from doorguard.core.model import Encoding, Event, EventKind, ModelId, ResidentId
from doorguard.errors import (
    ModelError,
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreKeyError,
    StoreTooNewError,
    UsageError,
)

PASSPHRASE = "correct horse battery"
MODEL = ModelId("facenet@0123456789ab")
Face = Callable[[int], Encoding]
Enroll = Callable[..., ResidentId]
Tell = Callable[..., Event]


@pytest.fixture(autouse=True)
def quick_stretching(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id's real cost is tested once; the header carries whatever was used."""
    monkeypatch.setattr(sealed_file, "MEMORY_KIB", 64)
    monkeypatch.setattr(sealed_file, "PASSES", 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "door.backup"


@pytest.fixture
def saved(home: Any, file: Path, enroll: Enroll, tell: Tell) -> Any:
    """A closed store with Ann, Bob and one event, and its backup in `file`."""
    with home.open() as store:
        enroll(store, "Ann", 1, "on paper")
        enroll(store, "Bob", 2)
        store.append(tell(number=1))
        backup(store, file, PASSPHRASE)
    return home


@pytest.fixture
def other(home: Any, tmp_path: Path) -> Any:
    """Another machine's state folder, not yet made."""
    return type(home)(tmp_path / "other" / "state", home.clock)


def passes(store: Store) -> None:
    """A self-test that is content when the templates open."""
    assert store.unusable() == []


def bring_back(home: Any, file: Path, *, passphrase: str = PASSPHRASE, test: Any = passes) -> RestoreReport:
    return restore(file, passphrase, Target(home.path, home.keys, home.clock, "front", "boot"), test)


def names(home: Any) -> list[str]:
    with home.open(write=False) as store:
        return [item.name for item in store.residents()]


def folder(home: Any) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in home.state.iterdir()}


# --- backup ---------------------------------------------------------------------------------------


def test_backup_reports_what_it_wrote_into_a_private_file(
    home: Any, store: Store, file: Path, enroll: Enroll, tell: Tell
) -> None:
    enroll(store, "Ann", 1)
    store.append(tell())
    report = backup(store, file, PASSPHRASE)
    assert (report.residents, report.audit.ok, report.audit.rows) == (1, True, 1)
    assert report.size == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_backup_holds_nothing_in_clear(saved: Any, file: Path, face: Face) -> None:
    content = file.read_bytes()
    key = bytes.fromhex(saved.keys.file.read_text())
    for needle in (b"Ann", b"on paper", b"SQLite", b"front", key, face(1).tobytes()[:16]):
        assert needle not in content


def test_backup_beside_a_running_writer_is_whole(
    home: Any, store: Store, file: Path, other: Any, enroll: Enroll
) -> None:
    enroll(store, "Ann", 1)
    with home.open(write=False) as reader:
        backup(reader, file, PASSPHRASE)
    enroll(store, "Bob", 2)
    bring_back(other, file)
    assert names(other) == ["Ann"]


def test_backup_refuses_an_existing_file_and_the_state_folder(
    home: Any, store: Store, file: Path, tmp_path: Path
) -> None:
    file.write_text("precious")
    with pytest.raises(UsageError, match="not overwritten"):
        backup(store, file, PASSPHRASE)
    assert file.read_text() == "precious"
    (tmp_path / "link").symlink_to(home.state)
    inside = (home.state / "x", home.state / "old" / "x", home.state / "y" / ".." / "x")
    for place in (*inside, tmp_path / "link" / "x"):
        with pytest.raises(UsageError, match="state folder"):
            backup(store, place, PASSPHRASE)


def test_backup_that_cannot_be_written_is_a_store_error_and_leaves_no_stump(
    store: Store, file: Path, tmp_path: Path
) -> None:
    import resource

    with pytest.raises(StoreError, match="cannot write the backup"):
        backup(store, tmp_path / "no" / "folder", PASSPHRASE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StoreError, match="cannot write the backup"):
            backup(store, file, PASSPHRASE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not file.exists()


def test_backup_of_a_store_not_yet_made_is_refused(home: Any, file: Path) -> None:
    with home.open(write=False) as reader, pytest.raises(UsageError, match="enrol somebody first"):
        backup(reader, file, PASSPHRASE)
    assert not file.exists()


@pytest.mark.parametrize("passphrase", ["", "short", "1234567", "password \udc80"])
def test_backup_with_a_poor_passphrase_is_refused(store: Store, file: Path, passphrase: str) -> None:
    with pytest.raises(UsageError, match="passphrase"):
        backup(store, file, passphrase)
    assert not file.exists()


def test_backup_larger_than_one_piece_is_refused(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_file, "MAX_BYTES", 1000)
    with pytest.raises(StoreError, match="2 GiB"):
        backup(store, file, PASSPHRASE)


# --- restore --------------------------------------------------------------------------------------


def test_restore_on_another_machine_brings_everything_under_its_own_key(
    saved: Any, other: Any, file: Path, face: Face
) -> None:
    report = bring_back(other, file)
    assert (report.residents, report.events, report.dropped) == (2, 2, ())
    assert report.erasures_known is False
    assert (report.key_made, report.key_origin) == (True, f"key file {other.keys.file}")
    assert other.keys.file.read_bytes() != saved.keys.file.read_bytes()
    with other.open() as store:
        assert [(item.name, item.consent) for item in store.residents()] == [
            ("Ann", "on paper"),
            ("Bob", None),
        ]
        np.testing.assert_array_equal(store.templates()[0].encoding, face(1))
        first, told = store.events()
        assert (first.event.detail, told.event.kind) == ({"number": 1}, EventKind.RESTORED)
        assert (told.event.door, told.event.boot_id, told.event.detail["audit_ok"]) == ("front", "boot", True)
        assert store.verify().ok
    assert {item.name for item in other.state.iterdir()} == {"doorguard.db", "doorguard.lock", "store.key"}


def test_restore_with_a_credential_seals_under_it_and_makes_no_key_file(
    saved: Any, other: Any, file: Path, tmp_path: Path
) -> None:
    (tmp_path / CREDENTIAL).write_text("ab" * 32)
    (tmp_path / CREDENTIAL).chmod(0o400)
    keys = FileKeys(other.keys.file, tmp_path)
    report = restore(file, PASSPHRASE, Target(other.path, keys, other.clock), passes)
    assert report.key_origin.startswith("systemd credential")
    assert not report.key_made
    assert not other.keys.file.exists()
    with Store.open(other.path, keys, clock=other.clock, write=True) as store:
        assert len(store.templates()) == 2


def test_restore_over_a_changed_store_goes_back_in_time(
    saved: Any, file: Path, enroll: Enroll, tell: Tell
) -> None:
    key = saved.keys.file.read_bytes()
    with saved.open() as store:
        enroll(store, "Eve", 3)
        store.append(tell())
    report = bring_back(saved, file)
    assert (report.erasures_known, report.key_made) == (True, False)
    assert names(saved) == ["Ann", "Bob"]
    assert saved.keys.file.read_bytes() == key
    assert saved.files_with(b"Eve") == []


def test_restore_drops_whoever_was_erased_since_and_remembers(saved: Any, file: Path) -> None:
    with saved.open() as store:
        ann = store.find("Ann").resident_id
        store.remove(ann)
    assert bring_back(saved, file).dropped == (ann,)
    assert names(saved) == ["Bob"]
    assert saved.files_with(b"Ann") == []
    assert bring_back(saved, file).dropped == (ann,)
    with saved.open() as store:
        assert list(store.events())[-1].event.detail["dropped"] == [ann]


def test_restore_over_a_damaged_store_replaces_it_with_its_log(saved: Any, file: Path) -> None:
    saved.path.write_bytes(b"garbage" * 1000)
    saved.path.with_name("doorguard.db-wal").write_bytes(b"garbage" * 1000)
    assert bring_back(saved, file).erasures_known is False
    assert names(saved) == ["Ann", "Bob"]


def test_restore_over_a_store_cut_short_replaces_it(saved: Any, file: Path) -> None:
    saved.path.write_bytes(saved.path.read_bytes()[:5000])
    assert bring_back(saved, file).erasures_known is False
    assert names(saved) == ["Ann", "Bob"]


def test_restore_over_a_store_whose_key_is_lost_makes_a_new_one(saved: Any, file: Path) -> None:
    with saved.open() as store:
        store.remove(store.find("Ann").resident_id)
    saved.keys.file.unlink()
    report = bring_back(saved, file)
    assert (report.key_made, len(report.dropped)) == (True, 1)
    assert names(saved) == ["Bob"]


def test_restore_of_an_old_version_brings_it_up_to_date(
    saved: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = ("ALTER TABLE events ADD COLUMN note TEXT",)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, newest[:0]))
    bring_back(saved, file)
    with saved.open(write=False) as store:
        assert store.schema_version == len(schema.MIGRATIONS)


def test_restore_reports_a_log_that_was_broken_when_saved(
    home: Any, other: Any, tell: Tell, file: Path
) -> None:
    with home.open() as store:
        for _ in range(3):
            store.append(tell())
    home.sql("DELETE FROM events WHERE event_id = 2")
    with home.open() as store:
        assert not backup(store, file, PASSPHRASE).audit.ok
    report = bring_back(other, file)
    assert (report.audit.ok, report.audit.first_bad_id) == (False, 2)


# --- a restore that fails leaves the old store ----------------------------------------------------


def fails(store: Store) -> None:
    raise ModelError("the templates belong to another model")


def test_restore_whose_self_test_fails_leaves_the_old_store(saved: Any, file: Path, enroll: Enroll) -> None:
    with saved.open() as store:
        enroll(store, "Eve", 3)
    before = folder(saved)
    with pytest.raises(ModelError):
        bring_back(saved, file, test=fails)
    assert folder(saved) == before
    assert names(saved) == ["Ann", "Bob", "Eve"]


def test_restore_that_fails_on_a_new_machine_leaves_no_key_and_no_store(
    saved: Any, other: Any, file: Path
) -> None:
    with pytest.raises(ModelError):
        bring_back(other, file, test=fails)
    assert [item.name for item in other.state.iterdir()] == ["doorguard.lock"]


KILLED = """
import os, signal, sys
from pathlib import Path
from doorguard.adapters.keys import FileKeys
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.store import Target, restore

state, file, passphrase = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
target = Target(state / "doorguard.db", FileKeys(state / "store.key"), ManualClock())
restore(file, passphrase, target, lambda store: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_restore_killed_before_the_swap_leaves_the_old_store(saved: Any, file: Path, enroll: Enroll) -> None:
    with saved.open() as store:
        enroll(store, "Eve", 3)
    command = [sys.executable, "-c", KILLED, str(saved.state), str(file), PASSPHRASE]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert any("restoring" in name for name in folder(saved))
    with saved.open() as store:
        assert [item.name for item in store.residents()] == ["Ann", "Bob", "Eve"]
        assert not any("restoring" in name for name in folder(saved))


def test_restore_beside_a_running_writer_is_refused(saved: Any, file: Path) -> None:
    with saved.open() as store:
        with pytest.raises(StoreBusyError):
            bring_back(saved, file)
        assert len(store.residents()) == 2


@pytest.mark.parametrize("passphrase", ["correct horse batterz", "wrong wrong wrong"])
def test_restore_with_the_wrong_passphrase_is_refused(saved: Any, file: Path, passphrase: str) -> None:
    before = folder(saved)
    with pytest.raises(StoreError, match="passphrase is wrong or the file is damaged"):
        bring_back(saved, file, passphrase=passphrase)
    assert folder(saved) == before


def test_restore_takes_the_passphrase_however_its_letters_are_composed(
    home: Any, other: Any, file: Path
) -> None:
    with home.open() as store:
        backup(store, file, "cafés und mehr")
    bring_back(other, file, passphrase="cafe\N{COMBINING ACUTE ACCENT}s und mehr")


def test_restore_of_a_file_with_any_byte_changed_is_refused(saved: Any, file: Path) -> None:
    whole = file.read_bytes()
    before = folder(saved)
    for position in (*range(58), 60, 100, 1000, len(whole) - 1):
        broken = bytearray(whole)
        broken[position] ^= 1
        file.write_bytes(broken)
        with pytest.raises(StoreError):
            bring_back(saved, file)
    assert folder(saved) == before


@pytest.mark.parametrize("length", [0, 5, 16, 58, 60, 100, 5000])
def test_restore_of_a_file_cut_short_is_refused(saved: Any, file: Path, length: int) -> None:
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(StoreError, match=r"no doorguard backup|damaged"):
        bring_back(saved, file)


def test_restore_of_something_else_is_refused(saved: Any, file: Path, tmp_path: Path) -> None:
    for name in ("missing", "."):
        with pytest.raises(StoreError, match="cannot read the backup"):
            bring_back(saved, tmp_path / name)
    file.write_text("hello " * 100)
    with pytest.raises(StoreError, match="no doorguard backup"):
        bring_back(saved, file)


def test_restore_of_a_newer_format_is_refused(saved: Any, file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[17] = 9
    file.write_bytes(content)
    with pytest.raises(StoreTooNewError, match="format 9"):
        bring_back(saved, file)


def test_restore_of_a_newer_release_is_refused(
    saved: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", ())
    with pytest.raises(StoreTooNewError):
        bring_back(saved, file)


def forge(saved: Any, file: Path, change: str) -> None:
    """Make a backup, properly sealed, of a database somebody changed."""
    with saved.open() as store:
        image, key, now = store.snapshot()
    draft = saved.state.parent / "draft.db"
    draft.write_bytes(image)
    connection = sqlite3.connect(draft, isolation_level=None)
    connection.execute(change)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    file.write_bytes(sealed_file.seal(sealed_file.Content(key, now, draft.read_bytes()), PASSPHRASE))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("UPDATE meta SET value = zeroblob(16) WHERE name = 'store_id'", StoreKeyError),
        ("DELETE FROM meta", StoreKeyError),
        ("PRAGMA application_id = 7", StoreCorruptError),
    ],
)
def test_restore_of_a_database_that_is_not_whole_is_refused(
    saved: Any, file: Path, change: str, error: type[Exception]
) -> None:
    forge(saved, file, change)
    with pytest.raises(error):
        bring_back(saved, file)
    assert names(saved) == ["Ann", "Bob"]


def test_restore_of_a_database_with_broken_pages_is_refused(saved: Any, file: Path) -> None:
    with saved.open() as store:
        image, key, now = store.snapshot()
    broken = bytearray(image)
    for page in range(1, len(image) // 4096):
        broken[page * 4096] ^= 0xFF
    file.write_bytes(sealed_file.seal(sealed_file.Content(key, now, bytes(broken)), PASSPHRASE))
    with pytest.raises(StoreCorruptError):
        bring_back(saved, file)
    assert names(saved) == ["Ann", "Bob"]


def test_seal_with_the_shipped_cost_opens_again(
    home: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_file, "MEMORY_KIB", 64 * 1024)
    monkeypatch.setattr(sealed_file, "PASSES", 3)
    image, key, now = store.snapshot()
    data = sealed_file.seal(sealed_file.Content(key, now, image), PASSPHRASE)
    assert data[16:30].hex() == "0001" + "00000003" + "00010000" + "00000004"
    content = sealed_file.unseal(data, PASSPHRASE, Path("x"))
    assert (content.key, content.image, content.made_utc) == (key, image, now)
