"""Stands in for a store whose key is wrong, so that the door can still be released by hand.

Every access raises the error that the store gave when it was opened: no face is compared, nobody is
enrolled, and events wait in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NoReturn

from doorguard.core.audit import Head
from doorguard.core.model import Encoding, Event, ModelId, Resident, ResidentId, StoredEvent, Template
from doorguard.errors import StoreError


class ClosedStore:
    """Implements `ports.TemplateStore` and `ports.EventLog` by refusing."""

    def __init__(self, why: StoreError) -> None:
        self._why = why

    def _refuse(self) -> NoReturn:
        # A new error each time: one that is raised again and again grows a traceback without end.
        raise type(self._why)(str(self._why))

    def residents(self) -> Sequence[Resident]:
        """Refuse."""
        self._refuse()

    def find(self, name_or_id: str) -> Resident:
        """Refuse."""
        self._refuse()

    def templates(self, *, enabled_only: bool = True) -> Sequence[Template]:
        """Refuse."""
        self._refuse()

    def unusable(self) -> Sequence[tuple[ResidentId, int, str]]:
        """Refuse."""
        self._refuse()

    def add_resident(
        self, name: str, consent: str | None, templates: Sequence[tuple[ModelId, Encoding]]
    ) -> Resident:
        """Refuse."""
        self._refuse()

    def add_templates(
        self, resident_id: ResidentId, templates: Sequence[tuple[ModelId, Encoding]]
    ) -> Resident:
        """Refuse."""
        self._refuse()

    def rename(self, resident_id: ResidentId, name: str) -> Resident:
        """Refuse."""
        self._refuse()

    def set_enabled(self, resident_id: ResidentId, enabled: bool) -> Resident:
        """Refuse."""
        self._refuse()

    def remove(self, resident_id: ResidentId) -> None:
        """Refuse."""
        self._refuse()

    def keep_crops(self, resident_id: ResidentId, model_id: ModelId, crops: Sequence[bytes]) -> Resident:
        """Refuse."""
        self._refuse()

    def crops(self, resident_id: ResidentId) -> Sequence[tuple[ModelId, bytes]]:
        """Refuse."""
        self._refuse()

    def model_in_use(self) -> ModelId | None:
        """Refuse."""
        self._refuse()

    def use_model(self, model_id: ModelId, templates: Sequence[tuple[ResidentId, Encoding]] = ()) -> None:
        """Refuse."""
        self._refuse()

    def append(self, event: Event) -> StoredEvent:
        """Refuse; the recorder keeps the event."""
        self._refuse()

    def events(
        self, *, after: int = 0, limit: int | None = None, newest_first: bool = False
    ) -> Iterator[StoredEvent]:
        """Refuse."""
        self._refuse()

    def prune(self, before_utc: datetime, *, door: str = "", boot_id: str = "") -> int:
        """Refuse."""
        self._refuse()

    def head(self) -> Head:
        """Refuse."""
        self._refuse()

    def close(self) -> None:
        """Do nothing: it is closed."""
