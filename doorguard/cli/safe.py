"""Commands that keep the household's data safe: backup and restore."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from doorguard.cli.session import session_of
from doorguard.errors import UsageError

PASSPHRASE_BYTES_MAX = 1024

PassphraseFd = Annotated[
    int | None,
    typer.Option("--passphrase-fd", metavar="N", help="Read the passphrase from this file descriptor."),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command()(backup)
    app.command()(restore)


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the backup goes; must not exist.")],
    passphrase_fd: PassphraseFd = None,
) -> None:
    """Write the whole store, its key included, encrypted with a passphrase."""
    from doorguard.app import write_backup

    session = session_of(context)
    passphrase = _passphrase(passphrase_fd, confirm=True)
    write_backup(session.places, file, passphrase)
    typer.echo(f"{file} holds everything; without the passphrase nobody can read it, you neither")
    session.say_where()


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup made by `doorguard backup`.")],
    passphrase_fd: PassphraseFd = None,
) -> None:
    """Replace the store by a backup, once the backup has proved sound; stop the daemon first."""
    from doorguard.app import restore_backup

    session = session_of(context)
    people = restore_backup(session.places, session.settings, file, _passphrase(passphrase_fd, confirm=False))
    typer.echo(f"restored {people} resident{'s' if people != 1 else ''} from {file}")
    session.say_where()


def _passphrase(descriptor: int | None, *, confirm: bool) -> str:
    """Ask at the terminal (twice when it is new) or read the first line of a file descriptor."""
    if descriptor is not None:
        try:
            raw = os.read(descriptor, PASSPHRASE_BYTES_MAX + 1)
        except OSError as error:
            raise UsageError(
                f"--passphrase-fd {descriptor}: {error.strerror}; open it first, as in 3<file"
            ) from error
        passphrase = raw.split(b"\n", 1)[0].decode("utf-8", "strict")
    elif sys.stdin.isatty():
        passphrase = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)
    else:
        raise UsageError("no terminal to ask at: give the passphrase with --passphrase-fd N")
    if len(passphrase) < 8 or len(passphrase.encode()) > PASSPHRASE_BYTES_MAX:
        raise UsageError("the passphrase must have 8 characters or more, at most 1024 bytes")
    return passphrase
