"""The exposure loop on a model of a face and a camera."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorguard.core.exposure import (
    DEADBAND_LUMA,
    FORGET_S,
    INTERVAL_S,
    LIMIT_EV,
    STEP_MAX_EV,
    TARGET_LUMA,
    FaceExposure,
)


def luma_at(reflectance: float, ev: float) -> float:
    """A face's grey level at an exposure: gamma 2.2, clipped."""
    return min(255.0, 255.0 * (reflectance * 2.0**ev) ** (1 / 2.2))


@given(st.floats(0.02, 0.9))
def test_update_any_face_within_reach_settles_without_overshoot(reflectance: float) -> None:
    loop = FaceExposure()
    start = luma_at(reflectance, 0.0)
    for step in range(60):
        loop.update(luma_at(reflectance, loop.ev), step * INTERVAL_S)
    end = luma_at(reflectance, loop.ev)
    assert abs(end - TARGET_LUMA) <= DEADBAND_LUMA or abs(loop.ev) == LIMIT_EV
    assert abs(end - TARGET_LUMA) <= abs(start - TARGET_LUMA) + 1e-9


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), max_size=40))
def test_update_any_input_stays_in_range_and_steps_are_small(lumas: list[float | None]) -> None:
    loop = FaceExposure(-1.0, 1.5)
    before = 0.0
    for index, luma in enumerate(lumas):
        loop.update(luma, index * INTERVAL_S)
        assert -1.0 <= loop.ev <= 1.5
        assert abs(loop.ev - before) <= STEP_MAX_EV + 1e-9
        before = loop.ev


def test_update_within_the_deadband_changes_nothing() -> None:
    loop = FaceExposure()
    assert loop.update(TARGET_LUMA + DEADBAND_LUMA, 0.0) is None
    assert loop.update(TARGET_LUMA - DEADBAND_LUMA, 1.0) is None
    assert loop.ev == 0.0


def test_update_too_soon_after_a_step_waits() -> None:
    loop = FaceExposure()
    assert loop.update(40.0, 0.0) == STEP_MAX_EV
    assert loop.update(40.0, INTERVAL_S / 2) is None
    assert loop.update(40.0, INTERVAL_S) == 2 * STEP_MAX_EV


def test_update_face_gone_returns_to_zero_after_a_while() -> None:
    loop = FaceExposure()
    loop.update(40.0, 0.0)
    assert loop.update(None, FORGET_S - 0.01) is None
    assert loop.update(None, FORGET_S) == 0.0
    assert loop.update(None, 2 * FORGET_S) is None


def test_update_unmeasurable_face_counts_as_none() -> None:
    loop = FaceExposure()
    assert loop.update(math.nan, 0.0) is None


def test_limits_wider_than_allowed_are_narrowed() -> None:
    loop = FaceExposure(-8.0, 8.0)
    for step in range(100):
        loop.update(0.0, step * INTERVAL_S)
    assert loop.ev == pytest.approx(LIMIT_EV)
