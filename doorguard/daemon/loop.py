"""The loop: one thread that takes frames, commands and signals in turn, and feeds the watchdog.

The watchdog's rule. It is fed each time a frame has been disposed of in a way that shows the whole path to
work (`lookout.FEEDS_WATCHDOG`), and after each reconnection attempt while the camera is known to be lost.
Nothing else feeds it: not the passing of time, not a command, not a frame whose handling or an attempt
whose end took longer than `CALL_MAX_S`. So a driver, an interpreter or a disk that hangs gets the daemon
started anew, and a camera that is merely unplugged does not.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress

from doorguard.core.model import Frame
from doorguard.core.policy import Reason
from doorguard.daemon.capture import CALL_MAX_S, CameraHealth, CameraState, Capture
from doorguard.daemon.events import Recorder
from doorguard.daemon.faults import where
from doorguard.daemon.guard import STARTING, Guard
from doorguard.daemon.lookout import FEEDS_WATCHDOG
from doorguard.daemon.view import GuardView
from doorguard.errors import CameraError, ControlError
from doorguard.ports import Clock, FrameSource, Watchdog

LOG = logging.getLogger(__name__)

READY_WITHIN_S = 5.0
"""Without a frame the daemon is ready after so long at the latest: the release by hand works, and a service
manager that waits longer would kill it."""

TICK_S = 0.1
"""The loop wakes at least so often: attempts and visits end by time alone."""

Work = Callable[[], Mapping[str, object]]
OnView = Callable[[GuardView], None]


class Loop:
    """Runs a guard on the frames of a capture.

    Parameters
    ----------
    guard : touched by this loop's thread only.
    watchdog : the service manager.
    clock : monotonic seconds.
    on_view : shown the daemon after each frame, on the loop's thread.
    upkeep : called again and again while the loop runs.

    """

    def __init__(
        self,
        guard: Guard,
        watchdog: Watchdog,
        clock: Clock,
        *,
        on_view: OnView = lambda view: None,
        upkeep: Callable[[], None] = lambda: None,
    ) -> None:
        self._guard, self._watchdog, self._clock = guard, watchdog, clock
        self._on_view, self._upkeep = on_view, upkeep
        # SimpleQueue alone may be used from a signal handler while the same thread waits on it.
        self._inbox: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._rung = False
        self._stopping = False
        self._closed = False
        self._ready = False
        self._attempts = 0
        self._started_s = clock.monotonic()

    # From other threads and signal handlers.

    def ring(self) -> None:
        """Wake the loop; many rings before it wakes count as one."""
        if not self._rung:
            self._rung = True
            self._inbox.put(None)

    def stop(self) -> None:
        """End `run` after the frame or command in hand."""
        self._stopping = True
        self._inbox.put(None)

    def reload(self) -> None:
        """Read the residents again before the next frame."""
        self._inbox.put(self._guard.reload)

    def call(self, work: Work, deadline_s: float) -> Mapping[str, object]:
        """Have `work` done on the loop's thread between two frames and return what it returns.

        Parameters
        ----------
        work
            may raise; whatever it raises comes out here.
        deadline_s
            `time.monotonic()` seconds; work that was not begun by then is never begun.

        Raises
        ------
        ControlError : the loop did not get to it, or is not done with it, in time.

        """
        future: Future[Mapping[str, object]] = Future()
        self._inbox.put(lambda: self._begin(future, work, deadline_s))
        if self._closed:
            future.cancel()
        try:
            return future.result(max(deadline_s - time.monotonic(), 0.0))
        except (FutureTimeout, CancelledError):
            if future.cancel() or future.cancelled():
                raise ControlError("the daemon is busy and did not do it; try again") from None
            raise ControlError("the daemon is not done with it yet; look before trying again") from None

    # The loop's own thread.

    def run(self, capture: Capture, lost_after_s: float) -> None:
        """Work until `stop`, or until a camera that is a file has come to its end.

        Raises
        ------
        CameraError : fatal, before the daemon was ready: the settings name no camera that can work.

        """
        self._started_s = self._clock.monotonic()
        try:
            while not self._stopping:
                self.step(capture, lost_after_s, wait_s=TICK_S)
        finally:
            # Nobody may wait for an answer that will not come, and a worker that waits delays the stop.
            self._closed = True
            self._answer(0.0)
        self._guard.end_visit(Reason.STOPPING)

    def step(self, capture: Capture, lost_after_s: float, *, wait_s: float) -> None:
        """Do what there is to do, waiting at most `wait_s` for something."""
        self._answer(wait_s)
        health = capture.health
        self._guard.watch_camera(health)
        frame = capture.take()
        if frame is not None:
            self._dispose(frame)
        elif health.state is CameraState.ENDED:
            self._stopping = True
        if health.attempts != self._attempts:
            self._attempts = health.attempts
            if health.state is CameraState.LOST:
                self._watchdog.alive()
        self._guard.tick()
        self._upkeep()
        self._tell(health, lost_after_s)

    def _answer(self, wait_s: float) -> None:
        """Wait for a ring or a command, then carry out those that have come by then, and no more.

        Clients who ask without end could otherwise keep the loop from its frames, and so the door shut.
        """
        items: list[Callable[[], object] | None] = []
        with suppress(queue.Empty):
            items.append(self._inbox.get(timeout=wait_s) if wait_s > 0 else self._inbox.get_nowait())
        items += [self._inbox.get_nowait() for _ in range(self._inbox.qsize())]
        for command in items:
            if command is not None:
                self._do(command)
        # After this, a new frame rings again; it is taken in this very step if it is there already.
        self._rung = False

    def _do(self, command: Callable[[], object]) -> None:
        try:
            command()
        except Exception as error:  # noqa: BLE001  a command that fails must not end the watch
            LOG.error("command: %s", where(error))

    def _begin(self, future: Future[Mapping[str, object]], work: Work, deadline_s: float) -> None:
        if self._closed or time.monotonic() > deadline_s:
            future.cancel()
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  raised again where the command was given
            future.set_exception(error)

    def _dispose(self, frame: Frame) -> None:
        began_s = self._clock.monotonic()
        disposal = self._guard.handle(frame)
        if disposal in FEEDS_WATCHDOG and self._clock.monotonic() - began_s <= CALL_MAX_S:
            self._watchdog.alive()
        self._on_view(self._guard.view())

    def _tell(self, health: CameraHealth, lost_after_s: float) -> None:
        """Tell the service manager: readiness with the first frame, or without one after `lost_after_s`."""
        if self._ready:
            self._watchdog.status(self._guard.view().as_line())
        elif health.fatal:
            raise CameraError(health.why, fatal=True)
        elif health.frames > 0 or self._clock.monotonic() - self._started_s >= min(
            lost_after_s, READY_WITHIN_S
        ):
            self._ready = True
            self._watchdog.ready(self._guard.view().as_line())
            LOG.info("ready: %s", self._guard.view().as_line())


def run_lockstep(
    source: FrameSource, guard: Guard, recorder: Recorder, *, on_view: OnView = lambda view: None
) -> None:
    """Take every frame of a source in turn, as fast as the machine can, until the source ends.

    For the fast demo and for end-to-end tests on a manual clock: no thread, no frame left out, and every
    event written before the next frame. Raises `CameraError`.
    """
    source.open()
    try:
        guard.watch_camera(CameraHealth(CameraState.OK, "", fatal=False, attempts=0, losses=0, frames=0))
        while (frame := source.read()) is not None:
            guard.handle(frame)
            guard.tick()
            recorder.drain()
            on_view(guard.view())
    finally:
        source.close()
        guard.watch_camera(STARTING)
        recorder.drain()
