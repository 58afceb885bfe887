"""Commands that keep the household's data safe: backup and restore."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doorguard.cli.session import session_of
from doorguard.core.audit import AuditReport
from doorguard.errors import UsageError

if TYPE_CHECKING:
    from doorguard.adapters.store import RestoreReport

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
    report = write_backup(session.places, file, passphrase)
    _warn_of(report.audit)
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
    passphrase = _passphrase(passphrase_fd, confirm=False)
    report = restore_backup(session.places, session.settings, file, passphrase)
    people = report.residents
    typer.echo(f"restored {people} resident{'s' if people != 1 else ''} from {file}; {_erased(report)}")
    made = "made now" if report.key_made else "there already"
    typer.echo(f"the key that opens the store: {report.key_origin} ({made})", err=True)
    _warn_of(report.audit)
    session.say_where()


def _erased(report: RestoreReport) -> str:
    """What became of people erased after the backup was made."""
    if not report.erasures_known:
        return "who was erased since the backup is not known here: remove them again if there were any"
    count = len(report.dropped)
    return f"{count} erased since then stayed erased" if count else "nobody in it was erased since then"


def _warn_of(audit: AuditReport) -> None:
    if not audit.ok:
        typer.echo(f"warning: the audit chain is broken: {audit.what}", err=True)


def _passphrase(descriptor: int | None, *, confirm: bool) -> str:
    """Read it from a file descriptor, or ask at the terminal (twice when it is new)."""
    if descriptor is not None:
        return _first_line(descriptor)
    if sys.stdin.isatty():
        return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm))
    raise UsageError("no terminal to ask at: give the passphrase with --passphrase-fd N")


def _first_line(descriptor: int) -> str:
    """Read and close a descriptor; bytes that are no text stay recognisable, for the store to refuse."""
    try:
        with os.fdopen(descriptor, "rb") as stream:
            line = stream.readline(PASSPHRASE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"--passphrase-fd {descriptor}: {error.strerror}; open it first: 3<file") from error
    if len(line) > PASSPHRASE_BYTES_MAX:
        raise UsageError(f"the passphrase is longer than {PASSPHRASE_BYTES_MAX} bytes; give a shorter one")
    return line.removesuffix(b"\n").decode("utf-8", "surrogateescape")
