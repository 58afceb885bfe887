"""Commands about settings: config show."""

from __future__ import annotations

from typing import Annotated

import typer

from doorguard.cli.session import Session, session_of

config = typer.Typer(help="What is in force, and what it promises.", no_args_is_help=True)

STRANGERS_A_DAY = 20


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.add_typer(config, name="config")


@config.command()
def show(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Print every setting in force, tau with its origin, and the promise it makes."""
    from doorguard.app import encoder_in_use, promise
    from doorguard.cli.show import print_json
    from doorguard.config import flatten

    session = session_of(context)
    settings = {key: _plain(value) for key, value in flatten(session.settings).items()}
    facts = promise(session.settings, session.places, _templates(session), strangers_a_day=STRANGERS_A_DAY)
    encoder = encoder_in_use(session.settings, session.places).model_id
    if as_json:
        file = _plain(session.places.config)
        print_json({"file": file, "encoder": encoder, "settings": settings, "match": facts.as_json()})
        return
    typer.echo(f"file     {session.places.config or 'none: the defaults hold'}")
    typer.echo(f"store    {session.places.store}")
    typer.echo(f"sockets  {session.places.runtime}")
    typer.echo(f"encoder  {encoder}\n")
    for key, value in settings.items():
        typer.echo(f"{key:32} {'not set' if value is None else value}")
    typer.echo("\n" + facts.as_text())


def _templates(session: Session) -> int:
    """Templates that the door compares with: of enabled residents, by the encoder in use."""
    with session.reading() as store:
        model_id = store.model_in_use()
        return sum(template.model_id == model_id for template in store.templates())


def _plain(value: object) -> object:
    """A JSON value: paths and tuples as text and lists."""
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
