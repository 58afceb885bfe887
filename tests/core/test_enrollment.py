"""The rules of enrolment."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from doorguard.core.enrollment import (
    NAME_MAX,
    STRANGER_FRAMES,
    LivePoses,
    check_name,
    find_lookalike,
    find_odd_pair,
    validate_encoding,
)
from doorguard.core.gallery import Gallery, Space
from doorguard.core.model import Encoding, ModelId, Quality, ResidentId, Template
from doorguard.errors import UsageError

MODEL = ModelId("facenet@0123456789ab")
DIM = 128
ANN, BEN = ResidentId("a" * 16), ResidentId("b" * 16)


def _at(distance_sq: float, axis: int = 1) -> Encoding:
    """An encoding at this D from the first axis."""
    encoding = np.zeros(DIM, dtype=np.float32)
    encoding[0] = 1 - distance_sq / 2
    encoding[axis] = np.sqrt(1 - encoding[0] ** 2)
    return encoding


def _pose(yaw_deg: float = 0.0, pitch_deg: float = 0.0) -> Quality:
    return Quality(120.0, 300.0, 128.0, yaw_deg, pitch_deg, 0.0, 1.0)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Ada", "Ada"),
        ("  Ada \u00a0  Lovelace ", "Ada Lovelace"),
        ("Jose\u0301", "Jos\u00e9"),
        ("علی\u200cرضا", "علی\u200cرضا"),
        ("7", "7"),
        ("x" * NAME_MAX, "x" * NAME_MAX),
    ],
)
def test_check_name_usable_name_is_returned_as_it_is_stored(typed: str, stored: str) -> None:
    assert check_name(typed) == stored


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("", "no letter"),
        ("   ", "no letter"),
        ("--", "no letter"),
        ("\u200c", "no letter"),
        ("x" * (NAME_MAX + 1), "61 characters"),
        ("a\nb", r"U\+000A"),
        ("a\x00b", r"U\+0000"),
        ("a\x1b[31mb", r"U\+001B"),
        ("a\u202eb", r"U\+202E"),
        ("a\u2066b", r"U\+2066"),
        ("a\u2028b", r"U\+2028"),
        ("a\ud800b", r"U\+D800"),
        ("0123456789abcdef", "resident's id"),
    ],
)
def test_check_name_unusable_name_is_refused(typed: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        check_name(typed)


def test_validate_encoding_returns_a_read_only_float32_copy() -> None:
    given = _at(0.5).astype(np.float64)
    encoding = validate_encoding(given, DIM)
    given[0] = 7.0
    assert encoding.dtype == np.float32
    assert not encoding.flags.writeable
    assert encoding[0] == np.float32(0.75)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (np.zeros(DIM), "not_unit"),
        (np.full(DIM, np.nan), "not_finite"),
        (_at(0.5)[:10], "wrong_length"),
        ([1.0], "wrong_length"),
        (["a"], "not made of numbers"),
        ([[1.0], [1.0, 2.0]], "not made of numbers"),
        (None, "wrong_length"),
    ],
)
def test_validate_encoding_anything_else_is_refused(values: object, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        validate_encoding(values, DIM)  # type: ignore[arg-type]


def _gallery() -> Gallery:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    templates = [Template(1, ANN, MODEL, _at(0.0), now), Template(2, BEN, MODEL, _at(2.0), now)]
    return Gallery.build(templates, Space(MODEL, DIM))[0]


def test_find_lookalike_names_the_nearest_of_all_encodings_and_the_boundary_counts() -> None:
    probes = [_at(0.5, axis=2), _at(0.25, axis=2)]
    gallery = _gallery()
    nearest_sq = gallery.compare(probes[1]).distance_sq
    assert nearest_sq == pytest.approx(0.25)
    found = find_lookalike(gallery, probes, limit_distance_sq=nearest_sq, ignore=None)
    assert found == (ANN, nearest_sq)


def test_find_lookalike_beyond_the_limit_is_nobody() -> None:
    assert find_lookalike(_gallery(), [_at(0.26, axis=2)], limit_distance_sq=0.25, ignore=None) is None


def test_find_lookalike_ignores_the_resident_himself() -> None:
    assert find_lookalike(_gallery(), [_at(0.1, axis=2)], limit_distance_sq=1.0, ignore=ANN) is None


def test_find_lookalike_empty_gallery_is_nobody() -> None:
    empty = Gallery.build([], Space(MODEL, DIM))[0]
    assert find_lookalike(empty, [_at(0.0)], limit_distance_sq=4.0, ignore=None) is None


def test_find_odd_pair_names_the_two_farthest_apart() -> None:
    encodings = [_at(0.0), _at(0.5, axis=2), _at(2.0, axis=3)]
    found = find_odd_pair(encodings, limit_distance_sq=1.5)
    assert found == (0, 2, 2.0)


def test_find_odd_pair_at_the_limit_itself_is_one_person() -> None:
    assert find_odd_pair([_at(0.0), _at(2.0)], limit_distance_sq=2.0) is None


@pytest.mark.parametrize("encodings", [[], [_at(0.0)]])
def test_find_odd_pair_fewer_than_two_make_no_pair(encodings: list[Encoding]) -> None:
    assert find_odd_pair(encodings, limit_distance_sq=0.0) is None


def test_live_poses_follow_the_hints_to_the_end() -> None:
    live = LivePoses(wanted=5, tau=1.0)
    told = []
    for pose in (_pose(), _pose(-8), _pose(9), _pose(0, 7), _pose(1, -8)):
        told.append(live.hint)
        assert live.offer(_at(0.3), pose)
    assert told == [
        "look straight into the camera",
        "turn your head a little to one side",
        "now a little to the other side",
        "lift your chin a little",
        "lower your chin a little",
    ]
    assert live.done
    assert live.hint == "done, thank you"
    assert len(live.encodings) == 5
    assert not live.offer(_at(0.3), _pose(20))


def test_live_poses_more_than_five_templates_ask_for_a_circle() -> None:
    live = LivePoses(wanted=6, tau=1.0)
    for pose in (_pose(), _pose(8), _pose(-9), _pose(0, 7), _pose(1, -8)):
        live.offer(_at(0.3), pose)
    assert live.hint == "move your head slowly in a small circle"
    assert not live.done


def test_live_poses_first_pose_must_be_straight() -> None:
    live = LivePoses(wanted=2, tau=1.0)
    assert not live.offer(_at(0.0), _pose(12.1))
    assert not live.offer(_at(0.0), _pose(0, -12.1))
    assert live.offer(_at(0.0), _pose(12.0, -12.0))


def test_live_poses_same_pose_again_tells_nothing_new() -> None:
    live = LivePoses(wanted=3, tau=1.0)
    assert live.offer(_at(0.0), _pose())
    assert not live.offer(_at(0.1), _pose(4.9))
    assert live.offer(_at(0.1), _pose(5.0))


def test_live_poses_distance_of_tau_itself_is_the_same_person() -> None:
    live = LivePoses(wanted=2, tau=2.0)
    live.offer(_at(0.0), _pose())
    assert live.offer(_at(2.0), _pose(8))


def test_live_poses_bad_frames_here_and_there_are_passed_over() -> None:
    live = LivePoses(wanted=9, tau=1.0)
    live.offer(_at(0.0), _pose())
    for yaw_deg in (6, 12, 18):
        for _ in range(STRANGER_FRAMES - 1):
            assert not live.offer(_at(1.5), _pose(-8))
        assert live.offer(_at(0.2), _pose(yaw_deg))
    assert live.restarts == 0


def test_live_poses_somebody_else_begins_anew() -> None:
    live = LivePoses(wanted=3, tau=1.0)
    live.offer(_at(0.0), _pose())
    live.offer(_at(0.1), _pose(8))
    for _ in range(STRANGER_FRAMES - 1):
        assert not live.offer(_at(1.5), _pose())
    assert live.offer(_at(1.5), _pose())
    assert live.restarts == 1
    assert [float(encoding[0]) for encoding in live.encodings] == [pytest.approx(0.25)]
