"""Commands about photographs: verify and identify. Nothing here can open the door."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doorguard.cli.session import session_of
from doorguard.errors import DENIED

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Picture = Annotated[
    Path | None, typer.Option("--picture", metavar="OUT.png", help="Write boxes, mesh points, D and verdict.")
]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command()(verify)
    app.command()(identify)


def verify(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="A", help="A photograph.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another photograph.")],
    as_json: Json = False,
    picture: Picture = None,
) -> None:
    """Compare the largest faces of two photographs: the same person or not (exit 20)."""
    from doorguard.app import match_rules, save_picture, threshold_table
    from doorguard.cli.show import print_json
    from doorguard.stills import verify as compare

    session = session_of(context)
    rules = match_rules(session.settings)
    answer = compare(session.vision, threshold_table(session.vision), rules, (first, second))
    if picture is not None:
        save_picture(picture, answer.picture())
    if as_json:
        print_json(answer.as_json())
    else:
        verdict = "the same person" if answer.same else "not the same person"
        sign = "<=" if answer.same else ">"
        kind = answer.threshold.kind
        typer.echo(
            f"{verdict}: D {answer.distance_sq:.4f} {sign} tau {answer.threshold.tau:.4f} ({kind}, 1:1)"
        )
    if not answer.same:
        raise typer.Exit(DENIED)


def identify(
    context: typer.Context,
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photograph.")],
    as_json: Json = False,
    picture: Picture = None,
) -> None:
    """Say which resident a photograph shows, by the door's own tau and margin; nobody is exit 20."""
    from doorguard.app import identify_photo, save_picture
    from doorguard.cli.show import print_json

    session = session_of(context)
    with session.reading() as store:
        answer = identify_photo(session.settings, session.vision, store, photo)
        nearest = answer.comparison.nearest_id
        name = store.find(nearest).name if nearest is not None else None
    if picture is not None:
        save_picture(picture, answer.picture(name))
    if as_json:
        print_json(answer.as_json(name))
    elif answer.matched:
        typer.echo(f"{name}: D {answer.comparison.distance_sq:.4f} <= tau {answer.threshold.tau:.4f}")
    else:
        typer.echo(f"nobody: {_why(answer.reason, answer.comparison.distance_sq, answer.threshold.tau)}")
    if not answer.matched:
        raise typer.Exit(DENIED)


def _why(reason: str, distance_sq: float, tau: float) -> str:
    if reason == "no_templates":
        return "nobody is enrolled; start with: doorguard enroll NAME PHOTO"
    if reason == "ambiguous":
        return "two residents are too close to tell apart on this picture"
    return f"the nearest resident is at D {distance_sq:.4f} > tau {tau:.4f}"
