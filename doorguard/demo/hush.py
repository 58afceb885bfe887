"""Keep a screen to itself: libraries' own lines and the daemon's log go elsewhere while it is shown."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Keeper(logging.Handler):
    """Keeps what was logged as an error, in words."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.lines.append(record.getMessage())


@contextmanager
def hushed() -> Iterator[list[str]]:
    """Let nothing write to standard error; yields the list that the daemon's errors are kept in.

    TensorFlow Lite's C++ code writes there itself, so the descriptor is turned away and not `sys.stderr`.
    """
    log, keeper = logging.getLogger("doorguard"), _Keeper()
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    log.addHandler(keeper)
    os.dup2(nowhere, 2)
    try:
        yield keeper.lines
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        log.removeHandler(keeper)
