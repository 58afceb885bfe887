"""What an attempt's event holds: JSON values only, also where nobody is enrolled or tau is missing."""

from __future__ import annotations

import json

from standins.house import House

from doorguard.adapters.simulated.vision import SimulatedFace, person
from doorguard.config import Settings
from doorguard.daemon.attempts import stage_medians
from doorguard.daemon.faults import where


def test_attempt_detail_without_tau_or_templates_is_plain_json() -> None:
    house = House(Settings.model_validate({"match": {"target_false_accepts": 1e-8}}))
    house.guard.reload()
    house.stand(SimulatedFace(person(1)))
    house.feed(1)
    (event,) = house.events()
    detail = json.loads(json.dumps(dict(event.detail), allow_nan=False))
    assert (detail["tau"], detail["tau_kind"], detail["fmr"], detail["templates"]) == (None, None, None, 0)
    assert detail["nearest"] == {"resident": None, "distance_sq": None}
    assert detail["frames"][0]["d"] is None


def test_attempt_detail_holds_quality_and_no_name() -> None:
    house = House()
    house.enroll("Ada Lovelace", 1)
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    (event,) = house.events()
    text = json.dumps(dict(event.detail))
    assert "Lovelace" not in text
    assert event.detail["frames"][0]["quality"]["face_px"] == 120.0  # type: ignore[index]
    assert (event.detail["model"], event.detail["profile"]) == (house.vision.model_id, "digest")


def test_stage_medians_take_each_stage_over_the_frames_that_have_it() -> None:
    frames = [{"detect": 1.0}, {"detect": 3.0, "encode": 5.0}, {"detect": 2.0, "encode": 7.0}]
    assert stage_medians(frames) == {"detect": 2.0, "encode": 6.0}
    assert stage_medians([]) == {}


def test_where_names_type_and_place_but_not_the_text() -> None:
    try:
        raise ValueError("secret")
    except ValueError as error:
        found = where(error)
    assert found.startswith("ValueError at ")
    assert "secret" not in found
    assert where(KeyError("secret")) == "KeyError at an unknown place"
