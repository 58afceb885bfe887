"""The desk: enrolment's rules, changes of residents, and the event each one leaves."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.memory import MemoryStore
from doorguard.control.desk import Desk, DeskRules
from doorguard.control.protocol import MAX_LINE_BYTES, Channel, Peer, Request, encode_result
from doorguard.control.verbs import PAGE_MAX, VERBS, check_request
from doorguard.core.gallery import Space
from doorguard.core.model import Encoding, EventKind, ModelId, ResidentId, Threshold
from doorguard.errors import (
    ConfigError,
    ControlError,
    LookalikeError,
    ModelMismatchError,
    NameTakenError,
    PoorQualityError,
    StoreBusyError,
    UnknownResidentError,
    UsageError,
)

MODEL = ModelId("facenet@0123456789ab")
LIMIT = 0.5
NAMES = ("Ada", "Grace", "Zoë")


def at(degrees: float) -> Encoding:
    """A person on a circle: D between two is 2 - 2 cos of the angle; D = 0.5 at 41.4 degrees."""
    encoding = np.zeros(128, np.float32)
    encoding[:2] = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return encoding


def wire(encoding: Encoding) -> str:
    return base64.b64encode(encoding.astype("<f4").tobytes()).decode()


def tau_for(templates: int) -> Threshold:
    """Three templates are the most for which this house knows a tau."""
    if templates > 3:
        raise ConfigError("no tau is known; remove templates")
    return Threshold(1.0, 1e-4, 0.1, "measured", templates)


class StickyStore(MemoryStore):
    """Removes, and then cannot erase the old pages; or does not even remove."""

    removes = True

    def remove(self, resident_id: ResidentId) -> None:
        if self.removes:
            super().remove(resident_id)
        raise StoreBusyError("another process reads older pages")


class Office:
    """A desk, its store, and what it recorded."""

    def __init__(self, store: MemoryStore, *, keep_crops: bool = False) -> None:
        self.store = store
        self.recorded: list[tuple[EventKind, Mapping[str, object], ResidentId | None]] = []
        self.desk = Desk(
            store,
            lambda *event: self.recorded.append(event),
            space=Space(MODEL, 128),
            rules=DeskRules(LIMIT, LIMIT, tau_for, keep_crops=keep_crops),
        )

    def ask(self, verb: str, **args: Any) -> dict[str, Any]:
        checked = check_request(verb, args, Channel.CONTROL)
        answer = self.desk.handle(Request(verb, checked, Peer(1000, 77), Channel.CONTROL, math.inf))
        assert json.loads(encode_result(answer))["result"] == answer
        return answer

    def enroll(self, name: str, *degrees: float, **args: Any) -> dict[str, Any]:
        encodings = [wire(at(angle)) for angle in degrees]
        return self.ask("enroll", name=name, model_id=MODEL, encodings=encodings, **args)

    @property
    def kinds(self) -> list[EventKind]:
        return [kind for kind, _, _ in self.recorded]


@pytest.fixture
def office(clock: ManualClock) -> Office:
    return Office(MemoryStore(clock))


# --- enrolling ------------------------------------------------------------------------------------


def test_desk_enrolling_stores_encodings_name_and_consent(office: Office) -> None:
    answer = office.enroll("  Ada   Lovelace ", 0.0, 5.0, consent="Ada, on paper")
    resident = office.store.find("ada lovelace")
    assert answer["name"] == resident.name == "Ada Lovelace"
    assert (answer["templates"], answer["consent"], answer["enabled"]) == (2, "Ada, on paper", True)
    stored = office.store.templates()
    assert [template.model_id for template in stored] == [MODEL, MODEL]
    assert np.array_equal(stored[1].encoding, at(5.0))


def test_desk_enrolling_leaves_an_event_with_who_and_without_names(office: Office) -> None:
    answer = office.enroll("Ada", 0.0, consent="Ada Lovelace")
    ((kind, detail, resident_id),) = office.recorded
    assert (kind, resident_id) == (EventKind.ENROLLED, answer["id"])
    assert detail == {"actor": "uid 1000 pid 77", "templates": 1, "model": MODEL, "consent": True}
    assert "Ada" not in json.dumps(detail)


def test_desk_enrolling_beyond_the_templates_a_tau_is_known_for_refuses(office: Office) -> None:
    office.enroll("Ada", 0.0, 5.0)
    for refused in ({"name": "Bob"}, {"name": "Ada", "add": True}):
        with pytest.raises(UsageError, match="open for nobody: no tau is known; remove templates"):
            office.enroll(str(refused.pop("name")), 4.0, 6.0, force=True, **refused)
    assert office.enroll("Bob", 90.0)["templates"] == 1
    assert office.kinds == [EventKind.ENROLLED] * 2


def test_desk_enabling_beyond_the_templates_a_tau_is_known_for_refuses(office: Office) -> None:
    office.enroll("Ada", 0.0, 5.0)
    office.ask("disable", name="Ada")
    office.enroll("Ada", 2.0, add=True)  # of somebody disabled, it counts for nothing yet
    office.enroll("Bob", 90.0)
    with pytest.raises(UsageError, match="open for nobody"):
        office.ask("enable", name="Ada")
    assert not office.store.find("Ada").enabled


@pytest.mark.parametrize("name", ["Ada", "ADA", " ada "])
def test_desk_enrolling_a_name_that_is_taken_refuses(office: Office, name: str) -> None:
    office.enroll("Ada", 0.0)
    with pytest.raises(NameTakenError, match="--add"):
        office.enroll(name, 90.0)
    assert office.kinds == [EventKind.ENROLLED]


@pytest.mark.parametrize("name", ["0123456789abcdef", "x" * 61, "...", "a\u202eb"])
def test_desk_enrolling_a_name_nobody_may_have_refuses(office: Office, name: str) -> None:
    with pytest.raises(UsageError):
        office.enroll(name, 0.0)
    assert office.store.residents() == []


def test_desk_adding_a_template_leaves_name_and_consent(office: Office) -> None:
    office.enroll("Ada", 0.0, consent="on paper")
    answer = office.enroll("ada", 10.0, add=True, consent="ignored")
    assert (answer["name"], answer["templates"], answer["consent"]) == ("Ada", 2, "on paper")
    kind, detail, _ = office.recorded[-1]
    assert kind is EventKind.TEMPLATE_ADDED
    assert detail == {"actor": "uid 1000 pid 77", "templates": 1, "model": MODEL}


def test_desk_adding_to_nobody_refuses(office: Office) -> None:
    with pytest.raises(UnknownResidentError):
        office.enroll("Ada", 0.0, add=True)
    assert (office.store.residents(), office.recorded) == ([], [])


@pytest.mark.parametrize("enabled", [True, False])
def test_desk_enrolling_a_lookalike_names_both_and_refuses(office: Office, enabled: bool) -> None:
    office.enroll("Ada", 0.0)
    if not enabled:
        office.ask("disable", name="Ada")
    with pytest.raises(LookalikeError, match=r"Grace looks too much like Ada: D 0\.4\d\d.*--force"):
        office.enroll("Grace", 41.0)
    assert [resident.name for resident in office.store.residents()] == ["Ada"]


def test_desk_enrolling_somebody_just_far_enough_agrees(office: Office) -> None:
    office.enroll("Ada", 0.0)
    office.enroll("Grace", 41.5)
    assert office.kinds == [EventKind.ENROLLED] * 2


def test_desk_enrolling_a_lookalike_by_force_says_so_in_the_event(office: Office) -> None:
    ada = office.enroll("Ada", 0.0)
    office.enroll("Grace", 10.0, force=True)
    _, detail, _ = office.recorded[-1]
    assert detail["forced_past"] == ada["id"]
    assert detail["distance_sq"] == pytest.approx(2 - 2 * math.cos(math.radians(10)), abs=1e-6)


def test_desk_enrolling_two_people_under_one_name_refuses(office: Office) -> None:
    with pytest.raises(PoorQualityError, match="two of the new pictures do not look like the same person"):
        office.enroll("Ada", 0.0, 60.0)
    assert (office.store.residents(), office.recorded) == ([], [])
    office.enroll("Ada", 0.0, 60.0, force=True)
    assert office.store.find("Ada").templates == 2


def test_desk_adding_somebody_elses_picture_refuses(office: Office) -> None:
    office.enroll("Ada", 0.0)
    with pytest.raises(PoorQualityError, match="a new and a stored picture do not look like the same"):
        office.enroll("Ada", 60.0, add=True)
    assert office.store.find("Ada").templates == 1


def test_desk_adding_between_templates_once_forced_apart_agrees(office: Office) -> None:
    office.enroll("Ada", 0.0, 60.0, force=True)
    office.enroll("Ada", 30.0, add=True)
    assert office.store.find("Ada").templates == 3


def test_desk_enrolling_encodings_of_another_model_refuses(office: Office) -> None:
    with pytest.raises(ModelMismatchError, match="other@1"):
        office.ask("enroll", name="Ada", model_id="other@1", encodings=[wire(at(0.0))])
    assert office.store.residents() == []


@pytest.mark.parametrize("bad", [np.zeros(128), np.full(128, np.nan), np.full(128, np.inf), 2 * at(0.0)])
def test_desk_enrolling_numbers_that_are_no_encoding_refuses(office: Office, bad: Encoding) -> None:
    with pytest.raises(UsageError, match="the encoding is refused"):
        office.ask("enroll", name="Ada", model_id=MODEL, encodings=[wire(at(0.0)), wire(bad)])
    assert (office.store.residents(), office.recorded) == ([], [])


# --- changing -------------------------------------------------------------------------------------


def test_desk_renaming_changes_the_name_and_leaves_an_event_without_it(office: Office) -> None:
    ada = office.enroll("Ada", 0.0)
    assert office.ask("rename", name="ADA", new_name="Ada  L.")["name"] == "Ada L."
    assert office.recorded[-1] == (EventKind.RENAMED, {"actor": "uid 1000 pid 77"}, ada["id"])


def test_desk_renaming_to_a_taken_or_impossible_name_refuses(office: Office) -> None:
    office.enroll("Ada", 0.0)
    office.enroll("Grace", 90.0)
    with pytest.raises(NameTakenError):
        office.ask("rename", name="Ada", new_name="grace")
    with pytest.raises(UsageError):
        office.ask("rename", name="Ada", new_name="...")
    assert office.kinds == [EventKind.ENROLLED] * 2


def test_desk_disabling_and_enabling_leaves_one_event_each(office: Office) -> None:
    office.enroll("Ada", 0.0)
    assert [office.ask("disable", name="Ada")["enabled"] for _ in range(2)] == [False, False]
    assert [office.ask("enable", name="Ada")["enabled"] for _ in range(2)] == [True, True]
    assert office.kinds == [EventKind.ENROLLED, EventKind.DISABLED, EventKind.ENABLED]


def test_desk_removing_erases_and_answers_who_it_was(office: Office) -> None:
    ada = office.enroll("Ada", 0.0)
    assert office.ask("remove", name=ada["id"])["name"] == "Ada"
    assert (office.store.residents(), office.store.templates()) == ([], [])
    assert office.recorded[-1] == (EventKind.REMOVED, {"actor": "uid 1000 pid 77"}, ada["id"])


@pytest.mark.parametrize(("removes", "kinds"), [(True, [EventKind.REMOVED]), (False, [])])
def test_desk_removing_with_old_pages_left_tells_and_records_what_happened(
    clock: ManualClock, removes: bool, kinds: list[EventKind]
) -> None:
    store = StickyStore(clock)
    store.removes = removes
    office = Office(store)
    office.enroll("Ada", 0.0)
    with pytest.raises(StoreBusyError):
        office.ask("remove", name="Ada")
    assert office.kinds[1:] == kinds


@pytest.mark.parametrize("verb", ["residents_show", "remove", "disable", "enable", "rename"])
def test_desk_asked_about_nobody_refuses(office: Office, verb: str) -> None:
    more = {"new_name": "Grace"} if verb == "rename" else {}
    with pytest.raises(UnknownResidentError):
        office.ask(verb, name="Nobody", **more)
    assert office.recorded == []


# --- reading --------------------------------------------------------------------------------------


def test_desk_showing_tells_everything_but_the_templates(office: Office) -> None:
    office.enroll("Ada", 0.0)
    answer = office.ask("residents_show", name="ada")
    assert (answer["name"], answer["consent"], answer["consent_at"]) == ("Ada", None, None)
    assert "encoding" not in json.dumps(answer)


def test_desk_listing_gives_every_resident_once_page_by_page(office: Office) -> None:
    for number, name in enumerate(NAMES):
        office.enroll(name, 90.0 * number)
    found: list[str] = []
    after: str | None = None
    for _ in NAMES:
        page = office.ask("residents_list", after=after, limit=1)
        found += [resident["name"] for resident in page["residents"]]
        after = page["residents"][-1]["id"]
        assert page["more"] is (len(found) < len(NAMES))
    assert tuple(found) == NAMES
    assert office.ask("residents_list", after=after) == {"residents": [], "more": False}


def test_desk_listing_after_somebody_who_is_gone_refuses(office: Office) -> None:
    with pytest.raises(UnknownResidentError, match="list from the beginning"):
        office.ask("residents_list", after="0123456789abcdef")


def test_desk_listing_the_longest_page_fits_one_line(office: Office) -> None:
    for number in range(PAGE_MAX):
        name = f"{'é' * 57}{number:03}"
        office.store.add_resident(name, "\U0001f600" * 500, [(MODEL, at(0.0))])
    page = office.ask("residents_list")
    assert len(page["residents"]) == PAGE_MAX
    assert len(encode_result(page)) <= MAX_LINE_BYTES


@pytest.mark.parametrize("verb", VERBS)
def test_desk_asked_for_any_verb_knows_those_that_need_no_daemon(office: Office, verb: str) -> None:
    empty = VERBS[verb].args.model_construct(name="Nobody", model_id="other@1", limit=1, after=None)
    request = Request(verb, empty, Peer(0, 1), Channel.CONTROL, math.inf)
    if VERBS[verb].live:
        with pytest.raises(
            ControlError, match=f"{verb} needs a running daemon; start it with: doorguard run"
        ):
            office.desk.handle(request)
    elif verb == "residents_list":
        assert office.desk.handle(request) == {"residents": [], "more": False}
    else:
        with pytest.raises((UnknownResidentError, ModelMismatchError)):
            office.desk.handle(request)


# --- pictures and models --------------------------------------------------------------------------


def test_desk_keeping_a_picture_where_the_settings_say_so(clock: ManualClock) -> None:
    office = Office(MemoryStore(clock), keep_crops=True)
    made = office.enroll("Ada", 0.0)
    crop = base64.b64encode(b"a packed picture").decode()
    assert office.ask("keep_crop", name=made["id"], model_id=MODEL, crop=crop)["crops"] == 1
    assert office.store.crops(ResidentId(made["id"])) == [(MODEL, b"a packed picture")]


def test_desk_keeping_a_picture_is_refused_where_none_is_kept(office: Office) -> None:
    office.enroll("Ada", 0.0)
    with pytest.raises(ControlError, match=r"enrollment\.keep_crop"):
        office.ask("keep_crop", name="Ada", model_id=MODEL, crop=wire(at(0.0)))
    assert office.store.find("Ada").crops == 0


def test_desk_keeping_a_picture_of_another_models_alignment_is_refused(clock: ManualClock) -> None:
    office = Office(MemoryStore(clock), keep_crops=True)
    office.enroll("Ada", 0.0)
    with pytest.raises(ModelMismatchError, match="restart the daemon"):
        office.ask("keep_crop", name="Ada", model_id="other@1", crop=wire(at(0.0)))


def test_desk_enrolling_encodings_of_another_length_is_refused(office: Office) -> None:
    wide = np.zeros(512, np.float32)
    wide[0] = 1.0
    with pytest.raises(UsageError, match="wrong_length"):
        office.ask("enroll", name="Ada", model_id=MODEL, encodings=[wire(wide)])
