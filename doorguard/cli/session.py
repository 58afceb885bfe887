"""What a command needs of the installation it means, built when it is needed and not before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer

from doorguard.config import Settings
from doorguard.places import Places

if TYPE_CHECKING:
    from doorguard.adapters.store import Store
    from doorguard.vision.pipeline import FacePipeline


@dataclass
class Session:
    """One command's view of one installation."""

    places: Places

    @cached_property
    def settings(self) -> Settings:
        """The validated settings; raises `ConfigError` or `NotAllowedError`."""
        from doorguard.app import load_settings_at

        return load_settings_at(self.places)

    @cached_property
    def vision(self) -> FacePipeline:
        """Detector, mesh and encoder; takes about a second."""
        from doorguard.app import build_vision

        return build_vision(self.settings, self.places)

    @contextmanager
    def reading(self) -> Iterator[Store]:
        """Open the store for reading, beside a running daemon if there is one."""
        from doorguard.app import open_store

        with open_store(self.places, write=False) as store:
            yield store

    def change(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Have one verb carried out by the daemon if it runs, else here on the locked store."""
        from doorguard.app import carry_out

        return carry_out(self.places, self.settings, verb, arguments)

    def ask_daemon(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Ask the running daemon; raises `ControlError` when none runs."""
        from doorguard.control.client import call

        return call(self.places.control_socket, verb, arguments)

    def say_where(self) -> None:
        """Print which door and which store a change went to, on standard error."""
        typer.echo(f"{self.settings.door.name} door, store {self.places.store}", err=True)


def session_of(context: typer.Context) -> Session:
    """Return the session the shared options made."""
    session: Session = context.find_root().obj
    return session
