"""The words of the method that do arithmetic or leave the program."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorguard.core.model import Box, Resident, ResidentId

sides = st.floats(0.1, 500)
boxes = st.builds(Box, st.floats(-500, 500), st.floats(-500, 500), sides, sides)


@given(boxes, boxes)
def test_box_iou_is_symmetric_and_a_share(left: Box, right: Box) -> None:
    assert left.iou(right) == pytest.approx(right.iou(left))
    assert 0.0 <= left.iou(right) <= 1.0 + 1e-9


@given(boxes)
def test_box_iou_with_itself_is_one_and_far_away_nothing(box: Box) -> None:
    assert box.iou(box) == pytest.approx(1.0)
    assert box.iou(Box(box.x + 1000, box.y, box.width, box.height)) == 0.0


def test_box_iou_half_covered_is_a_third() -> None:
    assert Box(0, 0, 10, 10).iou(Box(5, 0, 10, 10)) == pytest.approx(1 / 3)


@pytest.mark.parametrize("empty", [Box(1, 1, 0, 5), Box(1, 1, -3, 5), Box(1, 1, -3, -5)])
def test_box_empty_or_inverted_has_no_area_and_no_overlap(empty: Box) -> None:
    assert empty.area == 0.0
    assert empty.iou(empty) == 0.0
    assert not math.isnan(empty.iou(Box(0, 0, 10, 10)))


def test_box_centre_is_its_middle() -> None:
    assert Box(10, 20, 4, 6).centre == (12, 23)


def test_resident_as_json_tells_when_and_who_agreed() -> None:
    created = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    resident = Resident(ResidentId("a" * 16), "Ada", True, created, "Ada, on paper", created, templates=2)
    told = resident.as_json()
    assert (told["id"], told["name"], told["enabled"], told["templates"]) == ("a" * 16, "Ada", True, 2)
    assert told["created"] == "2026-01-02T03:04:05+00:00"
    assert told["consent"] == "Ada, on paper"
    assert told["consent_at"] == "2026-01-02T03:04:05+00:00"


def test_resident_as_json_without_consent_says_so() -> None:
    resident = Resident(ResidentId("a" * 16), "Ada", False, datetime(2026, 1, 2, tzinfo=UTC))
    told = resident.as_json()
    assert told["consent"] is told["consent_at"] is None
    assert told["enabled"] is False
