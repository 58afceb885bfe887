"""The guard on fakes: what one frame comes to, and that only evidence opens."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from standins.house import PERIOD_S, House, flat, released

from doorguard.adapters.simulated.vision import GOOD, SimulatedFace, person
from doorguard.config import Settings
from doorguard.core.model import Box, EventKind, ModelId, QualityFault
from doorguard.core.policy import Reason, State
from doorguard.daemon.capture import CameraHealth, CameraState
from doorguard.daemon.lookout import Disposal
from doorguard.errors import NotAllowedError, StrikeError, UsageError

OK = CameraHealth(CameraState.OK, "", fatal=False, attempts=0, losses=0, frames=1)
LOST = replace(OK, state=CameraState.LOST, why="unplugged", losses=1)


@pytest.fixture
def house() -> House:
    house = House()
    house.guard.reload()
    return house


def test_handle_resident_in_view_releases_at_third_frame_and_records(house: House) -> None:
    ada = house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1, apart=0.5)))
    assert house.feed(2) == [Disposal.DECIDED] * 2
    assert house.line.levels == [False]
    house.feed(1)
    assert house.line.levels == [False, True]
    assert house.guard.view().state is State.GRANTED
    (event,) = house.events()
    assert (event.kind, event.resident_id) == (EventKind.ATTEMPT, ada)
    detail = event.detail
    assert (detail["outcome"], detail["reason"], detail["attempt"]) == ("granted", "match", 1)
    assert detail["nearest"] == {"resident": ada, "distance_sq": 0.5}
    assert detail["second"] == {"resident": None, "distance_sq": None}
    assert [frame["matched"] for frame in detail["frames"]] == [True, True, True]  # type: ignore[attr-defined]
    assert detail["stage_ms"]["encode"] == 2.0  # type: ignore[index]
    assert detail["duration_ms"] == pytest.approx(2 * PERIOD_S * 1e3, abs=0.1)
    json.dumps(dict(detail), allow_nan=False)


def test_handle_granted_releases_for_the_set_time_and_relocks(house: House) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    house.stand()
    house.pass_time(6)
    first, on, off = house.line.history
    assert [first.active, on.active, off.active] == [False, True, False]
    assert off.at_s - on.at_s == pytest.approx(5.0, abs=0.11)


def test_tick_strike_that_does_not_switch_off_is_an_alarm_and_one_event(house: House) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    house.line.broken = True
    house.stand()
    house.pass_time(10)
    view = house.guard.view()
    assert view.strike == "released"
    assert view.off[0].startswith("ALARM: the strike does not switch off: the simulated line is broken")
    assert "does not switch off" in view.as_line()
    (event,) = [event for event in house.events() if event.kind is EventKind.STRIKE_FAULT]
    assert str(event.detail["why"]).startswith("it does not switch off")
    house.line.broken = False
    house.pass_time(1)
    assert house.guard.view().strike == "locked"
    assert "strike" not in " ".join(house.guard.view().off)


def test_handle_stranger_in_view_never_releases(house: House) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(2)))
    house.feed(200)
    assert house.line.levels == [False]
    assert house.attempts() == [("denied", "no_match")] * 3
    assert house.guard.view().state is State.PAUSED


def test_handle_before_the_first_reload_grants_nothing() -> None:
    house = House()
    house.store.add_resident("Ada", None, [(house.vision.model_id, person(1))])
    house.stand(SimulatedFace(person(1)))
    house.feed(10)
    assert house.line.levels == [False]
    assert house.attempts() == []


def test_handle_with_nobody_enrolled_denies_once_per_attempt(house: House) -> None:
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    assert house.attempts() == [("denied", "no_templates")]


def test_handle_same_picture_again_is_a_duplicate_and_does_not_count(house: House) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    picture = flat(100)
    found = [house.guard.handle(house.frame(image=picture.copy())) for _ in range(6)]
    assert found == [Disposal.DECIDED] + [Disposal.DUPLICATE] * 5
    assert house.line.levels == [False]


def test_handle_same_array_again_is_a_duplicate(house: House) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    picture = flat(100)
    house.guard.handle(house.frame(image=picture))
    picture[:] = 50
    assert house.guard.handle(house.frame(image=picture)) is Disposal.DUPLICATE


def test_handle_camera_that_froze_is_told_after_a_while(house: House) -> None:
    house.guard.watch_camera(OK)
    picture = flat(100)
    for _ in range(6):
        house.guard.handle(house.frame(image=picture))
        assert "frozen" not in house.guard.view().as_line()
        house.clock.advance(1.0)
    assert "camera frozen" in house.guard.view().as_line()
    house.feed(1)
    assert "frozen" not in house.guard.view().as_line()


def test_handle_picture_differing_between_the_quick_rows_is_no_duplicate(house: House) -> None:
    house.stand(SimulatedFace(person(1)))
    first, second = flat(100), flat(100)
    second[7, 5] = 101
    house.guard.handle(house.frame(image=first))
    assert house.guard.handle(house.frame(image=second)) is Disposal.DECIDED


@pytest.mark.parametrize("age_s", [0.51, 5.0, -0.01])
def test_handle_old_or_future_frame_is_stale_and_looked_at_by_nobody(house: House, age_s: float) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    assert house.guard.handle(house.frame(age_s=age_s)) is Disposal.STALE
    assert house.vision.looked == 0


def test_handle_frame_at_the_age_limit_counts(house: House) -> None:
    house.stand(SimulatedFace(person(1)))
    house.clock.advance(0.5)  # 1000.5 - 0.5 is exact
    assert house.guard.handle(house.frame(age_s=0.5)) is Disposal.DECIDED


def test_handle_still_scene_runs_the_detector_once_a_second(house: House) -> None:
    found = house.feed(15 * 10)
    assert found.count(Disposal.NO_FACE) == house.vision.looked
    assert 10 <= house.vision.looked <= 11
    assert found.count(Disposal.NO_MOTION) == 150 - house.vision.looked
    assert house.events() == []


def test_handle_visitor_who_stands_still_is_looked_at_in_every_frame(house: House) -> None:
    house.stand(SimulatedFace(person(2)))
    assert set(house.feed(30)) == {Disposal.DECIDED}


def test_handle_detector_that_raises_grants_nothing_and_lives_on(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    house.feed(2)
    house.vision.error = RuntimeError("pixels [[1 2 3]]")
    assert house.feed(3) == [Disposal.FAILED] * 3
    assert house.line.levels == [False]
    assert "RuntimeError at" in caplog.text
    assert "pixels" not in caplog.text
    house.vision.error = None
    house.feed(1)
    assert house.line.levels == [False, True]


def test_handle_encoding_that_is_not_finite_grants_nothing(house: House) -> None:
    house.enroll("Ada", 1)
    broken = person(1).copy()
    broken[3] = float("nan")
    house.stand(SimulatedFace(broken))
    assert house.feed(5) == [Disposal.FAILED] * 5
    assert house.line.levels == [False]


def test_handle_face_not_worth_encoding_is_no_attempt(house: House) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1), faults=(QualityFault.BLURRED,)))
    house.feed(30)
    assert house.attempts() == []
    assert house.guard.view().state is State.LOOKING


def test_handle_largest_face_decides_and_the_neighbour_does_not(house: House) -> None:
    house.enroll("Ada", 1)
    near = SimulatedFace(person(2), box=Box(40, 40, 90, 90))
    far = SimulatedFace(person(1), box=Box(5, 5, 30, 30))
    house.stand(far, near)
    house.feed(10)
    assert house.line.levels == [False]
    assert house.attempts() == [("denied", "no_match")]


def test_handle_strike_that_fails_is_denied_recorded_and_relocked(house: House) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    house.line.broken = True
    house.feed(3)
    assert house.attempts() == [("denied", "strike_failed")]
    kinds = [event.kind for event in house.events()]
    # The second fault: the same line does not switch off either.
    assert kinds == [EventKind.STRIKE_FAULT, EventKind.ATTEMPT, EventKind.STRIKE_FAULT]
    assert not house.line.active


def test_handle_strike_that_raises_something_unexpected_is_denied(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(grant: object, duration_s: float) -> None:
        raise ValueError("a driver's own error")

    monkeypatch.setattr(house.strike, "release", explode)
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    assert house.feed(3) == [Disposal.DECIDED] * 3
    assert house.attempts() == [("denied", "strike_failed")]


def test_handle_full_disk_still_lets_residents_in(house: House) -> None:
    house.enroll("Ada", 1)
    house.store.full = True
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    assert not house.recorder.drain()
    assert house.line.levels == [False, True]
    view = house.guard.view()
    assert view.recorder.queued == 2  # the attempt, and that the log refused
    assert any(text.startswith("ALARM: events wait in memory") for text in view.off)


def test_tick_ends_an_attempt_whose_time_is_over(house: House) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    house.feed(2)
    house.stand()
    house.pass_time(3)
    assert house.attempts() == [("denied", "track_broken")]


def test_meter_follows_the_face_and_returns_to_the_scene(house: House) -> None:
    face = SimulatedFace(person(2))
    house.stand(face)
    house.feed(2)
    assert house.metered == [face.box, face.box]
    house.stand()
    house.pass_time(2)
    assert house.metered == [face.box, face.box, None]


def test_meter_switched_off_is_never_told_a_face() -> None:
    house = House(Settings.model_validate({"camera": {"meter_on_face": False}}))
    house.stand(SimulatedFace(person(2)))
    house.feed(2)
    house.stand()
    house.pass_time(2)
    assert house.metered == []


def test_reload_resident_removed_in_mid_visit_ends_it(house: House) -> None:
    ada = house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    house.feed(2)
    house.store.remove(ada)
    house.guard.reload()
    house.feed(30)
    assert house.line.levels == [False]
    assert house.attempts() == [("denied", "resident_removed")]


def test_reload_resident_disabled_a_moment_after_the_grant_relocks(house: House) -> None:
    ada = house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    assert house.strike.released
    house.store.set_enabled(ada, False)
    house.guard.reload()
    assert not house.strike.released
    assert house.line.levels == [False, True, False]


def test_reload_other_resident_removed_leaves_the_release_alone(house: House) -> None:
    house.enroll("Ada", 1)
    bob = house.enroll("Bob", 2)
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    house.store.remove(bob)
    house.guard.reload()
    assert house.strike.released


def test_reload_new_resident_is_in_force_at_the_next_frame(house: House) -> None:
    house.stand(SimulatedFace(person(1)))
    house.feed(1)
    house.pass_time(4)
    house.enroll("Ada", 1)
    house.feed(3)
    assert house.line.levels == [False, True]


def test_reload_store_that_cannot_be_read_closes_the_door_for_faces(house: House) -> None:
    house.enroll("Ada", 1)
    house.store.broken = True
    roster = house.guard.reload()
    assert "cannot be read" in roster.closed
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    assert house.line.levels == [False]
    assert house.guard.door.unlock("parcel", "uid 0 pid 1") == 5.0
    assert house.line.levels == [False, True]


def test_reload_store_that_one_may_not_read_closes_the_door_for_faces(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.enroll("Ada", 1)

    def refuse(**_: object) -> None:
        raise NotAllowedError("read-only")

    monkeypatch.setattr(house.store, "templates", refuse)
    assert "cannot be read: read-only" in house.guard.reload().closed


def test_reload_unusable_template_shuts_out_its_resident_only_and_is_told_once(house: House) -> None:
    house.store.add_resident("Eve", None, [(ModelId("other@1"), person(3))])
    sealed = house.store.add_resident("Sal", None, [(house.vision.model_id, person(4))])
    house.store.sealed.add(house.store.templates()[-1].template_id)
    house.enroll("Ada", 1)
    house.guard.reload()
    refused = [event for event in house.events() if event.kind is EventKind.TEMPLATE_REFUSED]
    assert [event.detail["reason"] for event in refused] == ["not_authentic", "other_model"]
    assert refused[0].resident_id == sealed.resident_id
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    assert released(house.line.levels) == 1
    assert "2 resident(s) shut out by a template" in " ".join(house.guard.view().off)


def test_reload_second_template_of_a_sealed_one_s_resident_is_shut_out_too(house: House) -> None:
    model_id = house.vision.model_id
    house.store.add_resident("Sal", None, [(model_id, person(4)), (model_id, person(5))])
    house.store.sealed.add(house.store.templates()[-1].template_id)
    assert house.guard.reload().gallery.templates == 0


def test_reload_target_beyond_the_table_closes_the_door_for_faces() -> None:
    house = House(Settings.model_validate({"match": {"target_false_accepts": 1e-8}}))
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    house.feed(3)
    assert house.attempts() == [("denied", "no_threshold")]
    assert "no tau is known" in " ".join(house.guard.view().off)


def test_watch_camera_lost_in_mid_attempt_ends_it_and_says_so_once(house: House) -> None:
    house.enroll("Ada", 1)
    house.guard.watch_camera(OK)
    house.stand(SimulatedFace(person(1)))
    house.feed(2)
    house.guard.watch_camera(LOST)
    house.guard.watch_camera(LOST)
    assert house.attempts() == [("denied", "camera_lost")]
    kinds = [event.kind for event in house.events()]
    assert kinds == [EventKind.CAMERA_LOST, EventKind.ATTEMPT]
    assert "camera lost: unplugged" in " ".join(house.guard.view().off)
    house.guard.watch_camera(replace(LOST, state=CameraState.OK))
    assert house.events()[-1].kind is EventKind.CAMERA_BACK
    house.feed(3)
    assert house.line.levels == [False, True]


def test_watch_camera_loss_between_two_looks_still_begins_anew(house: House) -> None:
    house.enroll("Ada", 1)
    house.guard.watch_camera(OK)
    house.stand(SimulatedFace(person(1)))
    house.feed(2)
    house.guard.watch_camera(replace(OK, losses=1))
    assert house.attempts() == [("denied", "camera_lost")]
    frame = house.frame()
    assert house.guard.handle(replace(frame, sequence=1)) is Disposal.DECIDED
    for sequence in (2, 3):
        house.clock.advance(PERIOD_S)
        house.guard.handle(replace(house.frame(), sequence=sequence))
    assert house.line.levels == [False, True]


def test_end_visit_at_a_stop_records_the_attempt(house: House) -> None:
    house.enroll("Ada", 1)
    house.stand(SimulatedFace(person(1)))
    house.feed(1)
    house.guard.end_visit(Reason.STOPPING)
    assert house.attempts() == [("denied", "stopping")]


def test_unlock_by_hand_releases_and_says_who_and_why(house: House) -> None:
    assert house.guard.door.unlock("parcel", "uid 1000 pid 77") == 5.0
    (event,) = house.events()
    assert event.kind is EventKind.MANUAL_RELEASE
    assert event.detail == {"reason": "parcel", "actor": "uid 1000 pid 77", "release_s": 5.0}


def test_unlock_without_reason_is_refused(house: House) -> None:
    with pytest.raises(UsageError):
        house.guard.door.unlock(" ", "uid 1000 pid 77")
    assert house.line.levels == [False]


def test_unlock_strike_that_fails_is_recorded_and_raised(house: House) -> None:
    house.line.broken = True
    with pytest.raises(StrikeError):
        house.guard.door.unlock("parcel", "uid 1000 pid 77")
    assert [event.kind for event in house.events()] == [EventKind.STRIKE_FAULT]


def test_view_shows_look_threshold_rate_and_what_is_off(house: House) -> None:
    house.enroll("Ada", 1)
    house.guard.watch_camera(OK)
    house.stand(SimulatedFace(person(2), quality=GOOD))
    house.feed(31)
    view = house.guard.view()
    assert view.look is not None
    assert view.look.distance_sq == pytest.approx(2.0)
    assert view.rate_hz == pytest.approx(15.0, rel=0.01)
    assert view.threshold is not None
    assert view.disposals == {"decided": 31}
    status = view.as_status()
    assert {"door", "strike", "contact", "camera", "liveness", "model", "tau", "off"} <= status.keys()
    assert (status["strike"], status["camera"], status["contact"]) == ("locked", "ok", None)
    assert "distance" not in json.dumps(status)
    assert view.as_line() == "locked, camera ok"
    house.stand()
    house.pass_time(5)
    assert house.guard.view().look is None
    assert house.guard.view().rate_hz == 0.0


def test_view_names_a_tau_set_by_hand_and_an_empty_house() -> None:
    house = House(Settings.model_validate({"match": {"tau": 1.1}}))
    house.guard.reload()
    off = " ".join(house.guard.view().off)
    assert "tau is set by hand" in off
    assert "nobody is enrolled" in off
    assert "camera starting" in off


def test_view_before_the_first_reload_says_starting() -> None:
    view = House().guard.view()
    assert "faces do not open the door: starting" in view.off
    assert view.as_status()["tau"] is None
