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
    from doorguard.app import promise
    from doorguard.cli.show import print_json
    from doorguard.config import flatten

    session = session_of(context)
    settings = {key: _plain(value) for key, value in flatten(session.settings).items()}
    facts = promise(session.settings, session.places, _templates(session), strangers_a_day=STRANGERS_A_DAY)
    if as_json:
        print_json({"file": _plain(session.places.config), "settings": settings, "match": facts.as_json()})
        return
    typer.echo(f"file     {session.places.config or 'none: the defaults hold'}")
    typer.echo(f"store    {session.places.store}")
    typer.echo(f"sockets  {session.places.runtime}\n")
    for key, value in settings.items():
        typer.echo(f"{key:32} {'not set' if value is None else value}")
    typer.echo("\n" + facts.as_text())


def _templates(session: Session) -> int:
    """Enabled templates in the store; 0 where there is no store yet."""
    if not session.places.store.exists():
        return 0
    with session.reading() as store:
        return sum(person.templates for person in store.residents() if person.enabled)


def _plain(value: object) -> object:
    """A JSON value: paths and tuples as text and lists."""
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
