"""Follow a session at the door: live enrolment, or a check that prints D to everybody."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from doorguard.app import rebuild_error
from doorguard.cli.session import Session
from doorguard.errors import ControlError, UsageError

POLL_EVERY_S = 0.3


def follow(session: Session, kind: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Start a session, show how it goes until it ends, and return its result; Ctrl-C cancels it.

    Raises
    ------
    ControlError : no daemon runs; live sessions need its camera.
    DoorguardError : whatever the door refused.

    """
    told = session.ask_daemon("live_start", kind=kind, **wanted)
    try:
        told = _watch(session, told)
    except BaseException:
        with contextlib.suppress(ControlError, UsageError):
            session.ask_daemon("live_cancel", session=told["session"])
        raise
    if told["error"] is not None:
        raise rebuild_error(told["error"])
    if told["result"] is None:
        raise ControlError("the session was cancelled; start it again")
    return dict(told["result"])


def _watch(session: Session, told: dict[str, Any]) -> dict[str, Any]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    total = told["wanted"] if told["kind"] == "enroll" else None
    console = Console(stderr=True)
    # Older releases of rich end even a disabled bar with an empty line, which is no part of an error.
    console.quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=console.quiet) as progress:
        task = progress.add_task(told["hint"], total=total)
        while told["phase"] == "looking":
            progress.update(task, description=told["hint"], completed=told["taken"])
            time.sleep(POLL_EVERY_S)
            told = session.ask_daemon("live_poll", session=told["session"])
    return told


def print_distances(session: Session, result: Mapping[str, Any], name: str) -> None:
    """Print D to everybody, nearest first, with tau; `name` is who was meant to stand there."""
    with session.reading() as store:
        names = {person.resident_id: person.name for person in store.residents()}
        meant = store.find(name).resident_id
    tau = result["tau"]
    typer.echo(f"{result['frames']} frames, tau {'none' if tau is None else f'{tau:.4f}'}")
    for row in result["distances"]:
        within = tau is not None and row["distance_sq_median"] <= tau
        mark = "*" if row["resident"] == meant else " "
        typer.echo(
            f"{mark} {names.get(row['resident'], row['resident']):30} "
            f"D {row['distance_sq_median']:.4f} (best {row['distance_sq_min']:.4f}) "
            f"{'within tau' if within else 'beyond tau'}"
        )
