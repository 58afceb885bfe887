"""Commands about the camera: camera check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from doorguard.cli.session import session_of
from doorguard.errors import CameraError

camera = typer.Typer(help="Look through the door's camera.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.add_typer(camera, name="camera")


@camera.command()
def check(
    context: typer.Context,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="OUT.png", help="Write what the camera sees.")
    ] = None,
) -> None:
    """Show what the camera sees: face size, light, focus, and what to change. Works over SSH."""
    from doorguard.app import check_camera, daemon_running, save_picture

    session = session_of(context)
    if daemon_running(session.places):
        raise CameraError("the daemon holds the camera: stop it first, or look at `doorguard status`")
    with Console(stderr=True).status("watching for a few seconds; stand where visitors stand"):
        report = check_camera(session.settings, session.vision)
    for line in report.lines:
        typer.echo(line)
    if picture is not None:
        save_picture(picture, report.picture())
