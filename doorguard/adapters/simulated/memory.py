"""A store made of memory: residents, templates and events that last as long as the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from doorguard.core.model import (
    Encoding,
    Event,
    EventKind,
    ModelId,
    Resident,
    ResidentId,
    StoredEvent,
    Template,
)
from doorguard.errors import NameTakenError, StoreError, UnknownResidentError
from doorguard.ports import Clock

NO_MAC = bytes(32)


class MemoryStore:
    """Implements `ports.TemplateStore` and `ports.EventLog`. Thread-safe.

    While `full` is true every write raises `StoreError`, as a full disk would; while `broken` is true
    every read does too. Templates named in `sealed` cannot be opened.
    """

    def __init__(self, clock: Clock) -> None:
        self.full = False
        self.broken = False
        self.sealed: set[int] = set()
        self._clock = clock
        self._lock = threading.RLock()
        self._residents: dict[ResidentId, Resident] = {}
        self._templates: list[Template] = []
        self._events: list[StoredEvent] = []
        self._made = 0
        self._crops: list[tuple[ResidentId, ModelId, bytes]] = []
        self._model: ModelId | None = None

    @property
    def kinds(self) -> list[EventKind]:
        """The kinds of all events, oldest first."""
        with self._lock:
            return [stored.event.kind for stored in self._events]

    def residents(self) -> Sequence[Resident]:
        """All residents by name."""
        self._check(writing=False)
        return sorted(self._residents.values(), key=lambda resident: resident.name.casefold())

    def find(self, name_or_id: str) -> Resident:
        """Return one resident by name (any case), else by id."""
        everybody = self.residents()
        for resident in everybody:
            if resident.name.casefold() == name_or_id.casefold():
                return resident
        for resident in everybody:
            if resident.resident_id == name_or_id:
                return resident
        raise UnknownResidentError(f"no resident {name_or_id!r}; see: doorguard residents list")

    def templates(self, *, enabled_only: bool = True) -> Sequence[Template]:
        """All templates that can be opened."""
        self._check(writing=False)
        with self._lock:
            return [
                template
                for template in self._templates
                if template.template_id not in self.sealed
                and (self._residents[template.resident_id].enabled or not enabled_only)
            ]

    def unusable(self) -> Sequence[tuple[ResidentId, int, str]]:
        """The templates in `sealed`."""
        self._check(writing=False)
        with self._lock:
            return [
                (template.resident_id, template.template_id, "not_authentic")
                for template in self._templates
                if template.template_id in self.sealed
            ]

    def add_resident(
        self, name: str, consent: str | None, templates: Sequence[tuple[ModelId, Encoding]]
    ) -> Resident:
        """Keep a new resident."""
        if not templates:
            raise ValueError("a resident needs at least one template")
        with self._lock:
            self._check(writing=True)
            self._refuse_taken(name, None)
            self._made += 1
            resident_id = ResidentId(f"{self._made:016x}")
            now = self._clock.utc()
            agreed = now if consent is not None else None
            self._residents[resident_id] = Resident(resident_id, name, True, now, consent, agreed)
            return self.add_templates(resident_id, templates)

    def add_templates(
        self, resident_id: ResidentId, templates: Sequence[tuple[ModelId, Encoding]]
    ) -> Resident:
        """Keep more templates of a resident."""
        with self._lock:
            resident = self._known(resident_id)
            for model_id, encoding in templates:
                self._made += 1
                self._model = self._model or model_id
                self._templates.append(
                    Template(self._made, resident_id, model_id, encoding, self._clock.utc())
                )
            return self._put(replace(resident, templates=resident.templates + len(templates)))

    def rename(self, resident_id: ResidentId, name: str) -> Resident:
        """Change the name."""
        with self._lock:
            resident = self._known(resident_id)
            self._refuse_taken(name, resident_id)
            return self._put(replace(resident, name=name))

    def set_enabled(self, resident_id: ResidentId, enabled: bool) -> Resident:
        """Enable or disable."""
        with self._lock:
            return self._put(replace(self._known(resident_id), enabled=enabled))

    def remove(self, resident_id: ResidentId) -> None:
        """Forget a resident and all templates."""
        with self._lock:
            self._known(resident_id)
            del self._residents[resident_id]
            self._templates = [each for each in self._templates if each.resident_id != resident_id]
            self._crops = [each for each in self._crops if each[0] != resident_id]

    def keep_crops(self, resident_id: ResidentId, model_id: ModelId, crops: Sequence[bytes]) -> Resident:
        """Keep pictures."""
        with self._lock:
            resident = self._known(resident_id)
            self._crops += [(resident_id, model_id, crop) for crop in crops]
            return self._put(replace(resident, crops=resident.crops + len(crops)))

    def crops(self, resident_id: ResidentId) -> Sequence[tuple[ModelId, bytes]]:
        """Kept pictures of a resident."""
        self._check(writing=False)
        return [(model_id, crop) for owner, model_id, crop in self._crops if owner == resident_id]

    def model_in_use(self) -> ModelId | None:
        """Return the model of the first template, or the one named since."""
        self._check(writing=False)
        return self._model

    def use_model(self, model_id: ModelId, templates: Sequence[tuple[ResidentId, Encoding]] = ()) -> None:
        """Add templates of a model and name it."""
        with self._lock:
            self._check(writing=True)
            for resident_id in {owner for owner, _ in templates}:
                self._known(resident_id)
            for resident_id, encoding in templates:
                self.add_templates(resident_id, [(model_id, encoding)])
            self._model = model_id

    def append(self, event: Event) -> StoredEvent:
        """Keep one event."""
        with self._lock:
            self._check(writing=True)
            stored = StoredEvent(len(self._events) + 1, event, NO_MAC)
            self._events.append(stored)
            return stored

    def events(
        self, *, after: int = 0, limit: int | None = None, newest_first: bool = False
    ) -> Iterator[StoredEvent]:
        """Kept events with a number above `after`."""
        self._check(writing=False)
        with self._lock:
            found = self._events[after:]
        if newest_first:
            found.reverse()
        return iter(found[:limit])

    def _check(self, *, writing: bool) -> None:
        if self.broken or (writing and self.full):
            raise StoreError("the simulated store is full" if self.full else "the simulated store is broken")

    def _known(self, resident_id: ResidentId) -> Resident:
        self._check(writing=True)
        if resident_id not in self._residents:
            raise UnknownResidentError(f"no resident {resident_id!r}; see: doorguard residents list")
        return self._residents[resident_id]

    def _put(self, resident: Resident) -> Resident:
        self._residents[resident.resident_id] = resident
        return resident

    def _refuse_taken(self, name: str, allowed: ResidentId | None) -> None:
        for resident in self._residents.values():
            if resident.name.casefold() == name.casefold() and resident.resident_id != allowed:
                raise NameTakenError(f"{name} is enrolled already")
