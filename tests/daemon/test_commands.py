"""The sockets' verbs in the daemon: in force at the next frame, and refused without a change."""

from __future__ import annotations

import json

import pytest
from standins.house import House, released

from doorguard.adapters.simulated.vision import SimulatedFace, person
from doorguard.control.verbs import VERBS
from doorguard.core.model import Box, EventKind
from doorguard.daemon.closed import ClosedStore
from doorguard.daemon.commands import LiveEnrollment
from doorguard.errors import StoreBusyError, StoreError, StoreKeyError, UnknownResidentError


@pytest.fixture
def house() -> House:
    house = House()
    house.guard.reload()
    return house


def test_execute_ping_answers(house: House) -> None:
    assert house.ask("ping") == {}


def test_execute_status_holds_the_contract_s_keys_and_no_distance(house: House) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(2)))
    house.feed(5)
    status = house.ask("status")
    assert {"door", "strike", "contact", "camera", "liveness", "model", "tau", "off"} <= status.keys()
    assert status["residents"] == 1
    assert "2.0" not in json.dumps(status)
    assert "Ada" not in json.dumps(status)


def test_execute_unlock_releases_and_names_the_peer(house: House) -> None:
    assert house.ask("unlock", reason="parcel") == {"released_s": 5.0}
    assert house.line.levels == [False, True]
    assert house.events()[-1].detail["actor"] == "uid 1000 pid 77"


@pytest.mark.parametrize("verb", ["remove", "disable"])
def test_execute_remove_or_disable_in_mid_visit_ends_it(house: House, verb: str) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    house.feed(2)
    house.ask(verb, name="Ada")
    house.feed(30)
    assert house.line.levels == [False]
    assert house.attempts() == [("denied", "resident_removed")]


def test_execute_disable_of_who_was_let_in_relocks_even_after_a_stranger_was_denied(house: House) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    house.stand(SimulatedFace(person(2), box=Box(20.0, 20.0, 200.0, 200.0)))
    house.feed(5)
    assert house.attempts() == [("granted", "match"), ("denied", "no_match")]
    assert house.line.levels == [False, True]
    house.ask("disable", name="Ada")
    assert house.line.levels == [False, True, False]


def test_execute_enable_is_in_force_at_the_next_frame(house: House) -> None:
    house.enroll("Ada", 1)
    house.ask("disable", name="Ada")
    assert house.ask("reload") == {"residents": 0, "templates": 0}
    house.ask("enable", name="Ada")
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    assert released(house.line.levels) == 1


def test_execute_remove_that_could_not_erase_everything_is_in_force_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = house.enroll("Ada", 1)
    remove = house.store.remove

    def busy(resident_id: object) -> None:
        remove(ada)
        raise StoreBusyError("another process reads older pages")

    monkeypatch.setattr(house.store, "remove", busy)
    with pytest.raises(StoreBusyError):
        house.ask("remove", name="Ada")
    assert house.guard.view().residents == 0


def test_execute_unknown_resident_is_refused(house: House) -> None:
    with pytest.raises(UnknownResidentError):
        house.ask("rename", name="Nobody", new_name="Somebody")
    assert house.events() == []


def test_execute_rename_keeps_the_resident_in_force(house: House) -> None:
    house.enroll("Ada", 1)
    house.ask("rename", name="Ada", new_name="Ada Lovelace")
    assert [event.kind for event in house.events()] == [EventKind.RENAMED]
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    assert house.line.levels == [False, True]


def test_every_live_verb_is_carried_out_here_and_every_other_at_the_desk(house: House) -> None:
    live = {name for name, verb in VERBS.items() if verb.live}
    assert live == house.commands._handlers.keys()
    assert set(VERBS) - live == house.desk._handlers.keys()


def test_closed_store_refuses_everything_with_the_error_it_was_opened_with() -> None:
    store = ClosedStore(StoreKeyError("the key does not open the store; restore the key file"))
    names = [name for name in dir(store) if not name.startswith("_") and name != "close"]
    arguments = {
        "find": ("Ada",),
        "add_resident": ("Ada", None, ()),
        "add_templates": ("00", ()),
        "rename": ("00", "Ada"),
        "set_enabled": ("00", True),
        "remove": ("00",),
        "keep_crops": ("00", "m@1", ()),
        "crops": ("00",),
        "use_model": ("m@1",),
        "append": (None,),
        "prune": (None,),
    }
    for name in names:
        with pytest.raises(StoreKeyError, match="restore the key file"):
            getattr(store, name)(*arguments.get(name, ()))
    store.close()


def test_live_enrollment_of_a_closed_store_is_refused(house: House) -> None:
    closed = ClosedStore(StoreKeyError("no key"))
    enrollment = LiveEnrollment(house.desk, closed)
    from doorguard.control.verbs import LiveStartArgs

    with pytest.raises(StoreError):
        enrollment.check(LiveStartArgs(kind="enroll", name="Ada"))
