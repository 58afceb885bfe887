"""The projector: a thread that shows a play on the terminal, or tells of it where nothing can be drawn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from rich.console import Console
from rich.live import Live

from doorguard.demo.screen import Moment, draw
from doorguard.errors import DoorguardError

REFRESH_S = 0.12
"""The screen is drawn this often: fluent, and the drawing costs a tenth of a core."""

MIN_SIZE = (80, 24)


class Play(Protocol):
    """What can be shown; all of it is called on the projector's thread."""

    def give_cues(self) -> None:
        """Do what is due; raises `DoorguardError`."""
        ...

    def moment(self) -> Moment:
        """Return what there is to see now."""
        ...

    def news(self) -> Sequence[str]:
        """Return lines about what has happened since the last call."""
        ...


class Projector:
    """Shows a play from entering this context to leaving it; `failure` is what ended the cues early."""

    def __init__(self, play: Play, console: Console) -> None:
        self.failure: DoorguardError | None = None
        self._play, self._console = play, console
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="doorguard-demo", daemon=True)

    def __enter__(self) -> Projector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        if not can_draw(self._console):
            self._repeat(self._tell)
            return
        with Live(console=self._console, screen=True, auto_refresh=False) as live:
            self._repeat(lambda: live.update(draw(self._play.moment(), self._console.size), refresh=True))

    def _repeat(self, show_it: Callable[[], None]) -> None:
        while not self._over.wait(REFRESH_S):
            try:
                if self.failure is None:
                    self._play.give_cues()
            except DoorguardError as error:
                self.failure = error
            show_it()

    def _tell(self) -> None:
        for line in self._play.news():
            self._console.print(line, highlight=False, markup=False)


def can_draw(console: Console) -> bool:
    """Whether the terminal is large enough and shows colours and block characters."""
    width, height = console.size
    fits = width >= MIN_SIZE[0] and height >= MIN_SIZE[1]
    return console.is_terminal and fits and console.color_system is not None and console.encoding == "utf-8"
