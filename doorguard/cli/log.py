"""Commands about what happened: events, explain, audit verify, audit checkpoint."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from doorguard.cli.session import session_of
from doorguard.cli.tell import event_as_json, event_line, explain_event
from doorguard.core.audit import format_checkpoint, parse_checkpoint
from doorguard.core.model import StoredEvent
from doorguard.errors import StoreCorruptError, UsageError

if TYPE_CHECKING:
    from doorguard.adapters.store import Store

FOLLOW_EVERY_S = 0.5

audit = typer.Typer(help="Prove that the log is whole.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command()(events)
    app.command()(explain)
    app.add_typer(audit, name="audit")


def events(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events arrive.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many of the newest to start with.")
    ] = 50,
) -> None:
    """List what happened at the door, oldest first."""
    show = _as_json_line if as_json else event_line
    session = session_of(context)
    with session.reading() as store:
        shown = _print(reversed(list(store.events(limit=limit, newest_first=True))), show, 0)
    while follow:
        time.sleep(FOLLOW_EVERY_S)
        # Opened anew each time: the store may be made only now, and a restore puts another in its place.
        with session.reading() as store:
            shown = _print(_after(store, shown), show, shown)


def _after(store: Store, shown: int) -> Iterator[StoredEvent]:
    """Yield the events after the last one shown; of a log that was put back to before it, the newest."""
    newest = store.head().event_id
    return store.events(after=shown if newest >= shown else newest - 1)


def _print(events: Iterable[StoredEvent], show: Callable[[StoredEvent], str], last: int) -> int:
    """Print events one a line, at once, and return the last one's number."""
    for event in events:
        sys.stdout.write(show(event) + "\n")
        last = event.event_id
    sys.stdout.flush()
    return last


def _as_json_line(event: StoredEvent) -> str:
    return json.dumps(event_as_json(event), allow_nan=False, ensure_ascii=False)


def explain(
    context: typer.Context,
    event_id: Annotated[int, typer.Argument(metavar="ID", help="An event's number.", min=1)],
) -> None:
    """Say in plain words why the door did what it did."""
    with session_of(context).reading() as store:
        found = next(iter(store.events(after=event_id - 1, limit=1)), None)
        if found is None or found.event_id != event_id:
            raise UsageError(f"there is no event {event_id}; `doorguard events` lists those kept")
        names = {person.resident_id: person.name for person in store.residents()}
    typer.echo(explain_event(found, names))


@audit.command()
def verify(
    context: typer.Context,
    head: Annotated[
        str | None, typer.Option("--head", metavar="ID:MAC", help="A checkpoint kept elsewhere.")
    ] = None,
) -> None:
    """Check every link of the event chain; names the first row that was changed."""
    kept = parse_checkpoint(head) if head is not None else None
    with session_of(context).reading() as store:
        report = store.verify(kept)
    if not report.ok:
        raise StoreCorruptError(
            f"audit chain: {report.what}; keep a copy of the store before you do anything else"
        )
    typer.echo(f"audit chain whole: {report.rows} rows, head {format_checkpoint(report.head)}")


@audit.command()
def checkpoint(context: typer.Context) -> None:
    """Print the chain's head; keep it elsewhere, so that a cut-off tail shows."""
    with session_of(context).reading() as store:
        typer.echo(format_checkpoint(store.head()))
