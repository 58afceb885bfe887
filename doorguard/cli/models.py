"""Commands about encoders: models list, verify, add, use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorguard.cli.session import session_of
from doorguard.errors import ModelError, ModelMismatchError

if TYPE_CHECKING:
    from doorguard.app.models import ModelEntry, Switch

models = typer.Typer(help="Encoders: which there are, and which one is in use.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.add_typer(models, name="models")


@models.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the encoders at hand: of this release, and added ones."""
    from doorguard.app.models import list_models

    session = session_of(context)
    _print(list_models(session.settings, session.places), as_json=as_json)


@models.command()
def verify(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="MODEL", help="Default: every one.")] = None,
    as_json: Json = False,
) -> None:
    """Load encoders and hold each against its digest, its profile and its golden answer."""
    from doorguard.app.models import verify_models

    session = session_of(context)
    entries = verify_models(session.settings, session.places, names or [])
    _print(entries, as_json=as_json)
    bad = [entry.name for entry in entries if entry.problem]
    if bad:
        raise ModelMismatchError(f"not usable: {', '.join(bad)}")


@models.command()
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A TFLite file.")],
    profile: Annotated[
        Path,
        typer.Option("--profile", metavar="PROFILE", help="What goes in and comes out (docs/models.md)."),
    ],
) -> None:
    """Copy an encoder into this installation, once it has proved to work. The one in use stays in use."""
    from doorguard.app import encoder_in_use
    from doorguard.app.models import add_model

    session = session_of(context)
    added = add_model(session.settings, session.places, file, profile)
    typer.echo(
        f"{added.model_id} added; {added.input_size} px {added.pixels.dtype} in, {added.dim} numbers out"
    )
    if not added.tau:
        typer.echo("it has no tau table yet: doorguard calibrate makes one")
    elif encoder_in_use(session.settings, session.places).model_id == added.model_id:
        typer.echo("it is the one in use: the profile's tau table holds from the daemon's next start")
    else:
        typer.echo(f"change to it with: doorguard models use {added.model_id}")
    session.say_where()


@models.command()
def use(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="MODEL", help="An encoder's id or full name.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Change even if residents must be enrolled again to get in.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Change the encoder: encode kept pictures anew, and say who has to be enrolled again."""
    from doorguard.app.models import use_model
    from doorguard.cli.show import print_json

    session = session_of(context)
    switch = use_model(session.settings, session.places, name, anyway=yes)
    if as_json:
        print_json(switch.as_json())
    else:
        _print_switch(switch)
    if not switch.done:
        raise ModelError(
            f"{switch.before} stays in use: {len(switch.missing)} enabled resident(s) have no template of "
            f"{switch.after}. Change all the same with --yes, then enrol them again (doorguard enroll --add)"
        )
    session.say_where()


def _print_switch(switch: Switch) -> None:
    for resident in switch.encoded:
        typer.echo(f"{resident.name}: encoded anew from kept pictures")
    for resident, reason in switch.left:
        typer.echo(f"{resident.name}: a kept picture is of no use: {reason}")
    for resident in switch.missing:
        typer.echo(f"{resident.name}: has to be enrolled again")
    if switch.done:
        typer.echo(
            f"{switch.after} is in use from the daemon's next start ({switch.before or 'none'} before)"
        )


def _print(entries: Sequence[ModelEntry], *, as_json: bool) -> None:
    from doorguard.cli.show import print_json

    if as_json:
        print_json([entry.as_json() for entry in entries])
        return
    for entry in entries:
        mark = "*" if entry.in_use else " "
        typer.echo(f"{mark} {entry.name:44} {entry.origin:8} {_facts(entry)}")


def _facts(entry: ModelEntry) -> str:
    """Return what there is to say of one encoder, in one line."""
    profile = entry.profile
    if profile is None or entry.problem:
        return entry.problem
    pixels = profile.pixels
    words = f"{profile.input_size} px {pixels.channels} {pixels.dtype}, {profile.dim} numbers"
    if not profile.tau:
        words += ", not calibrated"
    return words if entry.distance_sq is None else f"{words}, golden D {entry.distance_sq:.4f}"
