"""The command line's front door: options every command shares, and what an error looks like."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from doorguard import __version__
from doorguard.cli import (
    calibrate,
    camera,
    compare,
    demo,
    door,
    evaluate,
    log,
    models,
    people,
    photos,
    safe,
    settings,
)
from doorguard.errors import DoorguardError

app = typer.Typer(
    name="doorguard",
    help="Face access for a door: one photo enrols, no cloud, fails closed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (people, photos, door, log, safe, settings, camera, evaluate, compare, calibrate, models, demo):
    part.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"doorguard {__version__}")
        raise typer.Exit


@app.callback()
def _shared(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Settings file (also DOORGUARD_CONFIG)."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    from doorguard.cli.session import Session
    from doorguard.places import find_places

    context.obj = Session(find_places(config, os.environ))


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; an error is one line on standard error."""
    try:
        app(args=arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except KeyboardInterrupt:
        return 130
    except DoorguardError as error:
        typer.echo(f"doorguard: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # The reader went away (`doorguard events | head`): not an error, but nothing more may be printed.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
        return 0
    except Exception as error:
        if os.environ.get("DOORGUARD_TRACEBACK"):
            raise
        what = " ".join(str(error).split())
        typer.echo(
            f"doorguard: internal error ({type(error).__name__}: {what}); "
            "set DOORGUARD_TRACEBACK=1 to see where, and report it",
            err=True,
        )
        return 1
    return 0
