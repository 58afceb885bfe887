"""The demo's stage: who plays whom, what happens between visits, an installation of its own."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doorguard.adapters.simulated.visits import COMPANY, DISABLED, Visit
from doorguard.app import build_vision, encode_photo
from doorguard.config import Settings
from doorguard.core.model import Box, Frame, Image
from doorguard.photos import path
from doorguard.places import Places
from doorguard.ports import FrameSource

Act = Callable[[str, Mapping[str, object]], Mapping[str, Any]]
"""Carries out a verb of `control.verbs` and returns the daemon's answer."""

RESIDENTS = {"obama": "Barack", "collins": "Eileen"}
"""Who may be let in: how their photographs' names begin, and what the demo calls them."""

ENROLLED_FROM = {"obama": "obama-2012", "collins": "collins"}
"""The one photograph each is enrolled from. He comes as two others; of her there is only the one."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is done to the residents while the door stands empty before a visit."""

    before: Visit
    verb: str
    person: str
    note: str


CUES = (
    Cue(COMPANY, "enroll", "collins", "Eileen enrolled, one photograph"),
    Cue(DISABLED, "disable", "obama", "Barack disabled"),
)


@contextmanager
def temporary_places() -> Iterator[Places]:
    """An installation that is gone afterwards, store, key and sockets included."""
    with tempfile.TemporaryDirectory(prefix="doorguard-demo-") as folder:
        root = Path(folder)
        yield Places(config=None, state=root / "state", runtime=root / "run", system=False)


def enrolments(settings: Settings, places: Places) -> dict[str, dict[str, object]]:
    """Encode the residents' photographs as `doorguard enroll` does; returns the verb's arguments by person.

    Raises `ModelError`, `EnrollmentError`.
    """
    vision = build_vision(settings, places)
    return {
        person: {
            "name": RESIDENTS[person],
            "consent": "bundled photograph of a public figure, for the demo",
            "model_id": vision.model_id,
            "encodings": [
                base64.b64encode(encode_photo(vision, path(photo), largest=False).tobytes()).decode("ascii")
            ],
        }
        for person, photo in ENROLLED_FROM.items()
    }


class Onlooker:
    """Implements `ports.FrameSource` by passing everything on; keeps what was seen last for the screen."""

    def __init__(self, source: FrameSource) -> None:
        self.image: Image | None = None
        self.face: Box | None = None
        self._source = source

    def open(self) -> None:
        """Start delivering."""
        self._source.open()

    def read(self) -> Frame | None:
        """Return the next frame and keep its picture."""
        frame = self._source.read()
        if frame is not None:
            self.image = frame.image
        return frame

    def to_rgb(self, native: Image) -> Image:
        """Convert as the camera does."""
        return self._source.to_rgb(native)

    def meter(self, face: Box | None, image: Image) -> None:
        """Pass on and keep the face the daemon looks at."""
        self.face = face
        self._source.meter(face, image)

    def close(self) -> None:
        """Stop."""
        self._source.close()
