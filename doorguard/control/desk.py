"""The desk: carries out the verbs that need the store and no camera, with a daemon and without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from doorguard.control.protocol import Request
from doorguard.control.verbs import CropArgs, EnrollArgs, ListArgs, RenameArgs, ResidentArgs
from doorguard.core.enrollment import check_name, find_lookalike, find_odd_pair, validate_encoding
from doorguard.core.gallery import Gallery, Space
from doorguard.core.model import Encoding, EventKind, Resident, ResidentId, Threshold
from doorguard.errors import (
    ConfigError,
    ControlError,
    LookalikeError,
    ModelMismatchError,
    NameTakenError,
    PoorQualityError,
    UnknownResidentError,
    UsageError,
)
from doorguard.ports import TemplateStore

Record = Callable[[EventKind, Mapping[str, object], ResidentId | None], object]
"""Writes an event that happened now: kind, detail, resident."""


@dataclass(frozen=True, slots=True, eq=False)
class NewTemplates:
    """What an enrolment brings, from photographs or from the door.

    Parameters
    ----------
    name : as typed; of a new resident or, with `add`, of one there is.
    encodings : each `(dim,)` float32, unit length, made by the model in force.
    crops : the aligned pictures behind them, packed (`vision.crops`); kept where the settings say so.
    add : give them to the resident of that name instead of making one.
    force : enrol in spite of a look-alike.

    """

    name: str
    consent: str | None
    encodings: tuple[Encoding, ...]
    add: bool
    force: bool
    crops: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class DeskRules:
    """What the settings say about enrolling.

    Parameters
    ----------
    lookalike_distance_sq : two residents this close, or closer, are refused unless forced; 0 to 4.
    one_person_distance_sq : two pictures for one resident farther apart are refused unless forced; 0 to 4.
    tau_for : the door's tau with so many enabled templates; raises `ConfigError` where none is known.
    keep_crops : whether the pictures behind templates are kept, sealed, for another encoder.

    """

    lookalike_distance_sq: float
    one_person_distance_sq: float
    tau_for: Callable[[int], Threshold]
    keep_crops: bool = False


class Desk:
    """Not thread-safe: the daemon's loop or one command calls it.

    Parameters
    ----------
    store : residents and templates.
    record : writes the event of each change; the daemon passes its queue, a command the log itself.
    space : of the model in force; templates of another are refused.
    rules : of enrolment.

    """

    def __init__(self, store: TemplateStore, record: Record, *, space: Space, rules: DeskRules) -> None:
        self._store = store
        self._record = record
        self._space = space
        self._model_id = space.model_id
        self._rules = rules
        self._handlers: Mapping[str, Callable[[Request], dict[str, object]]] = {
            "residents_list": self._list,
            "residents_show": lambda request: self._found(request).as_json(),
            "enroll": self._enroll,
            "keep_crop": self._keep_crop,
            "rename": self._rename,
            "remove": self._remove,
            "disable": lambda request: self._set_enabled(request, False),
            "enable": lambda request: self._set_enabled(request, True),
        }

    def handle(self, request: Request) -> dict[str, object]:
        """Carry out one request; a changed resident comes back as it is now (`remove`: as it was).

        Raises
        ------
        ControlError : the verb needs a running daemon.
        DoorguardError : refused, and nothing was changed; only a `StoreError` may come after the change, when
            the log or the erasing of old pages failed.

        """
        handler = self._handlers.get(request.verb)
        if handler is None:
            raise ControlError(f"{request.verb} needs a running daemon; start it with: doorguard run")
        return handler(request)

    def enroll(self, new: NewTemplates, actor: str) -> Resident:
        """Store a resident, or templates of one, unless a rule of enrolment refuses.

        Raises
        ------
        UsageError : the name cannot be used, or there are too many templates for the promise.
        NameTakenError, UnknownResidentError : the resident exists, or with `add` does not.
        PoorQualityError : the encodings, and those the resident has, are not one person's.
        LookalikeError : too close to another resident.

        """
        owner = self._owner(new)
        if owner is None or owner.enabled:
            self._refuse_too_many(len(new.encodings))
        self._refuse_two_people(new, owner)
        close = self._lookalike(new, owner)
        templates = [(self._model_id, encoding) for encoding in new.encodings]
        if owner is None:
            resident = self._store.add_resident(check_name(new.name), new.consent, templates)
        else:
            resident = self._store.add_templates(owner.resident_id, templates)
        if self._rules.keep_crops and new.crops:
            resident = self._store.keep_crops(resident.resident_id, self._model_id, new.crops)
        detail: dict[str, object] = {"actor": actor, "templates": len(templates), "model": self._model_id}
        if owner is None:
            detail["consent"] = new.consent is not None
        if close is not None:
            detail |= {"forced_past": close[0], "distance_sq": close[1]}
        kind = EventKind.ENROLLED if owner is None else EventKind.TEMPLATE_ADDED
        self._record(kind, detail, resident.resident_id)
        return resident

    def _owner(self, new: NewTemplates) -> Resident | None:
        """Return whose templates these become; None for a new resident."""
        if new.add:
            return self._store.find(new.name)
        name = check_name(new.name)
        if any(resident.name.casefold() == name.casefold() for resident in self._store.residents()):
            raise NameTakenError(f"{name} is enrolled already; give --add to add a template, or another name")
        return None

    def _refuse_too_many(self, more: int) -> None:
        """Refuse to enable so many templates that no tau is known for: the door would open for nobody."""
        enabled, _ = Gallery.build(self._store.templates(enabled_only=True), self._space)
        try:
            self._rules.tau_for(enabled.templates + more)
        except ConfigError as error:
            raise UsageError(f"refused, for the door would then open for nobody: {error}") from error

    def _refuse_two_people(self, new: NewTemplates, owner: Resident | None) -> None:
        """Refuse photographs of two people under one name, unless forced: the second would get in."""
        held = [
            template.encoding
            for template in self._store.templates(enabled_only=False)
            if owner is not None
            and (template.resident_id, template.model_id) == (owner.resident_id, self._model_id)
        ]
        limit = self._rules.one_person_distance_sq
        mixed = ((fresh, stored) for fresh in new.encodings for stored in held)
        for what, encodings in (
            ("two of the new pictures", new.encodings),
            *(("a new and a stored picture", pair) for pair in mixed),
        ):
            odd = find_odd_pair(encodings, limit_distance_sq=limit)
            if odd is not None and not new.force:
                raise PoorQualityError(
                    f"{new.name}: {what} do not look like the same person: D {odd[2]:.3f}, at most "
                    f"{limit:.3f} wanted; take better photos, or give --force"
                )

    def _lookalike(self, new: NewTemplates, owner: Resident | None) -> tuple[ResidentId, float] | None:
        """Return the nearest other resident if too close and forced; raises `LookalikeError` otherwise."""
        gallery, _ = Gallery.build(self._store.templates(enabled_only=False), self._space)
        close = find_lookalike(
            gallery,
            new.encodings,
            limit_distance_sq=self._rules.lookalike_distance_sq,
            ignore=owner.resident_id if owner else None,
        )
        if close is None or new.force:
            return close
        raise LookalikeError(
            f"{new.name} looks too much like {self._store.find(close[0]).name}: D {close[1]:.3f}, more than "
            f"{self._rules.lookalike_distance_sq:.3f} wanted; if they are two people, give --force"
        )

    def _enroll(self, request: Request) -> dict[str, object]:
        args = request.args
        assert isinstance(args, EnrollArgs)
        self._refuse_other_model(args.model_id)
        encodings = tuple(
            validate_encoding(np.frombuffer(raw, "<f4"), self._space.dim) for raw in args.raw_encodings()
        )
        new = NewTemplates(args.name, args.consent, encodings, add=args.add, force=args.force)
        return self.enroll(new, request.peer.actor).as_json()

    def _keep_crop(self, request: Request) -> dict[str, object]:
        """Keep the picture behind a template just made; one request each, for a line holds no two."""
        args = request.args
        assert isinstance(args, CropArgs)
        self._refuse_other_model(args.model_id)
        if not self._rules.keep_crops:
            raise ControlError(
                "no picture is kept here; enrollment.keep_crop is off in the daemon's settings"
            )
        owner = self._store.find(args.name)
        return self._store.keep_crops(owner.resident_id, self._model_id, [args.raw_crop()]).as_json()

    def _refuse_other_model(self, model_id: str) -> None:
        if model_id != self._model_id:
            raise ModelMismatchError(
                f"encodings of {model_id}, but the door uses {self._model_id}; enrol with this release, "
                "and restart the daemon after an upgrade"
            )

    def _list(self, request: Request) -> dict[str, object]:
        args = request.args
        assert isinstance(args, ListArgs)
        everybody = list(self._store.residents())
        start = 0
        if args.after is not None:
            ids = [resident.resident_id for resident in everybody]
            if args.after not in ids:
                raise UnknownResidentError(f"no resident has the id {args.after}; list from the beginning")
            start = ids.index(ResidentId(args.after)) + 1
        page = everybody[start : start + args.limit]
        return {
            "residents": [resident.as_json() for resident in page],
            "more": start + len(page) < len(everybody),
        }

    def _rename(self, request: Request) -> dict[str, object]:
        args = request.args
        assert isinstance(args, RenameArgs)
        found = self._store.find(args.name)
        resident = self._store.rename(found.resident_id, check_name(args.new_name))
        self._record(EventKind.RENAMED, {"actor": request.peer.actor}, resident.resident_id)
        return resident.as_json()

    def _remove(self, request: Request) -> dict[str, object]:
        resident = self._found(request)
        try:
            self._store.remove(resident.resident_id)
        finally:  # the store may report pages it could not erase yet of a resident who is gone
            if all(other.resident_id != resident.resident_id for other in self._store.residents()):
                self._record(EventKind.REMOVED, {"actor": request.peer.actor}, resident.resident_id)
        return resident.as_json()

    def _set_enabled(self, request: Request, enabled: bool) -> dict[str, object]:
        """Enable or disable; where that is so already, nothing is written."""
        resident = self._found(request)
        if resident.enabled is not enabled:
            if enabled:
                self._refuse_too_many(resident.templates)
            resident = self._store.set_enabled(resident.resident_id, enabled)
            kind = EventKind.ENABLED if enabled else EventKind.DISABLED
            self._record(kind, {"actor": request.peer.actor}, resident.resident_id)
        return resident.as_json()

    def _found(self, request: Request) -> Resident:
        args = request.args
        assert isinstance(args, ResidentArgs)
        return self._store.find(args.name)
