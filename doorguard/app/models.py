"""Encoders of an installation: list, verify, add, and change the one in use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from doorguard.adapters.clock import SystemClock
from doorguard.adapters.systemd import boot_id
from doorguard.app.build import encoder_in_use, open_store
from doorguard.config import Settings
from doorguard.control.protocol import Peer
from doorguard.core.model import Encoding, EventKind, ModelId, Resident, ResidentId
from doorguard.core.threshold import ThresholdTable, door_threshold
from doorguard.daemon.events import EventStamp
from doorguard.daemon.roster import match_rules
from doorguard.errors import DoorguardError, ModelError
from doorguard.places import Places

if TYPE_CHECKING:
    from doorguard.adapters.store import Store
    from doorguard.vision.library import Library
    from doorguard.vision.pipeline import FacePipeline
    from doorguard.vision.profile import ModelProfile


@dataclass(frozen=True, slots=True, eq=False)
class ModelEntry:
    """One encoder at hand.

    Parameters
    ----------
    name : the model's full name; of a damaged profile, its path.
    profile : None for a damaged one.
    origin : `shipped` or `added`.
    in_use : whether the residents' templates are its.
    problem : why it cannot be used; empty when nothing is known to be wrong.
    distance_sq : D of the golden frame's encoding to the stored one; None until verified.

    """

    name: str
    profile: ModelProfile | None
    origin: str
    in_use: bool
    problem: str = ""
    distance_sq: float | None = None

    def as_json(self) -> dict[str, object]:
        """The contract of `doorguard models list --json` and `verify --json`."""
        profile = self.profile
        facts: dict[str, object] = {
            "model": self.name,
            "origin": self.origin,
            "in_use": self.in_use,
            "problem": self.problem or None,
            "golden_distance_sq": self.distance_sq,
        }
        if profile is not None:
            facts |= {
                "file": str(profile.path),
                "sha256": profile.sha256,
                "profile_digest": profile.digest,
                "input_px": profile.input_size,
                "channels": profile.pixels.channels,
                "dtype": profile.pixels.dtype,
                "dim": profile.dim,
                "calibrated": bool(profile.tau),
                "calibration": profile.calibration,
            }
        return facts


@dataclass(frozen=True, slots=True)
class Switch:
    """What changing the encoder did, or would do.

    Parameters
    ----------
    before, after : the models' names; `before` is None where none was in use.
    done : whether it was changed; if not, nothing was.
    ready : residents who have templates of the new encoder.
    encoded : those among them whose templates were made just now, of kept pictures.
    missing : enabled residents without; they are not recognised until they are enrolled again.
    left : kept pictures that could not serve, by resident, with the reason.

    """

    before: ModelId | None
    after: ModelId
    done: bool
    ready: tuple[Resident, ...]
    encoded: tuple[Resident, ...]
    missing: tuple[Resident, ...]
    left: tuple[tuple[Resident, str], ...] = field(default=())

    def as_json(self) -> dict[str, object]:
        """The contract of `doorguard models use --json`."""
        return {
            "before": self.before,
            "after": self.after,
            "done": self.done,
            "ready": [each.name for each in self.ready],
            "encoded_now": [each.name for each in self.encoded],
            "missing": [each.name for each in self.missing],
            "pictures_left": [{"resident": each.name, "reason": reason} for each, reason in self.left],
        }


def list_models(settings: Settings, places: Places) -> list[ModelEntry]:
    """Return every encoder at hand, damaged ones included."""
    try:
        used = encoder_in_use(settings, places)
    except ModelError:  # the one in use is not here; the others are listed all the same
        used = None
    return [
        ModelEntry(
            name=str(shelf.path) if shelf.profile is None else shelf.profile.model_id,
            profile=shelf.profile,
            origin=shelf.origin,
            in_use=bool(used and shelf.profile and used.digest == shelf.profile.digest),
            problem=shelf.problem,
        )
        for shelf in _library(places).shelved()
    ]


def verify_models(settings: Settings, places: Places, names: Sequence[str]) -> list[ModelEntry]:
    """Load encoders, all or those named, and hold each against its digest, profile and golden answer."""
    entries = list_models(settings, places)
    if names:
        library = _library(places)
        wanted = {library.find(name).digest for name in names}
        entries = [entry for entry in entries if entry.profile and entry.profile.digest in wanted]
    return [_verified(settings, entry) for entry in entries]


def _verified(settings: Settings, entry: ModelEntry) -> ModelEntry:

    from doorguard.vision.selftest import check_golden

    if entry.profile is None:
        return entry
    try:
        return replace(entry, distance_sq=check_golden(_pipeline(settings, entry.profile)))
    except DoorguardError as error:
        return replace(entry, problem=str(error))


def named_encoder(places: Places, name: str) -> ModelProfile:
    """Return an encoder at hand by its id or full name, or the one a profile's file describes."""
    from doorguard.vision.profile import load_profile

    return load_profile(Path(name)) if name.endswith(".json") else _library(places).find(name)


def add_model(settings: Settings, places: Places, file: Path, profile: Path) -> ModelProfile:
    """Copy an encoder and its profile into the installation; raises `ModelError`."""
    return _library(places).add(file, profile, settings)


def use_model(settings: Settings, places: Places, name: str, *, anyway: bool) -> Switch:
    """Change the encoder in use, if every enabled resident has a template of the new one, or `anyway`.

    Pictures kept at enrolment are encoded with the new one first. Templates of the old one stay, so that
    the encoder can be changed back. The store must not be in use: the daemon loads its encoder at start.

    Raises
    ------
    ModelError, ModelMismatchError : the encoder fails its test, or is not calibrated.
    ConfigError : its table knows no tau for the target.
    StoreBusyError : the daemon runs.

    """
    from doorguard.vision.selftest import check_golden

    profile = _library(places).find(name)
    if not profile.tau:
        raise ModelError(
            f"{profile.model_id} has no tau table: calibrate it (doorguard calibrate) and add it again with "
            "the profile that this makes"
        )
    vision = _pipeline(settings, profile)
    check_golden(vision)
    with open_store(places, write=True) as store:
        switch, templates = _prepare(places, store, vision)
        count = sum(len(made) for made in templates.values()) + _templates(store, profile.model_id)
        door_threshold(ThresholdTable(profile.tau), match_rules(settings), count)
        if switch.missing and not anyway:
            return switch
        store.use_model(
            profile.model_id, [(owner, made) for owner, each in templates.items() for made in each]
        )
        _tell(settings, store, switch)

    return replace(switch, done=True)


def _prepare(
    places: Places, store: Store, vision: FacePipeline
) -> tuple[Switch, dict[ResidentId, list[Encoding]]]:
    """Encode kept pictures of whoever has no template yet; nothing is stored."""
    model_id = vision.model_id
    have = {each.resident_id for each in store.templates(enabled_only=False) if each.model_id == model_id}
    made: dict[ResidentId, list[Encoding]] = {}
    left: list[tuple[Resident, str]] = []
    people = store.residents()
    for resident in people:
        if resident.resident_id not in have:
            encodings, problems = _encode_crops(places, store.crops(resident.resident_id), vision)
            left += [(resident, problem) for problem in problems]
            if encodings:
                made[resident.resident_id] = encodings
    ready = [each for each in people if each.resident_id in have or each.resident_id in made]
    switch = Switch(
        before=store.model_in_use(),
        after=model_id,
        done=False,
        ready=tuple(ready),
        encoded=tuple(each for each in people if each.resident_id in made),
        missing=tuple(each for each in people if each.enabled and each not in ready),
        left=tuple(left),
    )
    return switch, made


def _encode_crops(
    places: Places, crops: Sequence[tuple[ModelId, bytes]], vision: FacePipeline
) -> tuple[list[Encoding], list[str]]:
    """Encode a resident's kept pictures; returns encodings, and why some pictures gave none."""
    from doorguard.vision.crops import realign, unpack_crop

    library, encodings, problems = _library(places), [], []
    for made_by, packed in crops:
        try:
            crop = realign(unpack_crop(packed), library.find(made_by), vision.profile)
            if crop is None:
                problems.append(f"aligned for {made_by}, it cannot be aligned for {vision.model_id}")
            else:
                encodings.append(vision.encode_crop(crop))
        except ModelError as error:
            problems.append(str(error))
    return encodings, problems


def _templates(store: Store, model_id: ModelId) -> int:
    return sum(each.model_id == model_id for each in store.templates())


def _tell(settings: Settings, store: Store, switch: Switch) -> None:
    detail = {
        "actor": Peer(os.getuid(), os.getpid()).actor,
        "before": switch.before,
        "after": switch.after,
        "encoded": len(switch.encoded),
        "missing": len(switch.missing),
    }
    stamp = EventStamp(SystemClock(), settings.door.name, boot_id())
    store.append(stamp.make(EventKind.MODEL_CHANGED, detail))


def _library(places: Places) -> Library:
    from doorguard.vision.library import Library

    return Library(places.models)


def _pipeline(settings: Settings, profile: ModelProfile) -> FacePipeline:
    from doorguard.vision.pipeline import FacePipeline

    return FacePipeline.open(settings, profile)
