"""Live sessions: an enrolment that poses, a check that measures, and how each one ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from standins.house import House

from doorguard.adapters.simulated.vision import GOOD, SimulatedFace, person
from doorguard.config import Settings
from doorguard.core.model import Box, EventKind, Image, QualityFault
from doorguard.errors import LookalikeError, NameTakenError, UnknownResidentError, UsageError
from doorguard.vision.crops import unpack_crop

POSES = [(0.0, 0.0), (12.0, 0.0), (-12.0, 0.0), (0.0, 10.0), (0.0, -10.0)]


@pytest.fixture
def house() -> House:
    house = House()
    house.guard.reload()
    return house


def _pose(house: House, number: int, *, frames: int = 3) -> None:
    for yaw, pitch in POSES:
        house.stand(SimulatedFace(person(number), quality=replace(GOOD, yaw_deg=yaw, pitch_deg=pitch)))
        house.feed(frames)


def test_live_enroll_takes_five_poses_and_stores_a_resident(house: House) -> None:
    told = house.ask("live_start", kind="enroll", name="Ada", consent="said yes")
    assert (told["phase"], told["taken"], told["wanted"]) == ("looking", 0, 5)
    assert house.guard.view().live == "enroll: step in front of the camera"
    assert any("an enrolment is under way" in text for text in house.guard.view().off)
    _pose(house, 1)
    told = house.ask("live_poll", session=told["session"])
    assert (told["phase"], told["taken"], told["error"]) == ("done", 5, None)
    assert told["result"]["name"] == "Ada"  # type: ignore[index]
    assert [event.kind for event in house.events()] == [EventKind.ENROLLED]
    assert house.store.find("Ada").templates == 5
    assert house.guard.view().live == ""


def test_live_enroll_new_templates_are_in_force_at_once(house: House) -> None:
    house.ask("live_start", kind="enroll", name="Ada")
    _pose(house, 1)
    house.feed(3)
    assert house.line.levels == [False, True]


def test_live_enroll_decides_about_nobody_meanwhile(house: House) -> None:
    house.enroll("Bob", 2)
    house.ask("live_start", kind="enroll", name="Ada")
    house.stand(SimulatedFace(person(2)))
    house.feed(30)
    assert house.line.levels == [False]
    assert house.attempts() == []


def test_live_enroll_hint_follows_the_quality_gate(house: House) -> None:
    session = house.ask("live_start", kind="enroll", name="Ada")["session"]
    house.stand(SimulatedFace(person(1), faults=(QualityFault.TOO_SMALL,)))
    house.feed(1)
    assert house.ask("live_poll", session=session)["hint"] == "come closer"


def test_live_enroll_somebody_else_stepping_in_begins_anew(house: House) -> None:
    session = house.ask("live_start", kind="enroll", name="Ada")["session"]
    house.stand(SimulatedFace(person(1)))
    house.feed(2)
    house.stand(SimulatedFace(person(2)))
    house.feed(5)
    told = house.ask("live_poll", session=session)
    assert (told["restarts"], told["taken"]) == (1, 1)


def test_live_enroll_goes_on_with_whoever_takes_the_place_in_front(house: House) -> None:
    session = house.ask("live_start", kind="enroll", name="Ada")["session"]
    house.stand(SimulatedFace(person(2), faults=(QualityFault.TOO_SMALL,)))
    house.feed(2)
    house.stand(SimulatedFace(person(1), box=Box(20.0, 20.0, 150.0, 150.0)), *house.vision.faces)
    house.feed(2)
    told = house.ask("live_poll", session=session)
    assert (told["phase"], told["taken"]) == ("looking", 1)


def test_live_enroll_lookalike_fails_with_the_desk_s_own_error(house: House) -> None:
    house.enroll("Bob", 1)
    session = house.ask("live_start", kind="enroll", name="Ada")["session"]
    _pose(house, 1)
    told = house.ask("live_poll", session=session)
    assert told["phase"] == "failed"
    assert told["error"]["type"] == LookalikeError.__name__  # type: ignore[index]


def test_live_start_name_that_is_taken_is_refused_before_anybody_poses(house: House) -> None:
    house.enroll("Ada", 1)
    with pytest.raises(NameTakenError):
        house.ask("live_start", kind="enroll", name="ada")
    assert house.ask("live_start", kind="enroll", name="ada", add=True)["phase"] == "looking"


@pytest.mark.parametrize("args", [{"kind": "check"}, {"kind": "enroll", "add": True}])
def test_live_start_of_an_unknown_resident_is_refused(house: House, args: dict[str, object]) -> None:
    with pytest.raises(UnknownResidentError):
        house.ask("live_start", name="Nobody", **args)


def test_live_start_while_another_is_under_way_is_refused(house: House) -> None:
    house.ask("live_start", kind="enroll", name="Ada")
    with pytest.raises(UsageError, match="under way"):
        house.ask("live_start", kind="enroll", name="Bob")


def test_live_cancel_ends_without_a_trace(house: House) -> None:
    session = house.ask("live_start", kind="enroll", name="Ada")["session"]
    house.stand(SimulatedFace(person(1)))
    house.feed(2)
    assert house.ask("live_cancel", session=session)["phase"] == "cancelled"
    assert house.ask("live_cancel", session=session)["phase"] == "cancelled"
    _pose(house, 1)
    assert house.store.residents() == []
    assert house.ask("live_start", kind="enroll", name="Ada")["phase"] == "looking"


def test_live_poll_of_another_session_is_refused(house: House) -> None:
    with pytest.raises(UsageError, match="no such session"):
        house.ask("live_poll", session="00")
    house.ask("live_start", kind="enroll", name="Ada")
    with pytest.raises(UsageError, match="no such session"):
        house.ask("live_poll", session="00")


def test_expire_session_nobody_asks_about_ends(house: House) -> None:
    session = house.ask("live_start", kind="enroll", name="Ada")["session"]
    house.pass_time(11)
    assert house.ask("live_poll", session=session)["phase"] == "cancelled"


def test_expire_session_that_takes_too_long_fails(house: House) -> None:
    session = house.ask("live_start", kind="enroll", name="Ada")["session"]
    for _ in range(12):
        house.pass_time(8)
        told = house.ask("live_poll", session=session)
    assert told["phase"] == "failed"
    assert told["error"]["type"] == "UsageError"  # type: ignore[index]


def test_live_check_prints_distances_to_everybody_nearest_first(house: House) -> None:
    bob = house.enroll("Bob", 2)
    ada = house.enroll("Ada", 1)
    session = house.ask("live_start", kind="check", name="Ada")["session"]
    house.stand(SimulatedFace(person(1, apart=0.25)))
    house.feed(20)
    told = house.ask("live_poll", session=session)
    assert told["phase"] == "done"
    result = told["result"]
    assert isinstance(result, dict)
    assert (result["frames"], result["tau"]) == (15, house.guard.view().threshold.tau)  # type: ignore[union-attr]
    assert [row["resident"] for row in result["distances"]] == [ada, bob]
    assert result["distances"][0]["distance_sq_median"] == pytest.approx(0.25, abs=1e-5)
    assert house.line.levels == [False, True]  # a check does not keep the resident out


def test_live_check_ends_when_the_visitor_leaves(house: House) -> None:
    house.enroll("Ada", 1)
    session = house.ask("live_start", kind="check", name="Ada")["session"]
    house.stand(SimulatedFace(person(2)))
    house.feed(4)
    house.stand()
    house.pass_time(1)
    told = house.ask("live_poll", session=session)
    assert (told["phase"], told["result"]["frames"]) == ("done", 4)  # type: ignore[index]


def test_live_check_ends_when_another_takes_his_place(house: House) -> None:
    house.enroll("Ada", 1)
    session = house.ask("live_start", kind="check", name="Ada")["session"]
    house.stand(SimulatedFace(person(2)))
    house.feed(4)
    house.stand(SimulatedFace(person(2)), SimulatedFace(person(1), box=Box(20.0, 20.0, 150.0, 150.0)))
    house.feed(3)
    told = house.ask("live_poll", session=session)
    assert (told["phase"], told["result"]["frames"]) == ("done", 4)  # type: ignore[index]


def test_live_check_visitor_not_worth_encoding_leaves_it_waiting(house: House) -> None:
    house.enroll("Ada", 1)
    session = house.ask("live_start", kind="check", name="Ada")["session"]
    house.stand(SimulatedFace(person(1), faults=(QualityFault.BLURRED,)))
    house.feed(4)
    house.stand()
    house.pass_time(1)
    told = house.ask("live_poll", session=session)
    assert (told["phase"], told["hint"]) == ("looking", "hold still")


def test_live_check_in_a_house_without_tau_says_so() -> None:
    house = House(Settings.model_validate({"match": {"target_false_accepts": 1e-8}}))
    house.enroll("Ada", 1)
    session = house.ask("live_start", kind="check", name="Ada")["session"]
    house.stand(SimulatedFace(person(1)))
    house.feed(15)
    assert house.ask("live_poll", session=session)["result"]["tau"] is None  # type: ignore[index]


def _crop(number: int) -> Image:
    return np.full((112, 112, 3), number, dtype=np.uint8)


def _keeping(keep_crop: bool) -> House:
    house = House(Settings.model_validate({"enrollment": {"keep_crop": keep_crop}}))
    house.guard.reload()
    return house


def _stand(house: House, number: int, yaw: float, pitch: float, shade: int) -> None:
    quality = replace(GOOD, yaw_deg=yaw, pitch_deg=pitch)
    house.stand(SimulatedFace(person(number), quality=quality, crop=_crop(shade)))
    house.feed(3)


def test_live_enroll_keeps_the_pictures_of_the_templates_and_of_nobody_before() -> None:
    house = _keeping(True)
    house.ask("live_start", kind="enroll", name="Ada")
    _stand(house, 2, 0.0, 0.0, 99)
    for shade, (yaw, pitch) in enumerate(POSES):
        _stand(house, 1, yaw, pitch, shade)
    ada = house.store.find("Ada")
    assert (ada.templates, ada.crops) == (5, 5)
    kept = [unpack_crop(packed) for _, packed in house.store.crops(ada.resident_id)]
    assert [int(crop[0, 0, 0]) for crop in kept] == [0, 1, 2, 3, 4]
    assert {model_id for model_id, _ in house.store.crops(ada.resident_id)} == {house.vision.model_id}


def test_live_enroll_keeps_no_picture_unless_the_settings_say_so() -> None:
    house = _keeping(False)
    house.ask("live_start", kind="enroll", name="Ada")
    for shade, (yaw, pitch) in enumerate(POSES):
        _stand(house, 1, yaw, pitch, shade)
    ada = house.store.find("Ada")
    assert (ada.templates, ada.crops) == (5, 0)
