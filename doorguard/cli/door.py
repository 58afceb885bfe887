"""Commands about the door itself: run, status, unlock."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from doorguard.cli.session import session_of

LOG_FORMAT = "%(levelname)s %(name)s: %(message)s"
"""No time: the journal stamps each line itself."""


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command()(run)
    app.command()(status)
    app.command()(unlock)


def run(context: typer.Context) -> None:
    """Watch the door: what the service manager starts."""
    from doorguard.app import run_daemon

    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    session = session_of(context)
    raise typer.Exit(run_daemon(session.settings, session.places))


def status(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Say what state the door is in, and plainly what is off."""
    from doorguard.cli.show import print_json
    from doorguard.control.client import call

    answer = call(session_of(context).places.status_socket, "status", {})
    if as_json:
        print_json(answer)
        return
    for key, value in answer.items():
        if key == "off":
            typer.echo(f"{'off':10} {'; '.join(value) if value else 'nothing'}")
        else:
            typer.echo(f"{key:10} {'unknown' if value is None else value}")


def unlock(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; stands in the log.")],
) -> None:
    """Release the strike by hand, through the running daemon."""
    session = session_of(context)
    answer = session.ask_daemon("unlock", reason=reason)
    typer.echo(f"released for {answer['released_s']:g} s")
    session.say_where()
