"""What the commands need besides the daemon: changes without one, photographs, backups, the promise."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doorguard.adapters.clock import SystemClock
from doorguard.adapters.systemd import boot_id
from doorguard.app.build import build_camera, encoder_in_use, encoder_named, open_store, threshold_table
from doorguard.config import Settings
from doorguard.control.client import call, daemon_running
from doorguard.control.desk import Desk, DeskRules
from doorguard.control.protocol import ANSWER_WITHIN_S, Channel, Peer, Request
from doorguard.control.verbs import check_request
from doorguard.core.model import Encoding, EventKind, Image, ResidentId
from doorguard.core.promise import Promise
from doorguard.core.threshold import ThresholdTable, door_threshold
from doorguard.daemon.events import EventStamp
from doorguard.daemon.roster import load_roster, match_rules
from doorguard.errors import ModelError
from doorguard.places import Places

if TYPE_CHECKING:
    from doorguard.adapters.store import BackupReport, RestoreReport, Store
    from doorguard.daemon.camera_check import CameraReport
    from doorguard.stills import IdentifyAnswer
    from doorguard.vision.pipeline import FacePipeline
    from doorguard.vision.profile import ModelProfile


def carry_out(
    places: Places, settings: Settings, verb: str, arguments: Mapping[str, object]
) -> dict[str, Any]:
    """Have one verb carried out by the daemon if it runs, else here on the locked store.

    Raises `DoorguardError` of whatever class refused it.
    """
    if daemon_running(places):
        return call(places.control_socket, verb, arguments)
    args = check_request(verb, arguments, Channel.CONTROL)
    peer = Peer(os.getuid(), os.getpid())
    request = Request(verb, args, peer, Channel.CONTROL, time.monotonic() + ANSWER_WITHIN_S)
    with open_store(places, write=True) as store:
        profile = encoder_named(settings, places, store.model_in_use())
        return _desk(settings, store, profile).handle(request)


def _desk(settings: Settings, store: Store, profile: ModelProfile) -> Desk:
    """Return a desk that writes each event before it answers."""
    stamp = EventStamp(SystemClock(), settings.door.name, boot_id())

    def record(kind: EventKind, detail: Mapping[str, object], resident_id: ResidentId | None) -> None:
        store.append(stamp.make(kind, detail, resident_id))

    return Desk(store, record, space=profile.space, rules=desk_rules(settings, ThresholdTable(profile.tau)))


def desk_rules(settings: Settings, table: ThresholdTable) -> DeskRules:
    """Return the rules of enrolment; raises `ConfigError`."""
    enrollment = settings.enrollment
    return DeskRules(
        lookalike_distance_sq=table.at(enrollment.lookalike_fmr, templates=1).tau,
        one_person_distance_sq=table.at(enrollment.one_person_fmr, templates=1).tau,
        tau_for=partial(door_threshold, table, match_rules(settings)),
        keep_crops=enrollment.keep_crop,
    )


def list_residents(places: Places) -> list[dict[str, Any]]:
    """Return everybody by name, from the daemon if it runs (its group suffices), else from the store."""
    if not daemon_running(places):
        with open_store(places, write=False) as store:
            return [resident.as_json() for resident in store.residents()]
    everybody: list[dict[str, Any]] = []
    more = True
    while more:
        after = {"after": everybody[-1]["id"]} if everybody else {}
        page = call(places.control_socket, "residents_list", after)
        everybody += page["residents"]
        more = page["more"]
    return everybody


def show_resident(places: Places, name: str) -> dict[str, Any]:
    """Return everything held on one resident; raises `UnknownResidentError`."""
    if daemon_running(places):
        return call(places.control_socket, "residents_show", {"name": name})
    with open_store(places, write=False) as store:
        return store.find(name).as_json()


def promise(settings: Settings, places: Places, templates: int, *, strangers_a_day: float) -> Promise:
    """Return what tau promises with so many enabled templates; raises `ConfigError`, `ModelError`."""
    rules = match_rules(settings)
    table = ThresholdTable(encoder_in_use(settings, places).tau)
    threshold = door_threshold(table, rules, templates)
    return Promise(threshold, rules, settings.decision.attempts_per_visit, strangers_a_day)


def encode_photo(vision: FacePipeline, photo: Path, *, largest: bool) -> Encoding:
    """Return the encoding of the face in a photograph; raises what `vision.photo.encode_photo` does."""
    return face_of_photo(vision, photo, largest=largest)[0]


def face_of_photo(vision: FacePipeline, photo: Path, *, largest: bool) -> tuple[Encoding, bytes]:
    """Return the encoding of the face in a photograph, and the aligned picture behind it, packed."""
    from doorguard.vision.crops import pack_crop
    from doorguard.vision.photo import encode_photo as encode

    seen = encode(vision, photo, largest=largest).observation
    if seen.encoding is None or seen.crop is None:
        raise ModelError(f"{photo}: the encoder gave nothing for a face that passed the quality gate")
    return seen.encoding, pack_crop(seen.crop)


def identify_photo(settings: Settings, vision: FacePipeline, store: Store, photo: Path) -> IdentifyAnswer:
    """Find the resident a photograph shows, compared with the templates the door compares with."""
    from doorguard.stills import identify

    table, rules = threshold_table(vision), match_rules(settings)
    gallery = load_roster(store, vision.space, table, rules).gallery
    return identify(vision, gallery, table, rules, photo)


def check_camera(settings: Settings, vision: FacePipeline) -> CameraReport:
    """Watch the configured camera for some seconds; raises `CameraError`."""
    from doorguard.daemon.camera_check import check_camera as check

    clock = SystemClock()
    return check(build_camera(settings, clock), vision, settings, clock)


def save_picture(path: Path, picture: Image) -> None:
    """Write a picture as PNG."""
    from doorguard.vision.draw import save_png

    save_png(path, picture)


def write_backup(places: Places, file: Path, passphrase: str) -> BackupReport:
    """Write the whole store, its key included, sealed with a passphrase; raises `StoreError`."""
    from doorguard.adapters.store import backup

    with open_store(places, write=False) as store:
        return backup(store, file, passphrase)


def restore_backup(places: Places, settings: Settings, file: Path, passphrase: str) -> RestoreReport:
    """Replace the store by a backup that passes the self-test.

    Raises `StoreError`, `ModelError`; the old store then stays as it was.
    """
    from doorguard.adapters.keys import FileKeys
    from doorguard.adapters.store import Target, restore

    target = Target(
        places.store,
        FileKeys.from_environ(places.key, os.environ),
        SystemClock(),
        settings.door.name,
        boot_id(),
    )

    def self_test(store: Store) -> None:
        from doorguard.vision.pipeline import FacePipeline

        vision = FacePipeline.open(settings, encoder_named(settings, places, store.model_in_use()))
        roster = load_roster(store, vision.space, threshold_table(vision), match_rules(settings))
        if roster.closed:
            raise ModelError(f"the backup was not restored: {roster.closed}")

    return restore(file, passphrase, target, self_test)
