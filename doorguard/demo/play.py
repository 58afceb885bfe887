"""Play the script: in real time on a screen, or as fast as the machine goes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from doorguard.adapters.clock import SystemClock
from doorguard.adapters.simulated.camera import SimulatedCamera
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.visits import DEMO_SCRIPT, Script
from doorguard.app import (
    Daemon,
    Resources,
    assemble,
    build_strike,
    build_vision,
    carry_out,
    open_store,
    run_daemon,
)
from doorguard.config import Settings
from doorguard.control.protocol import ANSWER_WITHIN_S, Channel, Peer, Request
from doorguard.control.verbs import check_request
from doorguard.daemon.loop import run_lockstep
from doorguard.demo.hush import hushed
from doorguard.demo.projector import Projector
from doorguard.demo.results import VisitResult, attempts_in_log
from doorguard.demo.screen import draw, table_of
from doorguard.demo.show import Show
from doorguard.demo.stage import Onlooker, enrolments, temporary_places
from doorguard.errors import UsageError
from doorguard.places import Places

PICTURE_SIZE = (96, 29)
DISAGREES = 1
INTERRUPTED = 130

WELCOME = (
    "The daemon itself with its real models; only camera and strike are simulated.\n"
    "Barack is enrolled from one photograph and comes as two others. Strangers\n"
    "come, too; one, Eileen, is enrolled half-way (there is one photograph of her,\n"
    "she comes as it). Nothing is kept: store, key and sockets are temporary.\n"
)


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How to play.

    Parameters
    ----------
    settings : in force; the demo is made for the defaults.
    fast : on a clock that does not wait, without a screen.
    picture : where to write a picture of the screen and the table, as SVG.
    script : who comes.

    """

    settings: Settings
    fast: bool = False
    picture: Path | None = None
    script: Script = DEMO_SCRIPT


def play(options: DemoOptions, console: Console) -> int:
    """Play to the end, print the table, and return 0 only when every visit was decided as expected.

    Raises
    ------
    UsageError : the picture cannot be written.
    DoorguardError : the daemon refused to start, or a resident could not be made.

    """
    if options.picture is not None:
        _claim(options.picture)
    console.print(WELCOME, highlight=False)
    with temporary_places() as places:
        with hushed() as troubles:
            show = (_play_fast if options.fast else _play_live)(options, places, console)
        finished, ended = show.finished, show.ended_visits
        results, told = _read_log(show, places)
    if not finished:
        results = results[:ended]
    console.print(table_of(results))
    for line in (*troubles, told):
        console.print(line, highlight=False, markup=False)
    if options.picture is not None:
        _save_picture(options.picture, show, results)
    if not finished:
        console.print("stopped before the end")
        return INTERRUPTED
    wrong = sum(not result.agrees for result in results)
    console.print(f"{len(results) - wrong} of {len(results)} visits decided as expected", highlight=False)
    return DISAGREES if wrong else 0


def _play_live(options: DemoOptions, places: Places, console: Console) -> Show:
    """Run the daemon on this thread and the screen on another; Ctrl-C ends both."""
    settings, clock = options.settings, SystemClock()
    camera = SimulatedCamera(options.script, clock, settings.camera)
    onlooker = Onlooker(camera)
    act = partial(carry_out, places, settings)
    show = Show(camera, onlooker, clock, act=act, enrolments=enrolments(settings, places))
    show.enroll("obama")
    with Projector(show, console) as projector:
        run_daemon(settings, places, source=onlooker, on_view=show.follow)
    if projector.failure is not None:
        raise projector.failure
    return show


def _play_fast(options: DemoOptions, places: Places, console: Console) -> Show:
    """Take every frame of the script in turn on a clock that jumps from one to the next."""
    settings, clock = options.settings, ManualClock()
    camera = SimulatedCamera(options.script, clock, settings.camera)
    onlooker = Onlooker(camera)
    strike = build_strike(settings, clock, places)
    try:
        with open_store(places, write=True, clock=clock) as store:
            resources = Resources(build_vision(settings, places), store, strike, clock, onlooker.meter)
            daemon = assemble(settings, resources)
            act = partial(_execute, daemon)
            show = Show(camera, onlooker, clock, act=act, enrolments=enrolments(settings, places))
            show.enroll("obama")
            with console.status("playing as fast as it goes"):
                run_lockstep(onlooker, daemon.guard, daemon.recorder, on_view=show.follow_and_cue)
    finally:
        strike.close()
    return show


def _execute(daemon: Daemon, verb: str, arguments: Mapping[str, object]) -> Mapping[str, Any]:
    """Carry a verb out between two frames, as the control socket would."""
    args = check_request(verb, arguments, Channel.CONTROL)
    peer = Peer(os.getuid(), os.getpid())
    deadline_s = time.monotonic() + ANSWER_WITHIN_S
    return daemon.commands.execute(Request(verb, args, peer, Channel.CONTROL, deadline_s))


def _read_log(show: Show, places: Places) -> tuple[list[VisitResult], str]:
    """Read the attempts back from the audit log: what it holds is what counts."""
    with open_store(places, write=False) as store:
        events = list(store.events())
        names: dict[str, str] = {person.resident_id: person.name for person in store.residents()}
        report = store.verify()
    attempts = attempts_in_log(events, names)
    chain = "its chain is intact" if report.ok else f"ITS CHAIN IS BROKEN: {report.what}"
    return show.results(attempts), f"read from the audit log: {len(attempts)} attempts; {chain}"


def _claim(file: Path) -> None:
    """Make sure now that the picture can be written at the end; raises `UsageError`."""
    try:
        file.touch()
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}; name another file") from error


def _save_picture(file: Path, show: Show, results: list[VisitResult]) -> None:
    """Write what the screen looked like and the table as SVG."""
    width, _ = PICTURE_SIZE
    paper = Console(width=width, record=True, file=StringIO(), force_terminal=True, color_system="truecolor")
    if show.keepsake is not None:
        paper.print(draw(show.keepsake, PICTURE_SIZE))
    paper.print(table_of(results))
    drawn = paper.export_svg(title="doorguard demo")
    # The fonts Rich names lie on somebody's server; whoever looks at the picture shall not call there.
    file.write_text(re.sub(r"@font-face\s*\{.*?\}", "", drawn, flags=re.DOTALL), encoding="utf-8")
