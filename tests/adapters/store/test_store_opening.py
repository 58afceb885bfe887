"""Opening: one writer, readers beside it, and everything that must be refused."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doorguard.adapters.keys import CREDENTIAL, FileKeys
from doorguard.adapters.store import Store, model_named_by, schema
from doorguard.core.model import Encoding, Event, ModelId, ResidentId
from doorguard.errors import (
    NotAllowedError,
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreKeyError,
    StoreTooNewError,
)

Enroll = Callable[..., ResidentId]
Tell = Callable[..., Event]
Face = Callable[[int], Encoding]


def test_open_first_time_makes_private_files(home: Any) -> None:
    with home.open() as store:
        assert store.schema_version == len(schema.MIGRATIONS)
        assert store.key_origin == f"key file {home.keys.file}"
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in home.state.iterdir()}
    assert modes.keys() >= {"doorguard.db", "doorguard.db-wal", "doorguard.lock", "store.key"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(home.state.stat().st_mode) == 0o700


def test_open_sets_what_durability_and_erasure_need(store: Store) -> None:
    with store._database.reading() as connection:
        values = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def test_open_two_writers_the_second_learns_who_is_first(home: Any, store: Store) -> None:
    with pytest.raises(StoreBusyError, match=f"process {os.getpid()} is writing"):
        home.open()
    store.close()
    home.open().close()


def test_close_twice_does_nothing(home: Any) -> None:
    store = home.open()
    store.close()
    store.close()
    with pytest.raises(StoreError):
        store.residents()


def test_reader_beside_a_writer_sees_each_change_and_may_make_none(
    home: Any, store: Store, enroll: Enroll, tell: Tell
) -> None:
    with home.open(write=False) as reader:
        assert reader.residents() == ()
        enroll(store, "Ann")
        store.append(tell())
        assert [item.name for item in reader.residents()] == ["Ann"]
        assert len(reader.templates()) == 1
        assert reader.verify().rows == 1
        with pytest.raises(StoreError, match="for reading only"):
            reader.append(tell())


def test_reader_without_a_store_sees_an_empty_one_and_makes_no_file(home: Any) -> None:
    with home.open(write=False) as reader:
        assert (reader.residents(), list(reader.events()), reader.verify().ok) == ((), [], True)
        assert (reader.path, reader.key_origin) == (home.path, "none yet")
    assert not home.state.exists()


def test_reader_after_the_writer_died_sees_what_it_committed(home: Any, enroll: Enroll) -> None:
    with home.open() as store:
        enroll(store, "Ann")
        with home.open(write=False) as reader:
            assert len(reader.residents()) == 1
    with home.open(write=False) as reader:
        assert len(reader.templates()) == 1


# --- refused --------------------------------------------------------------------------------------


@pytest.fixture
def made(home: Any, enroll: Enroll) -> Any:
    """A folder whose store was made and closed."""
    with home.open() as store:
        enroll(store, "Ann")
    return home


@pytest.mark.parametrize("write", [True, False])
def test_open_newer_release_is_refused(made: Any, write: bool) -> None:
    made.sql(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    with pytest.raises(StoreTooNewError, match="install the newer doorguard"):
        made.open(write=write)


@pytest.mark.parametrize("write", [True, False])
def test_open_another_programs_database_is_refused(made: Any, write: bool) -> None:
    made.sql("PRAGMA application_id = 1")
    with pytest.raises(StoreCorruptError, match="no doorguard store"):
        made.open(write=write)


@pytest.mark.parametrize("write", [True, False])
def test_open_garbage_is_refused_and_left_alone(home: Any, write: bool) -> None:
    home.state.mkdir()
    home.path.write_bytes(b"not a database at all" * 500)
    with pytest.raises(StoreCorruptError, match="damaged"):
        home.open(write=write)
    assert home.path.read_bytes() == b"not a database at all" * 500


def test_open_any_damage_never_raises_anything_but_a_store_error(made: Any) -> None:
    whole = made.path.read_bytes()
    chance = random.Random(3)
    refused = 0
    for _ in range(40):
        broken = bytearray(whole)
        start = chance.randrange(len(broken))
        broken[start : start + 2000] = chance.randbytes(min(2000, len(broken) - start))
        made.path.write_bytes(broken)
        try:
            with made.open() as store:
                store.residents(), store.templates(), store.unusable(), store.verify()
        except StoreError:
            refused += 1
    assert refused >= 5


@pytest.mark.parametrize("column", ["created_utc", "consent_utc"])
def test_residents_with_an_unreadable_time_are_a_corrupt_store(made: Any, column: str) -> None:
    made.sql(f"UPDATE residents SET {column} = 'yesterday'")
    with made.open() as store, pytest.raises(StoreCorruptError, match="'yesterday' for a time"):
        store.residents()


def test_open_truncated_file_is_corrupt(made: Any) -> None:
    made.path.write_bytes(made.path.read_bytes()[:6000])
    with pytest.raises(StoreCorruptError):
        made.open()


def test_open_without_its_key_entry_is_corrupt(made: Any) -> None:
    made.sql("DELETE FROM meta WHERE name = 'wrapped_key'")
    with pytest.raises(StoreCorruptError, match="lost its key entry"):
        made.open()


@pytest.mark.parametrize("write", [True, False])
def test_open_without_its_key_is_refused_and_makes_no_new_one(made: Any, write: bool) -> None:
    made.keys.file.unlink()
    with pytest.raises(StoreKeyError, match=r"no key is here to open the store .*restore a backup"):
        made.open(write=write)
    assert not made.keys.file.exists()


def test_open_with_another_key_is_refused_and_changes_nothing(made: Any) -> None:
    before = made.path.read_bytes()
    made.keys.file.write_text("cd" * 32)
    with pytest.raises(StoreKeyError, match=r"does not open the store .*put back its own key"):
        made.open()
    assert made.path.read_bytes() == before
    made.keys.file.write_text("garbage")
    with pytest.raises(StoreKeyError, match="holds no key"):
        made.open()


def test_open_with_damaged_wrapping_is_refused(made: Any) -> None:
    made.sql("UPDATE meta SET value = x'00' WHERE name = 'wrapped_key'")
    with pytest.raises(StoreKeyError):
        made.open()


def test_open_uses_the_credential_for_a_new_store_and_makes_no_file(home: Any, tmp_path: Path) -> None:
    (tmp_path / CREDENTIAL).write_text("ab" * 32)
    (tmp_path / CREDENTIAL).chmod(0o400)
    keys = FileKeys(home.state / "store.key", tmp_path)
    Store.open(home.path, keys, clock=home.clock, write=True).close()
    assert not home.keys.file.exists()
    with Store.open(home.path, keys, clock=home.clock, write=True) as store:
        assert store.key_origin.startswith("systemd credential")


def test_open_falls_back_to_the_key_file_that_fits(made: Any, tmp_path: Path) -> None:
    (tmp_path / CREDENTIAL).write_text("ab" * 32)
    (tmp_path / CREDENTIAL).chmod(0o400)
    keys = FileKeys(made.keys.file, tmp_path)
    with Store.open(made.path, keys, clock=made.clock, write=True) as store:
        assert store.key_origin.startswith("key file")


def test_open_in_a_folder_anyone_may_write_is_refused(home: Any) -> None:
    home.state.mkdir()
    home.state.chmod(0o777)
    with pytest.raises(StoreError, match="chmod o-w"):
        home.open()


def test_open_where_a_file_or_folder_is_in_the_way_is_a_store_error(home: Any, tmp_path: Path) -> None:
    home.path.mkdir(parents=True)
    with pytest.raises((StoreError, NotAllowedError)):
        home.open()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        type(home)(tmp_path / "file" / "state").open()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_open_of_anothers_installation_says_sudo(made: Any, tmp_path: Path) -> None:
    for write in (True, False):
        os.seteuid(12345)
        try:
            with pytest.raises(NotAllowedError, match="run with sudo"):
                made.open(write=write)
        finally:
            os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_open_by_root_leaves_the_files_to_the_services_user(home: Any) -> None:
    home.state.mkdir(mode=0o700)
    os.chown(home.state, 12345, 12346)
    with home.open():
        owners = {file.name: (file.stat().st_uid, file.stat().st_gid) for file in home.state.iterdir()}
    assert set(owners.values()) == {(12345, 12346)}
    assert len(owners) == 5


# --- migrations -----------------------------------------------------------------------------------


@pytest.fixture
def old(made: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder whose store lacks the newest migration, which adds a column."""
    newest = ("ALTER TABLE residents ADD COLUMN note TEXT", "CREATE TABLE extra (x TEXT) STRICT")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, newest))
    return made


def test_migration_brings_an_older_store_up_to_date(old: Any) -> None:
    with old.open() as store:
        assert store.schema_version == len(schema.MIGRATIONS)
        assert [item.name for item in store.residents()] == ["Ann"]
    assert old.sql("SELECT note FROM residents") == [(None,)]


def test_migration_is_not_for_readers(old: Any) -> None:
    with pytest.raises(StoreError, match="start the daemon once"):
        old.open(write=False)


def test_migration_that_fails_leaves_the_old_store(old: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    released = schema.MIGRATIONS
    broken = (*released[:-1], (*released[-1], "INSERT INTO nowhere VALUES (1)"))
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    with pytest.raises(StoreError, match="no such table: nowhere"):
        old.open()
    assert old.sql("PRAGMA user_version") == [(len(released) - 1,)]
    monkeypatch.setattr(schema, "MIGRATIONS", released)
    with old.open() as store:
        assert len(store.templates()) == 1


@pytest.mark.parametrize("enabled", [True, False])
def test_migration_names_the_encoder_that_most_residents_were_enrolled_with(
    home: Any, face: Face, monkeypatch: pytest.MonkeyPatch, enabled: bool
) -> None:
    released = schema.MIGRATIONS
    with home.open() as store:
        for number in range(3):
            model = ModelId("first@0" if number else "second@0")
            made = store.add_resident(f"R{number}", None, [(model, face(number))])
            store.set_enabled(made.resident_id, enabled or not number)
    for table in ("crops", "encoder"):
        home.sql(f"DROP TABLE {table}")
    home.sql("PRAGMA user_version = 1")
    expected = "first@0" if enabled else "second@0"
    assert model_named_by(home.path) == expected
    with home.open() as store:
        assert store.schema_version == len(released)
        assert store.model_in_use() == model_named_by(home.path) == expected


def test_model_named_by_no_store_an_empty_file_or_one_without_residents_is_none(home: Any) -> None:
    assert model_named_by(home.path) is None
    home.state.mkdir(mode=0o700)
    home.path.touch()
    assert model_named_by(home.path) is None
    with home.open():
        assert model_named_by(home.path) is None


def test_model_named_by_a_store_without_its_key_is_still_known(made: Any) -> None:
    made.keys.file.unlink()
    assert model_named_by(made.path) is not None


KILLED = """
import os, signal, sys
from pathlib import Path
from doorguard.adapters.keys import FileKeys
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.store import Store, schema

def deadly():
    yield "ALTER TABLE residents ADD COLUMN note TEXT"
    os.kill(os.getpid(), signal.SIGKILL)

schema.MIGRATIONS = (*schema.MIGRATIONS, deadly())
state = Path(sys.argv[1])
Store.open(state / "doorguard.db", FileKeys(state / "store.key"), clock=ManualClock(), write=True)
"""


def test_migration_killed_in_the_middle_leaves_the_old_store(old: Any) -> None:
    command = [sys.executable, "-c", KILLED, str(old.state)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert old.sql("PRAGMA user_version") == [(len(schema.MIGRATIONS) - 1,)]
    with old.open() as store:
        assert store.schema_version == len(schema.MIGRATIONS)
        assert len(store.templates()) == 1


# --- durability -----------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
import numpy as np
from doorguard.adapters.keys import FileKeys
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.store import Store
from doorguard.core.model import Event, EventKind

clock, state = ManualClock(), Path(sys.argv[1])
store = Store.open(state / "doorguard.db", FileKeys(state / "store.key"), clock=clock, write=True)
vector = np.eye(128, dtype=np.float32)[0]
number = 0
while True:
    store.add_resident(f"resident {number}", None, [("model@1", vector)])
    store.append(Event(EventKind.ENROLLED, clock.utc(), 0.0, True, "", "front", None, {"number": number}))
    print(number, flush=True)
    number += 1
"""


def test_killed_writer_loses_nothing_it_acknowledged(home: Any) -> None:
    command = [sys.executable, "-c", WRITER, str(home.state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = 0
        while acknowledged < 25:
            acknowledged = int(writer.stdout.readline()) + 1
        writer.kill()
        acknowledged += writer.stdout.read().count("\n")
    with home.open() as store:
        assert len(store.residents()) >= acknowledged
        assert len(store.templates()) == len(store.residents())
        assert store.verify().rows >= acknowledged
        assert store.verify().ok


def test_full_disk_is_a_store_error_and_passes(home: Any, tell: Tell) -> None:
    with home.open() as store:
        store.append(tell())
        with store._database.reading() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="free some space"):
            store.append(tell(filler="x" * 20_000))
        assert store.verify().rows == 1
        with store._database.reading() as connection:
            connection.execute("PRAGMA max_page_count = 100000")
        assert store.append(tell()).event_id == 2
        assert store.verify().ok


def test_write_that_the_disk_refuses_is_a_store_error_and_undone(home: Any, tell: Tell) -> None:
    import resource

    with home.open() as store:
        store.append(tell())
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        written = home.path.with_name("doorguard.db-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (written + 100, hard))
        try:
            with pytest.raises(StoreError, match="cannot write"):
                store.append(tell(filler="x" * 20_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert [item.event_id for item in store.events()] == [1]
        assert store.append(tell()).event_id == 2
        assert store.verify().ok


def test_threads_may_share_a_store(store: Store, tell: Tell, enroll: Enroll) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                store.append(tell(thread=number))
                enroll(store, f"{number} {turn}", number)
                store.templates(), list(store.events(limit=5))
        except BaseException as error:  # noqa: BLE001  reported by the test below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert store.verify().rows == 40
    assert store.verify().ok
    assert len(store.templates()) == 40


def test_visit_of_three_attempts_writes_little(home: Any, store: Store, tell: Tell) -> None:
    """64 KiB a visit, the write-ahead log's moving into the file included."""
    store.checkpoint_wal()
    before, pages = written_bytes(), home.path.stat().st_size
    for attempt in range(3):
        store.append(tell(**attempt_detail(attempt)))
    wal = home.path.with_name("doorguard.db-wal").stat().st_size
    store.checkpoint_wal()
    grown = home.path.stat().st_size - pages
    assert 0 < wal <= 48 * 1024
    assert wal + 2 * grown <= 64 * 1024
    assert written_bytes() - before <= 64 * 1024


def written_bytes() -> int:
    """Bytes this process handed to write calls."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["wchar"])


def attempt_detail(attempt: int) -> dict[str, object]:
    quality = dict.fromkeys(
        ("face_px", "sharpness", "luma", "yaw_deg", "pitch_deg", "roll_deg", "inside"), 12.345678
    )
    frame = {
        "sequence": 1234,
        "t_ms": 123.45678,
        "d": 0.123456789,
        "d2": 1.23456789,
        "nearest": "ab" * 8,
        "matched": True,
        "why": "no_match",
        "quality": quality,
    }
    return {
        "outcome": "denied",
        "reason": "no_match",
        "attempt": attempt,
        "nearest": {"d": 0.1234567, "id": "ab" * 8},
        "second": {"d": 1.234567, "id": "cd" * 8},
        "tau": 0.51234567,
        "fmr": 1.23456e-6,
        "tau_kind": "measured",
        "templates": 12,
        "frames": [frame] * 5,
        "model": "facenet-ir-128-int8-1@0123456789ab",
        "stage_ms": dict.fromkeys(
            ("detect", "landmarks", "align", "quality", "encode", "compare"), 1.2345678
        ),
        "profile": "ab" * 32,
        "duration_ms": 1234.56789,
    }
