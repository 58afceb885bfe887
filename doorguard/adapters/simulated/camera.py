"""The simulated camera: frames of a script at a steady rate, on whatever clock it is given."""

from __future__ import annotations

import math
import threading

from doorguard.adapters.simulated.scene import Scene
from doorguard.adapters.simulated.visits import DEMO_SCRIPT, STILL_SCRIPT, Script
from doorguard.config import CameraSettings
from doorguard.core.model import Box, Frame, Image
from doorguard.errors import CameraError
from doorguard.ports import Clock

SCRIPTS = {"0": DEMO_SCRIPT, "visits": DEMO_SCRIPT, "still": STILL_SCRIPT}
"""What `camera.source` may name for `kind: simulated`; `0` is that setting's default."""


class SimulatedCamera:
    """Implements `ports.FrameSource`.

    Like a sensor it exposes at fixed moments, and a frame nobody fetched in time is gone. The script's time
    starts with the first `open` and goes on while the camera is closed or unplugged.

    Parameters
    ----------
    script : who comes when.
    clock : real, or manual for a run as fast as the machine can go.
    settings : `width`, `height` and `rate_hz` are used.
    loop : start the script again at its end instead of ending.

    """

    def __init__(
        self, script: Script, clock: Clock, settings: CameraSettings, *, loop: bool = False, seed: int = 1
    ) -> None:
        self._scene = Scene(script, (settings.width, settings.height), seed=seed)
        self._clock = clock
        self._period_s = 1.0 / settings.rate_hz
        self._loop = loop
        self._plugged = threading.Event()
        self._plugged.set()
        self._is_open = False
        self._index = -1
        self._sequence = 0
        self.started_s: float | None = None
        """Monotonic seconds of the first `open`: the script's zero; None before."""

    @property
    def script(self) -> Script:
        """Who comes when."""
        return self._scene.script

    def open(self) -> None:
        """Start delivering; raises `CameraError` when open already or unplugged."""
        if self._is_open:
            raise CameraError("the simulated camera is open already")
        self._check_plug()
        if self.started_s is None:
            self.started_s = self._clock.monotonic()
        self._is_open = True

    def read(self) -> Frame | None:
        """Wait for the next moment of exposure; None at the script's end."""
        if not self._is_open or self.started_s is None:
            raise CameraError("the simulated camera is not open")
        self._check_plug()
        now_s = self._clock.monotonic()
        self._index = max(self._index + 1, math.floor((now_s - self.started_s) / self._period_s))
        due_s = self.started_s + self._index * self._period_s
        if due_s > now_s:
            self._clock.wait(due_s - now_s)
        elapsed_s = self._index * self._period_s
        if self._loop:
            elapsed_s %= self.script.duration_s
        elif elapsed_s >= self.script.duration_s:
            return None
        self._sequence += 1
        native = self._scene.render(elapsed_s, self._index)
        return Frame(self.to_rgb(native), max(due_s, now_s), self._sequence)

    def to_rgb(self, native: Image) -> Image:
        """Return the array as it is: the scene is rendered as RGB and upright."""
        return native

    def meter(self, face: Box | None, image: Image) -> None:
        """Do nothing: the script makes the light."""

    def close(self) -> None:
        """Stop; closing a closed camera does nothing."""
        self._is_open = False

    def unplug(self) -> None:
        """Make the camera vanish: from now on `read` and `open` raise `CameraError`. Thread-safe."""
        self._plugged.clear()

    def plug_in(self) -> None:
        """Let the camera come back. Thread-safe."""
        self._plugged.set()

    def _check_plug(self) -> None:
        if not self._plugged.is_set():
            self._is_open = False
            raise CameraError("the simulated camera is unplugged")


def make_simulated_camera(settings: CameraSettings, clock: Clock) -> SimulatedCamera:
    """Make the camera that `camera.source` names, its script repeating for ever.

    Raises
    ------
    CameraError : fatal; no script has that name.

    """
    if settings.source not in SCRIPTS:
        known = ", ".join(SCRIPTS)
        raise CameraError(f"camera.source {settings.source!r} names no scene; there are {known}", fatal=True)
    return SimulatedCamera(SCRIPTS[settings.source], clock, settings, loop=True)
