"""A frame source that does what it is told, step by step, and a watchdog that remembers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import numpy as np

from doorguard.core.model import Box, Frame, Image
from doorguard.errors import CameraError
from doorguard.ports import Clock

Step = Exception | None | Callable[[], object]
"""What the next `open` or `read` does: raise, end (None), or call something and deliver a frame."""


def noise(seed: int, size: tuple[int, int] = (120, 160)) -> Image:
    """Return a picture of faint noise, `(height, width, 3)` RGB; no two seeds give the same."""
    picture: Image = np.random.default_rng(seed).integers(100, 104, (*size, 3), dtype=np.uint8)
    return picture


class ScriptedSource:
    """Implements `ports.FrameSource`.

    `opens` and `reads` are consumed one step per call; with none left, a call simply works and `read`
    delivers a frame of noise stamped `age_s` ago. `history` holds the names of all calls.
    """

    def __init__(self, clock: Clock, *, opens: Iterable[Step] = (), reads: Iterable[Step] = ()) -> None:
        self.opens, self.reads = deque(opens), deque(reads)
        self.history: list[str] = []
        self.metered: list[Box | None] = []
        self.age_s = 0.0
        self._clock = clock
        self._is_open = False
        self._sequence = 0

    def open(self) -> None:
        """Take the next step of `opens`."""
        self.history.append("open")
        if self._is_open:
            raise CameraError("the scripted source is open already", fatal=True)
        _take(self.opens)
        self._is_open = True

    def read(self) -> Frame | None:
        """Take the next step of `reads`."""
        self.history.append("read")
        if not self._is_open:
            raise CameraError("the scripted source is not open", fatal=True)
        if not _take(self.reads):
            return None
        self._sequence += 1
        return Frame(noise(len(self.history)), self._clock.monotonic() - self.age_s, self._sequence)

    def to_rgb(self, native: Image) -> Image:
        """Return the array as it is."""
        return native

    def meter(self, face: Box | None, image: Image) -> None:
        """Remember the face."""
        self.metered.append(face)

    def close(self) -> None:
        """Stop."""
        self.history.append("close")
        self._is_open = False


def _take(steps: deque[Step]) -> bool:
    """Take one step; False when it says that the source has ended."""
    if not steps:
        return True
    step = steps.popleft()
    if isinstance(step, Exception):
        raise step
    if step is None:
        return False
    step()
    return True


class RecordingWatchdog:
    """Implements `ports.Watchdog` by remembering: `calls` holds what it was told, oldest first."""

    def __init__(self) -> None:
        self.interval_s: float | None = None
        self.calls: list[str] = []
        self.lines: list[str] = []

    @property
    def fed(self) -> int:
        """How often it was fed."""
        return self.calls.count("alive")

    def ready(self, status: str) -> None:
        """Remember."""
        self.calls.append("ready")
        self.lines.append(status)

    def alive(self) -> None:
        """Remember."""
        self.calls.append("alive")

    def status(self, text: str) -> None:
        """Remember a new text."""
        if not self.lines or self.lines[-1] != text:
            self.lines.append(text)

    def stopping(self) -> None:
        """Remember."""
        self.calls.append("stopping")
