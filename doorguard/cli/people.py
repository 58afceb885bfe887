"""Commands about residents: enroll, and `residents` list, show, check, rename, remove, disable, enable."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from doorguard.cli.session import Session, session_of
from doorguard.errors import UsageError

residents = typer.Typer(help="List and change who may enter.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A resident's name (any case) or id.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command()(enroll)
    app.add_typer(residents, name="residents")


def enroll(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The resident's name.")],
    photos: Annotated[
        list[Path] | None, typer.Argument(metavar="PHOTO", help="JPEG, PNG, WebP or HEIC; one suffices.")
    ] = None,
    camera: Annotated[
        bool, typer.Option("--camera", help="Enrol live at the door, through the daemon.")
    ] = False,
    largest: Annotated[bool, typer.Option("--largest", help="Take the largest of several faces.")] = False,
    add: Annotated[bool, typer.Option("--add", help="Add templates to a resident who exists.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Enrol in spite of a look-alike.")] = False,
    consent: Annotated[
        str | None, typer.Option("--consent", metavar="TEXT", help="Who agreed, and how.")
    ] = None,
) -> None:
    """Make a resident from one photo or more, or live at the door."""
    if bool(photos) == camera:
        raise UsageError("give photos or --camera, one of the two: doorguard enroll NAME PHOTO")
    if not add:
        from doorguard.core.enrollment import check_name

        check_name(name)  # before the photos take their time
    session = session_of(context)
    wanted = {"name": name, "add": add, "force": force, "consent": consent}
    if camera:
        from doorguard.cli.live import follow

        resident = follow(session, "enroll", wanted)
    else:
        resident = _enroll_photos(session, photos or [], wanted, largest=largest)
    count = resident["templates"]
    plural = "" if count == 1 else "s"
    typer.echo(f"{resident['name']} enrolled, {count} template{plural}, {_consent(resident)}")
    session.say_where()


def _enroll_photos(
    session: Session, photos: Sequence[Path], wanted: dict[str, Any], *, largest: bool
) -> dict[str, Any]:
    """Encode every photo here, in the process of whoever typed, and hand over the encodings alone."""
    from doorguard.app import face_of_photo

    faces = [face_of_photo(session.vision, photo, largest=largest) for photo in photos]
    model_id = session.vision.model_id
    encodings = [_base64(encoding.tobytes()) for encoding, _ in faces]
    resident = session.change("enroll", **wanted, model_id=model_id, encodings=encodings)
    if session.settings.enrollment.keep_crop:
        for _, crop in faces:
            resident = session.change("keep_crop", name=resident["id"], model_id=model_id, crop=_base64(crop))
    return resident


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


@residents.command("list")
def list_residents(context: typer.Context, as_json: Json = False) -> None:
    """List every resident."""
    from doorguard import app
    from doorguard.cli.show import print_json, resident_table

    people = app.list_residents(session_of(context).places)
    if as_json:
        print_json(people)
    elif people:
        resident_table(people)
    else:
        typer.echo("nobody is enrolled; start with: doorguard enroll NAME PHOTO")


@residents.command()
def show(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show everything held on one resident."""
    from doorguard.app import show_resident
    from doorguard.cli.show import print_json

    facts = show_resident(session_of(context).places, name)
    if as_json:
        print_json(facts)
    else:
        for key, value in facts.items():
            typer.echo(f"{key:12} {value if value is not None else 'none recorded'}")


@residents.command()
def check(context: typer.Context, name: Name) -> None:
    """Watch one visit at the door and print D to everybody."""
    from doorguard.cli.live import follow, print_distances

    session = session_of(context)
    print_distances(session, follow(session, "check", {"name": name}), name)


@residents.command()
def rename(
    context: typer.Context,
    name: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The new name.")],
) -> None:
    """Give a resident another name."""
    _change(context, "rename", "renamed", name=name, new_name=new)


@residents.command()
def remove(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a resident: name, templates, consent record. This cannot be undone."""
    if not yes:
        typer.confirm(f"Erase {name} and all templates? This cannot be undone.", abort=True)
    _change(context, "remove", "removed; name and templates are erased", name=name)


@residents.command()
def disable(context: typer.Context, name: Name) -> None:
    """Keep a resident but never let them in."""
    _change(context, "disable", "disabled", name=name)


@residents.command()
def enable(context: typer.Context, name: Name) -> None:
    """Let a disabled resident in again."""
    _change(context, "enable", "enabled", name=name)


def _change(context: typer.Context, verb: str, done: str, **arguments: Any) -> None:
    session = session_of(context)
    answer = session.change(verb, **arguments)
    typer.echo(f"{answer['name']} {done}")
    session.say_where()


def _consent(resident: Mapping[str, Any]) -> str:
    return f"consent: {resident.get('consent') or 'none recorded'}"
