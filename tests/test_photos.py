"""The bundled photographs and the text that says where they are from."""

from __future__ import annotations

from pathlib import Path

import pytest

from doorguard.photos import NAMES, path


@pytest.mark.parametrize("name", NAMES)
def test_photograph_is_there_small_and_in_the_sources(name: str) -> None:
    file = path(name)

    assert file.read_bytes()[:2] == b"\xff\xd8"
    assert file.stat().st_size < 70_000
    assert f"`{name}.jpg`" in file.with_name("SOURCES.md").read_text(encoding="utf-8")


def test_path_of_an_unknown_photograph_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="no bundled photograph"):
        path("nobody")


def test_every_picture_in_the_folders_stands_in_their_sources(photos: Path, root: Path) -> None:
    for folder in (photos, root / "tests" / "data"):
        told = (folder / "SOURCES.md").read_text(encoding="utf-8")
        pictures = [
            file.name for file in folder.iterdir() if file.suffix in (".jpg", ".png", ".heic", ".webp")
        ]
        assert all(name in told or ".mask.png" in name for name in pictures)
