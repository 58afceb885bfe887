"""The camera's thread: open, read, reconnect with growing pauses, and hold the newest frame only.

The thread owns the source. The loop takes frames from a slot of size one and reads `health`, which is how
it learns that the camera is lost, and how often reconnecting was tried.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from doorguard.config import CameraSettings
from doorguard.core.model import Box, Frame, Image
from doorguard.daemon.faults import where
from doorguard.errors import CameraError
from doorguard.ports import Clock, FrameSource

LOG = logging.getLogger(__name__)

CALL_MAX_S = 5.0
"""A call that takes longer counts as hung: it feeds no watchdog even if it returns after all."""


class CameraState(StrEnum):
    """How the camera is; the value is the word in `status`."""

    STARTING = "starting"
    OK = "ok"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """What is known of the camera now.

    Parameters
    ----------
    state : `lost` after an error, or without a fresh frame for `lost_after_s`.
    why : one line about the loss, empty while all is well.
    fatal : whether the camera itself says that trying again cannot help.
    attempts : reconnection attempts that came to an end, each within `CALL_MAX_S`, while it was lost.
    losses : errors so far; after each, the source numbers its frames anew.
    frames : frames delivered so far.

    """

    state: CameraState
    why: str
    fatal: bool
    attempts: int
    losses: int
    frames: int


@dataclass(frozen=True, slots=True)
class CaptureRules:
    """When a camera counts as lost and how its return is awaited, in seconds."""

    lost_after_s: float
    retry_first_s: float
    retry_max_s: float
    frame_age_max_s: float

    @classmethod
    def of(
        cls, camera: CameraSettings, frame_age_max_s: float, *, watchdog_s: float | None = None
    ) -> CaptureRules:
        """Take them from the settings.

        Only attempts feed the watchdog while the camera is lost, so the pause between them leaves room in
        its interval `watchdog_s` for an attempt as long as it may be, and as much again: a camera that is
        away for long must not restart the daemon.
        """
        longest_s = camera.retry_max_s
        if watchdog_s is not None:
            longest_s = min(longest_s, max((watchdog_s - CALL_MAX_S) / 2, watchdog_s / 10))
        return cls(camera.lost_after_s, min(camera.retry_first_s, longest_s), longest_s, frame_age_max_s)


class Capture:
    """Runs one `FrameSource` on a thread of its own.

    Parameters
    ----------
    source : touched by that thread only, from `start` to the thread's end.
    rules : times.
    clock : the clock that the frames are stamped with.
    ring : called on the capture thread after each frame and each error.

    """

    def __init__(
        self, source: FrameSource, rules: CaptureRules, clock: Clock, ring: Callable[[], None]
    ) -> None:
        self._source, self._rules, self._clock, self._ring = source, rules, clock, ring
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._frame: Frame | None = None
        self._metering: tuple[Box | None, Image] | None = None
        self._health = CameraHealth(CameraState.STARTING, "", fatal=False, attempts=0, losses=0, frames=0)
        self._fresh_s = clock.monotonic()
        self._opened_s = self._fresh_s
        self._pause_s = rules.retry_first_s
        self._opened = False

    def start(self) -> None:
        """Start the thread."""
        self._fresh_s = self._clock.monotonic()
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ask the thread to close the source and end; False when it did not within `timeout_s`.

        A source that hangs is left to the process's end: closing it from another thread is not allowed.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def take(self) -> Frame | None:
        """Return the newest frame once; None when none came since the last call."""
        with self._lock:
            frame, self._frame = self._frame, None
        return frame

    def meter(self, face: Box | None, image: Image) -> None:
        """Ask the camera to expose for this face (None: for the scene) before its next frame."""
        with self._lock:
            self._metering = (face, image)

    @property
    def health(self) -> CameraHealth:
        """What is known now; silence longer than `lost_after_s` is a loss whatever the source says."""
        with self._lock:
            health, silent_s = self._health, self._clock.monotonic() - self._fresh_s
        if health.state in (CameraState.OK, CameraState.STARTING) and silent_s > self._rules.lost_after_s:
            why = f"no frame for {self._rules.lost_after_s:g} s"
            return replace(health, state=CameraState.LOST, why=why)
        return health

    def step(self) -> float:
        """Read one frame, opening the source first when it is closed; return the seconds to pause after."""
        reconnecting = not self._opened and self.health.state is CameraState.LOST
        began_s = self._clock.monotonic()
        try:
            frame = self._read()
        except CameraError as error:
            pause_s = self._lose(str(error), fatal=error.fatal)
        except Exception as error:  # noqa: BLE001  whatever a driver raises, the thread must live on
            LOG.error("camera: %s", where(error))
            pause_s = self._lose(f"unexpected {type(error).__name__}")
        else:
            pause_s = self._end() if frame is None else self._deliver(frame)
        if reconnecting and self._clock.monotonic() - began_s <= CALL_MAX_S:
            with self._lock:
                self._health = replace(self._health, attempts=self._health.attempts + 1)
        self._ring()
        return pause_s

    def _read(self) -> Frame | None:
        if not self._opened:
            self._source.open()
            self._opened = True
            self._opened_s = self._clock.monotonic()
        with self._lock:
            metering, self._metering = self._metering, None
        if metering is not None:
            self._source.meter(*metering)
        return self._source.read()

    def _deliver(self, frame: Frame) -> float:
        now_s = self._clock.monotonic()
        if now_s - self._opened_s >= self._rules.retry_max_s:
            # Only a camera that held for a while earns short pauses again: one that flaps writes events.
            self._pause_s = self._rules.retry_first_s
        fresh = now_s - frame.captured_s <= self._rules.frame_age_max_s
        if not fresh and now_s - max(self._fresh_s, self._opened_s) > self._rules.lost_after_s:
            return self._lose("it delivers only old frames")
        with self._lock:
            self._frame = frame
            health = replace(self._health, frames=self._health.frames + 1)
            if fresh:
                self._fresh_s = now_s
                health = replace(health, state=CameraState.OK, why="", fatal=False)
            self._health = health
        return 0.0

    def _lose(self, why: str, *, fatal: bool = False) -> float:
        """Close the source, note why, and return the pause before the next attempt."""
        self._close()
        with self._lock:
            losses = self._health.losses + 1
            self._health = replace(self._health, state=CameraState.LOST, why=why, fatal=fatal, losses=losses)
            self._frame = None
        pause_s = self._pause_s
        self._pause_s = min(pause_s * 2, self._rules.retry_max_s)
        return pause_s

    def _end(self) -> float:
        with self._lock:
            self._health = replace(self._health, state=CameraState.ENDED, why="")
        self._stop.set()
        return 0.0

    def _close(self) -> None:
        self._opened = False
        try:
            self._source.close()
        except Exception as error:  # noqa: BLE001  one that cannot be closed is opened anew all the same
            LOG.error("camera: closing failed: %s", where(error))

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                pause_s = self.step()
                if pause_s > 0:
                    self._stop.wait(pause_s)
        finally:
            self._close()
