"""Who the visitor is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorguard.core.model import Box
from doorguard.core.tracking import Tracker


def _face(x: float, y: float = 200.0, size: float = 100.0) -> Box:
    return Box(x - size / 2, y - size / 2, size, size)


def _visitors(tracker: Tracker, frames: Sequence[Sequence[Box]], step_s: float = 0.1) -> list[int | None]:
    """Run frames through and return the visitor's track id in each."""
    tracks = [tracker.update(boxes, number * step_s) for number, boxes in enumerate(frames)]
    return [None if track is None else track.track_id for track in tracks]


def test_update_nobody_is_nobody() -> None:
    assert Tracker(0.5).update([], 0.0) is None


def test_update_one_face_keeps_its_track_and_its_start() -> None:
    tracker = Tracker(0.5)
    first = tracker.update([_face(100)], 3.0)
    second = tracker.update([_face(110)], 3.1)
    assert first is not None
    assert second is not None
    assert (second.track_id, second.index, second.started_s) == (first.track_id, 0, 3.0)


def test_update_largest_face_is_the_visitor_wherever_it_stands_in_the_list() -> None:
    track = Tracker(0.5).update([_face(100, size=50), _face(400, size=120), _face(600, size=80)], 0.0)
    assert track is not None
    assert track.index == 1


def test_update_slightly_larger_neighbour_does_not_take_over() -> None:
    frames = [[_face(100, size=100), _face(400, size=99)]]
    frames += [[_face(100, size=100), _face(400, size=size)] for size in (103, 97, 110, 113, 98)]
    assert _visitors(Tracker(0.5), frames) == [1] * 6


def test_update_clearly_larger_face_takes_over_and_keeps_its_own_track() -> None:
    frames = [[_face(100), _face(400, size=size)] for size in (90, 105, 120, 125)]
    assert _visitors(Tracker(0.5), frames) == [1, 1, 2, 2]


def test_update_short_absence_keeps_the_track_and_a_long_one_ends_it() -> None:
    tracker = Tracker(0.5)
    assert tracker.update([_face(100)], 0.0) is not None
    assert tracker.update([], 0.3) is None
    back = tracker.update([_face(100)], 0.5)
    assert back is not None
    assert back.track_id == 1
    later = tracker.update([_face(100)], 1.01)
    assert later is not None
    assert later.track_id == 2, "0.51 s out of sight is more than 0.5 s"


def test_update_neighbour_does_not_become_the_hidden_visitor() -> None:
    pair = [_face(200, size=120), _face(320, size=100)]
    frames = [pair, [pair[1]], [pair[1]], pair]
    assert _visitors(Tracker(0.5), frames) == [1, None, None, 1]


def test_update_neighbour_becomes_the_visitor_when_he_is_gone_for_good() -> None:
    pair = [_face(200, size=120), _face(320, size=100)]
    assert _visitors(Tracker(0.25), [pair, *[[pair[1]]] * 5]) == [1, None, None, 2, 2, 2]


def test_update_neighbour_stepping_into_the_visitors_place_keeps_his_own_track() -> None:
    frames = [[_face(200, size=120), _face(330, size=110)]]
    frames += [[_face(330 - 25 * number, size=110)] for number in range(1, 6)]
    assert _visitors(Tracker(0.35), frames) == [1, None, None, None, 2, 2]


def test_update_order_of_boxes_does_not_matter() -> None:
    tracker = Tracker(0.5)
    for number in range(8):
        boxes = [_face(200 + 3 * number, size=120), _face(330 + 3 * number, size=110)]
        track = tracker.update(boxes[:: -1 if number % 2 else 1], number * 0.1)
        assert track is not None
        assert (track.track_id, track.index) == (1, number % 2)


def test_update_fast_approach_keeps_the_track() -> None:
    frames = [[_face(320, 240, 60 * 1.25**number)] for number in range(8)]
    assert set(_visitors(Tracker(0.5), frames)) == {1}


def test_update_sideways_stride_of_half_a_face_keeps_the_track_and_a_longer_one_does_not() -> None:
    assert _visitors(Tracker(0.5, iou_min=0.9), [[_face(100)], [_face(149)]]) == [1, 1]
    assert _visitors(Tracker(0.5), [[_face(100)], [_face(220)]]) == [1, None]


def test_update_face_of_another_size_in_the_same_place_is_somebody_else() -> None:
    assert _visitors(Tracker(0.5), [[_face(100, size=60)], [_face(100, size=200)]]) == [1, 2]


def test_update_new_face_beside_a_standing_visitor_gets_a_track_of_its_own() -> None:
    tracker = Tracker(0.5)
    tracker.update([_face(100)], 0.0)
    for number in (1, 2):
        track = tracker.update([_face(130), _face(100)], number * 0.1)
        assert track is not None
        assert (track.track_id, track.index) == (1, 1)


def test_update_one_face_found_twice_does_not_begin_tracks_for_ever() -> None:
    assert _visitors(Tracker(0.5), [[_face(100)] * 2, *[[_face(100)]] * 4]) == [1] * 5


@pytest.mark.parametrize(
    "box",
    [
        Box(0, 0, 0, 10),
        Box(0, 0, -5, 10),
        Box(0, 0, math.nan, 10),
        Box(0, 0, math.inf, 10),
    ],
)
def test_update_box_without_an_area_is_passed_over(box: Box) -> None:
    track = Tracker(0.5).update([box, _face(100)], 0.0)
    assert track is not None
    assert track.index == 1


def test_update_box_at_no_place_never_continues_a_track() -> None:
    lost = Box(math.nan, 0.0, 100.0, 100.0)
    assert _visitors(Tracker(0.5), [[_face(100)], [lost]]) == [1, None]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.tuples(st.floats(-18, 18), st.floats(-18, 18)),
            st.tuples(st.floats(-18, 18), st.floats(-18, 18)),
            st.booleans(),
            st.booleans(),
            st.booleans(),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_two_faces_side_by_side_never_swap(
    steps: list[tuple[tuple[float, float], tuple[float, float], bool, bool, bool]],
) -> None:
    """Two people sway around places one and a half faces apart, each now and then unseen."""
    tracker = Tracker(0.35)
    owner: dict[int, str] = {}
    for number, (left, right, left_seen, right_seen, swapped) in enumerate(steps):
        seen = [("left", _face(200 + left[0], 200 + left[1]))] if left_seen else []
        seen += [("right", _face(350 + right[0], 200 + right[1]))] if right_seen else []
        if swapped:
            seen.reverse()
        track = tracker.update([box for _, box in seen], number * 0.1)
        if track is not None:
            person = seen[track.index][0]
            assert owner.setdefault(track.track_id, person) == person
