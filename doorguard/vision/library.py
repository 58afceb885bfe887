"""The encoders at hand: those of this release, and those added to the installation."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from doorguard.config import Settings
from doorguard.errors import ModelError
from doorguard.vision import profile as profiles
from doorguard.vision.profile import GOLDEN, ModelProfile, load_profile, verify_digest

PROFILE = "encoder.profile.json"
"""Name of an added encoder's profile in its folder, which is named after the model."""

Origin = Literal["shipped", "added"]


@dataclass(frozen=True, slots=True, eq=False)
class Shelved:
    """One profile at hand; `problem` says why it cannot be used, and there is no profile then."""

    path: Path
    origin: Origin
    profile: ModelProfile | None
    problem: str = ""


class Library:
    """Encoders by name. An added profile of a shipped file, calibrated anew, goes before the shipped one."""

    def __init__(self, added: Path | None) -> None:
        """Look in the release and, where there is one, in the folder `added`."""
        self._added = added

    def shelved(self) -> list[Shelved]:
        """Every profile, added ones first; a damaged one hides no other."""
        return [_look(path, origin) for origin, path in self._paths()]

    def find(self, name: str) -> ModelProfile:
        """Return the encoder of that id (`facenet-…`) or full name (`facenet-…@digest`); raises `ModelError`.

        An id that several files go by is refused: then only the full name says which is meant.
        """
        known = [shelf.profile for shelf in self.shelved() if shelf.profile is not None]
        fitting = {
            each.model_id: each for each in reversed(known) if name in (each.encoder_id, each.model_id)
        }
        if len(fitting) > 1:
            raise ModelError(f"{name} may be {' or '.join(sorted(fitting))}; give the whole name")
        if not fitting:
            there = ", ".join(dict.fromkeys(each.model_id for each in known))
            raise ModelError(
                f"no encoder {name!r} here; there are {there}. Add one with: doorguard models add"
            )
        return next(iter(fitting.values()))

    def add(self, file: Path, profile: Path, settings: Settings) -> ModelProfile:
        """Copy an encoder and its profile into the installation, once they have proved to work.

        Raises `ModelError` when the file is not the profile's, cannot be loaded or encodes no face; nothing
        is kept then.
        """
        if self._added is None:
            raise ModelError("there is no installation to add an encoder to")
        given = load_profile(profile)
        content = verify_digest(file, given.sha256)
        try:
            self._added.mkdir(parents=True, exist_ok=True)
            self._added.chmod(0o755)  # the daemon's user reads it, whatever the umask of whoever adds
            staged = Path(tempfile.mkdtemp(prefix=".adding-", dir=self._added))
            try:
                return self._put(staged, given, profile, content, settings)
            finally:
                shutil.rmtree(staged, ignore_errors=True)
        except OSError as error:
            raise ModelError(f"cannot write to {self._added}: {error.strerror}; run with sudo") from error

    def _put(
        self, staged: Path, given: ModelProfile, profile: Path, content: bytes, settings: Settings
    ) -> ModelProfile:
        # Loading OpenCV and an interpreter is for those who add, not for those who look something up.
        from doorguard.vision.pipeline import FacePipeline
        from doorguard.vision.selftest import golden_json

        assert self._added is not None
        _write(staged / given.path.name, content)
        _write(staged / PROFILE, profile.read_bytes())
        vision = FacePipeline.open(settings, replace(given, path=staged / given.path.name))
        _write(staged / GOLDEN, (json.dumps(golden_json(vision)) + "\n").encode())
        staged.chmod(0o755)
        place, aside = self._added / given.model_id, staged.with_suffix(".old")
        if place.exists():
            place.rename(aside)
        staged.rename(place)
        shutil.rmtree(aside, ignore_errors=True)
        return load_profile(place / PROFILE)

    def _paths(self) -> Iterator[tuple[Origin, Path]]:
        if self._added is not None:
            for path in sorted(self._added.glob(f"*/{PROFILE}")):
                if not path.parent.name.startswith("."):
                    yield "added", path
        for path in sorted(profiles.MODELS.glob("*.profile.json")):
            yield "shipped", path


def _look(path: Path, origin: Origin) -> Shelved:
    try:
        return Shelved(path, origin, load_profile(path))
    except ModelError as error:
        return Shelved(path, origin, None, str(error))


def _write(path: Path, content: bytes) -> None:
    """Write a file to the disk, readable by the daemon's user too: nothing in it is secret."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    path.chmod(0o644)
