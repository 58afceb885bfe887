"""The daemon: its parts put together, started in order and stopped in reverse."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doorguard import __version__
from doorguard.adapters.clock import SystemClock
from doorguard.adapters.systemd import SystemdWatchdog, boot_id
from doorguard.app.build import build_camera, build_strike, build_vision, open_store, threshold_table
from doorguard.app.commands import desk_rules
from doorguard.config import Settings
from doorguard.control.desk import Desk
from doorguard.control.protocol import Request
from doorguard.control.server import ControlServer
from doorguard.core.model import Box, EventKind, Image
from doorguard.core.threshold import pair_threshold
from doorguard.daemon.attempts import Models
from doorguard.daemon.capture import Capture, CaptureRules
from doorguard.daemon.closed import ClosedStore
from doorguard.daemon.commands import Commands, LiveEnrollment
from doorguard.daemon.events import EventStamp, Recorder
from doorguard.daemon.guard import Guard, GuardParts
from doorguard.daemon.live import LiveRules, LiveSessions
from doorguard.daemon.loop import Loop, OnView
from doorguard.daemon.roster import match_rules
from doorguard.daemon.upkeep import Upkeep
from doorguard.errors import OK, StoreKeyError
from doorguard.places import Places
from doorguard.ports import Clock, FrameSource, Strike

if TYPE_CHECKING:
    from doorguard.adapters.store import Store
    from doorguard.vision.pipeline import FacePipeline

LOG = logging.getLogger(__name__)

CAPTURE_STOP_S = 0.6
RECORDER_STOP_S = 0.5
"""How long an orderly stop waits for a camera and for a disk that hang; all together stays below 2 s."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a daemon is made of; whoever opened them closes them.

    `meter` is told which face the camera shall expose for, and in which frame.
    """

    vision: FacePipeline
    store: Store | ClosedStore
    strike: Strike
    clock: Clock
    meter: Callable[[Box | None, Image], None]


@dataclass(frozen=True, slots=True)
class Daemon:
    """The parts that belong together; none of them runs yet.

    `guard` takes frames (`reload` it first), `recorder` writes events, `commands` answers requests.
    """

    guard: Guard
    recorder: Recorder
    commands: Commands
    upkeep: Upkeep


def assemble(settings: Settings, resources: Resources) -> Daemon:
    """Put a daemon together; raises `ConfigError` when the model's table knows no tau for the target."""
    vision, store, clock = resources.vision, resources.store, resources.clock
    table, rules = threshold_table(vision), match_rules(settings)
    stamp = EventStamp(clock, settings.door.name, boot_id())
    recorder = Recorder(store, stamp, settings.events.queue_max)
    desk = Desk(store, recorder.record, space=vision.space, rules=desk_rules(settings, table))
    enrollment = LiveEnrollment(desk, store)
    live = LiveSessions(
        LiveRules(
            settings.enrollment.live_templates,
            pair_threshold(table, rules).tau,
            settings.enrollment.keep_crop,
        ),
        enrollment.enroll,
        enrollment.check,
        track_gap_s=settings.decision.track_gap_s,
    )
    guard = Guard(
        GuardParts(
            settings=settings,
            vision=vision,
            shelf=store,
            strike=resources.strike,
            recorder=recorder,
            clock=clock,
            table=table,
            models=Models(vision.model_id, vision.profile.digest),
            live=live,
            meter=resources.meter,
        )
    )
    upkeep = Upkeep(store, stamp, settings.events.keep_days)
    return Daemon(guard, recorder, Commands(guard, desk, live, clock), upkeep)


def run_daemon(
    settings: Settings,
    places: Places,
    *,
    source: FrameSource | None = None,
    on_view: OnView = lambda view: None,
) -> int:
    """Run until SIGTERM, SIGINT, or the end of a camera that is a file; return the exit code.

    The order: strike locked, store, models, self-test, sockets, camera, ready; and back. SIGHUP reads the
    residents again.

    Parameters
    ----------
    settings, places
        the installation.
    source
        a camera to use instead of the one the settings name.
    on_view
        shown the daemon after each frame, on the loop's thread.

    Raises
    ------
    DoorguardError : a part refused to start, or the camera can never work; the strike is locked.

    """
    clock = SystemClock()
    watchdog = _make_watchdog()
    with ExitStack() as stack:
        signals = stack.enter_context(_signals())
        strike = build_strike(settings, clock, places)
        stack.callback(strike.close)
        store = _open_store(places, clock)
        closing = _Closing(store)
        stack.callback(closing.close)
        vision = build_vision(settings, places)
        camera = source or build_camera(settings, clock)
        _self_test(vision, camera, settings)
        meter = _Meter()
        daemon = assemble(settings, Resources(vision, store, strike, clock, meter))
        loop = Loop(daemon.guard, watchdog, clock, on_view=on_view, upkeep=daemon.upkeep)
        signals.attach(loop)
        daemon.guard.reload()
        daemon.recorder.start()
        stack.callback(lambda: closing.expect(daemon.recorder.stop(RECORDER_STOP_S)))
        daemon.recorder.record(EventKind.STARTED, {"release": __version__, "model": vision.model_id})
        stack.enter_context(ControlServer(places, _execute(loop, daemon.commands)))
        rules = CaptureRules.of(
            settings.camera, settings.decision.frame_age_max_s, watchdog_s=watchdog.interval_s
        )
        capture = Capture(camera, rules, clock, loop.ring)
        meter.to = capture.meter
        capture.start()
        stack.callback(capture.stop, CAPTURE_STOP_S)
        stack.callback(daemon.recorder.record, EventKind.STOPPED, {})
        stack.callback(strike.relock)
        stack.callback(watchdog.stopping)
        loop.run(capture, settings.camera.lost_after_s)
    return OK


class _Meter:
    """Passes metering on to the capture, which is made last."""

    def __init__(self) -> None:
        self.to: Callable[[Box | None, Image], None] = lambda face, image: None

    def __call__(self, face: Box | None, image: Image) -> None:
        self.to(face, image)


class _Closing:
    """Closes the store, unless a write hangs in it: then closing would hang too, and the stop with it."""

    def __init__(self, store: Store | ClosedStore) -> None:
        self._store, self._may = store, True

    def expect(self, written: bool) -> None:
        """Take note whether the recorder came to an end."""
        self._may = written

    def close(self) -> None:
        """Close, if nothing hangs."""
        if self._may:
            self._store.close()


def _make_watchdog() -> SystemdWatchdog:
    return SystemdWatchdog(os.environ)


def _open_store(places: Places, clock: Clock) -> Store | ClosedStore:
    """Open the store for writing; with a wrong key the door still can be released by hand."""
    try:
        return open_store(places, write=True, clock=clock)
    except StoreKeyError as error:
        LOG.critical("no face opens the door: %s", error)
        return ClosedStore(error)


def _self_test(vision: FacePipeline, camera: FrameSource, settings: Settings) -> None:
    """Let the golden frame through the camera's own conversion; raises `ModelError`."""
    from doorguard.vision.selftest import self_test

    distance_sq = self_test(vision, camera, settings.camera.kind)
    LOG.info("self-test passed: D %.4f, %s on %s", distance_sq, vision.model_id, vision.runtime_name)


def _execute(loop: Loop, commands: Commands) -> Callable[[Request], Mapping[str, object]]:
    return lambda request: loop.call(lambda: commands.execute(request), request.deadline_s)


class _Signals:
    """Signals that come before there is a loop are kept for it."""

    def __init__(self) -> None:
        self._loop: Loop | None = None
        self._stop = False

    def attach(self, loop: Loop) -> None:
        """Send them to this loop from now on."""
        self._loop = loop
        if self._stop:
            loop.stop()

    def stop(self, *_: object) -> None:
        """End the loop."""
        self._stop = True
        if self._loop is not None:
            self._loop.stop()

    def reload(self, *_: object) -> None:
        """Read the residents again."""
        if self._loop is not None:
            self._loop.reload()


@contextmanager
def _signals() -> Iterator[_Signals]:
    """Catch SIGTERM, SIGINT and SIGHUP; only a main thread can, others are stopped by their camera's end."""
    signals = _Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    handlers = {signal.SIGTERM: signals.stop, signal.SIGINT: signals.stop, signal.SIGHUP: signals.reload}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
