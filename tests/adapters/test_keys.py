"""Key files and credentials: who may hold one, and that none is ever replaced."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from doorguard.adapters.keys import CREDENTIAL, FileKeys
from doorguard.errors import NotAllowedError, StoreKeyError

HEX = "ab" * 32
is_root = os.geteuid() == 0


def put(file: Path, text: str = HEX + "\n", mode: int = 0o600) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def test_keys_nothing_there_is_empty(tmp_path: Path) -> None:
    assert FileKeys(tmp_path / "store.key").keys() == {}
    assert FileKeys(put(tmp_path / "file") / "store.key").keys() == {}


def test_make_writes_a_private_file_that_is_read_back(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path / "state" / "store.key")
    origin, key = keys.make()
    assert keys.keys() == {origin: key}
    assert len(key) == 32
    assert stat.S_IMODE(keys.file.stat().st_mode) == 0o600
    assert [item.name for item in keys.file.parent.iterdir()] == ["store.key"]


def test_make_over_an_existing_key_is_refused_and_leaves_it(tmp_path: Path) -> None:
    file = put(tmp_path / "store.key", "garbage")
    with pytest.raises(StoreKeyError, match="File exists; one that is there is never replaced"):
        FileKeys(file).make()
    assert file.read_text() == "garbage"
    assert list(tmp_path.iterdir()) == [file]


def test_make_where_nothing_can_be_written_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreKeyError, match="cannot make the key file"):
        FileKeys(put(tmp_path / "file") / "store.key").make()


def test_keys_two_makes_differ(tmp_path: Path) -> None:
    assert FileKeys(tmp_path / "a").make()[1] != FileKeys(tmp_path / "b").make()[1]


def test_keys_credential_comes_before_the_file(tmp_path: Path) -> None:
    put(tmp_path / "store.key")
    put(tmp_path / "cred" / CREDENTIAL, "cd" * 32, 0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "cred")}
    keys = FileKeys.from_environ(tmp_path / "store.key", environ).keys()
    assert list(keys.values()) == [bytes.fromhex("cd" * 32), bytes.fromhex(HEX)]
    assert [name.split()[0] for name in keys] == ["systemd", "key"]


def test_keys_service_without_this_credential_uses_the_file(tmp_path: Path) -> None:
    put(tmp_path / "store.key")
    keys = FileKeys.from_environ(tmp_path / "store.key", {"CREDENTIALS_DIRECTORY": str(tmp_path / "cred")})
    assert list(keys.keys().values()) == [bytes.fromhex(HEX)]
    assert FileKeys.from_environ(tmp_path / "store.key", {}).credentials is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o610])
def test_keys_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(StoreKeyError, match="chmod 600"):
        FileKeys(put(tmp_path / "store.key", mode=mode)).keys()


def test_keys_credential_open_to_others_is_refused(tmp_path: Path) -> None:
    put(tmp_path / CREDENTIAL, mode=0o444)
    with pytest.raises(StoreKeyError, match="open to other users"):
        FileKeys(tmp_path / "store.key", tmp_path).keys()


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 33, "zz" * 32, "\x80" * 32, "ab" * 32 + " x"])
def test_keys_malformed_file_is_refused_and_never_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(StoreKeyError, match="holds no key") as caught:
        FileKeys(put(tmp_path / "store.key", text)).keys()
    assert "abab" not in str(caught.value)


def test_keys_link_folder_and_pipe_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "folder", "pipe"):
        with pytest.raises(StoreKeyError):
            FileKeys(tmp_path / name).keys()


@pytest.mark.skipif(not is_root, reason="only root can give a file away")
def test_keys_file_of_a_stranger_is_refused_even_for_root(tmp_path: Path) -> None:
    os.chown(put(tmp_path / "store.key"), 12345, 12345)
    with pytest.raises(StoreKeyError, match="belongs to user 12345"):
        FileKeys(tmp_path / "store.key").keys()


@pytest.mark.skipif(not is_root, reason="only root can give a file away")
def test_make_by_root_gives_the_key_to_the_folders_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12346)
    keys = FileKeys(tmp_path / "store.key")
    keys.make()
    assert (keys.file.stat().st_uid, keys.file.stat().st_gid) == (12345, 12346)
    assert keys.keys()


@pytest.fixture
def stranger() -> Iterator[None]:
    """Run the test as an ordinary user even where the suite runs as root."""
    if is_root:
        os.seteuid(12345)
    yield
    if is_root:
        os.seteuid(0)


def test_keys_file_that_may_not_be_read_says_sudo(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    file = put(tmp_path / "state" / "store.key", mode=0)
    file.parent.chmod(0)
    request.addfinalizer(lambda: file.parent.chmod(0o700))
    request.getfixturevalue("stranger")
    with pytest.raises(NotAllowedError, match="run with sudo"):
        FileKeys(file).keys()
