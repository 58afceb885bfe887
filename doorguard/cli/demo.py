"""The demo command: the daemon before a simulated door, or before a webcam."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doorguard.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command()(demo)


def demo(
    fast: Annotated[
        bool, typer.Option("--fast", help="Do not wait for the clock; only the table is shown.")
    ] = False,
    camera: Annotated[
        str | None, typer.Option("--camera", metavar="N", help="Use this webcam instead, until Ctrl-C.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE.svg", help="Write a picture of the screen.")
    ] = None,
) -> None:
    """Watch real photographs walk up to a simulated door; nothing is kept."""
    from rich.console import Console

    from doorguard.config import Settings
    from doorguard.demo.play import DemoOptions, play
    from doorguard.demo.webcam import play_webcam

    if camera is not None and (fast or picture):
        raise UsageError("--camera goes with neither --fast nor --picture")
    if camera is not None:
        raise typer.Exit(play_webcam(camera, Console()))
    raise typer.Exit(play(DemoOptions(Settings(), fast=fast, picture=picture), Console()))
