"""models list, verify, add and use, as a user types them; and an upgrade that changes no door's encoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from standins.command_line import Run

from doorguard.adapters.keys import FileKeys
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.store import Store
from doorguard.core.model import EventKind
from doorguard.vision.library import PROFILE

ENCODERS = Path(__file__).parents[1] / "data" / "encoders"
SHIPPED = "facenet-ir-128-int8-1@c65f47355b95"
TINY = "facenet160-float-512"


@pytest.fixture
def tiny(run: Run) -> str:
    """The full name of an encoder that was added."""
    assert add(run, TINY) == 0
    return next(each["model"] for each in listed(run) if each["origin"] == "added")


def add(run: Run, name: str, profile: Path | None = None) -> int:
    profile = profile or ENCODERS / f"{name}.profile.json"
    return run("models", "add", ENCODERS / f"{name}.tflite", "--profile", profile).code


def listed(run: Run) -> list[dict[str, object]]:
    return run("models", "list", "--json").json


def in_use(run: Run) -> list[object]:
    return [each["model"] for each in listed(run) if each["in_use"]]


def enroll(run: Run, photos: Path, name: str, photo: str) -> None:
    ran = run("enroll", name, photos / photo)
    assert ran.code == 0, ran.err


def keep_crops(config: Path) -> None:
    config.write_text(config.read_text() + "enrollment: {keep_crop: true}\n")


def events(state: Path) -> list[tuple[EventKind, dict[str, object]]]:
    keys = FileKeys(state / "store.key")
    with Store.open(state / "doorguard.db", keys, clock=ManualClock(), write=False) as store:
        return [(each.event.kind, dict(each.event.detail)) for each in store.events()]


def test_list_shows_the_shipped_encoder_in_use(run: Run) -> None:
    assert in_use(run) == [SHIPPED]
    assert run("models", "list").out.split()[:2] == ["*", SHIPPED]


def test_add_leaves_the_encoder_in_use(run: Run, tiny: str) -> None:
    assert tiny.startswith(f"{TINY}@")
    assert in_use(run) == [SHIPPED]
    ran = run("models", "verify", "--json")
    assert ran.code == 0
    assert {each["model"]: each["problem"] for each in ran.json} == {tiny: None, SHIPPED: None}
    assert all(each["golden_distance_sq"] <= 0.02 for each in ran.json)


def test_verify_names_an_encoder_whose_file_was_changed(run: Run, state: Path, tiny: str) -> None:
    file = state / "models" / tiny / f"{TINY}.tflite"
    file.write_bytes(file.read_bytes() + b"\0")
    ran = run("models", "verify")
    assert ran.code == 4
    assert "SHA-256" in ran.out
    assert tiny in ran.err
    assert run("models", "verify", SHIPPED).code == 0
    (state / "models" / tiny / PROFILE).write_text("{")
    assert run("models", "verify").code == 4
    assert in_use(run) == [SHIPPED]


def test_use_encodes_kept_pictures_anew_and_the_door_knows_the_same_people(
    run: Run, config: Path, state: Path, photos: Path, tiny: str
) -> None:
    keep_crops(config)
    enroll(run, photos, "Barack", "obama-2012.jpg")
    enroll(run, photos, "Eileen", "collins.jpg")
    ran = run("models", "use", TINY)
    assert ran.code == 0, ran.err
    assert "Barack: encoded anew" in ran.out
    assert in_use(run) == [tiny]
    found = run("identify", photos / "obama-2012.jpg", "--json").json
    assert (found["resident"], found["reason"]) == ("Barack", "match")
    kind, detail = events(state)[-1]
    assert kind is EventKind.MODEL_CHANGED
    assert (detail["before"], detail["after"]) == (SHIPPED, tiny)
    assert (detail["encoded"], detail["missing"]) == (2, 0)
    assert run("config", "show", "--json").json["encoder"] == tiny
    assert run("config", "show", "--json").json["match"]["templates"] == 2
    # Enrolment, with and without a picture kept, goes by the new encoder from now on, and back again.
    enroll(run, photos, "Joe", "biden-2010.jpg")
    back = run("models", "use", SHIPPED, "--json")
    assert back.json["encoded_now"] == ["Joe"]
    assert run("identify", photos / "biden-2010.jpg", "--json").json["resident"] == "Joe"


def test_use_without_kept_pictures_changes_nothing_and_says_who_is_missing(
    run: Run, state: Path, photos: Path, tiny: str
) -> None:
    enroll(run, photos, "Barack", "obama-2012.jpg")
    ran = run("models", "use", TINY)
    assert ran.code == 4
    assert "Barack: has to be enrolled again" in ran.out
    assert "1 enabled resident(s)" in ran.err
    assert in_use(run) == [SHIPPED]
    assert events(state)[-1][0] is EventKind.ENROLLED
    assert run("models", "use", TINY, "--yes").code == 0
    assert in_use(run) == [tiny]
    assert run("identify", photos / "obama-2012.jpg", "--json").json["reason"] == "no_templates"
    assert run("enroll", "Barack", photos / "obama-2012.jpg", "--add").code == 0
    assert run("identify", photos / "obama-2012.jpg", "--json").json["resident"] == "Barack"


def test_use_does_not_wait_for_a_disabled_resident(run: Run, photos: Path, tiny: str) -> None:
    enroll(run, photos, "Barack", "obama-2012.jpg")
    assert run("residents", "disable", "Barack").code == 0
    assert run("models", "use", TINY).code == 0
    assert in_use(run) == [tiny]


def test_use_says_which_kept_picture_is_of_no_use(
    run: Run, config: Path, photos: Path, tmp_path: Path
) -> None:
    keep_crops(config)
    enroll(run, photos, "Barack", "obama-2012.jpg")
    content = json.loads((ENCODERS / f"{TINY}.profile.json").read_text())
    content["alignment"]["mesh_indices"][0] = [33]
    other = tmp_path / "other.json"
    other.write_text(json.dumps(content))
    assert add(run, TINY, other) == 0
    ran = run("models", "use", TINY, "--json")
    assert ran.code == 4
    assert (ran.json["missing"], ran.json["done"]) == (["Barack"], False)
    assert "cannot be aligned" in ran.json["pictures_left"][0]["reason"]


def test_use_of_an_encoder_that_is_not_calibrated_or_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    content = json.loads((ENCODERS / f"{TINY}.profile.json").read_text())
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(content | {"tau": []}))
    ran = run("models", "add", ENCODERS / f"{TINY}.tflite", "--profile", bare)
    assert "no tau table yet" in ran.out
    assert "doorguard calibrate" in run("models", "use", TINY).err
    assert run("models", "use", "none").code == 4
    assert in_use(run) == [SHIPPED]


def test_an_upgrade_with_another_default_leaves_the_encoder_of_a_door_with_residents(
    run: Run, config: Path, photos: Path, tiny: str
) -> None:
    """What a release changes is the default of `vision.encoder`; here the settings file stands for it."""
    enroll(run, photos, "Barack", "obama-2012.jpg")
    config.write_text(config.read_text() + f"vision: {{encoder: {TINY}}}\n")
    assert in_use(run) == [SHIPPED]
    assert run("identify", photos / "obama-2012.jpg", "--json").json["resident"] == "Barack"


def test_a_new_installation_begins_with_the_settings_encoder(
    run: Run, config: Path, photos: Path, tiny: str
) -> None:
    config.write_text(config.read_text() + f"vision: {{encoder: {TINY}}}\n")
    assert in_use(run) == [tiny]
    enroll(run, photos, "Barack", "obama-2012.jpg")
    assert run("residents", "show", "Barack", "--json").json["templates"] == 1


def test_a_door_whose_encoder_is_gone_compares_nobody_and_says_what_to_do(
    run: Run, config: Path, state: Path, photos: Path, tiny: str
) -> None:
    config.write_text(config.read_text() + f"vision: {{encoder: {TINY}}}\n")
    enroll(run, photos, "Barack", "obama-2012.jpg")
    (state / "models" / tiny / PROFILE).unlink()
    ran = run("identify", photos / "obama-2012.jpg")
    assert ran.code == 4
    assert tiny in ran.err
    assert "models add" in ran.err
    assert in_use(run) == []


def test_add_of_a_new_table_for_the_encoder_in_use_says_when_it_holds(run: Run) -> None:
    from doorguard.vision.profile import MODELS

    ran = run("models", "add", MODELS / "facenet.tflite", "--profile", MODELS / "facenet.profile.json")
    assert ran.code == 0
    assert "it is the one in use" in ran.out
