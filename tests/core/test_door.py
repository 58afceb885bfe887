"""The pulse: it begins, it ends, and nothing holds it beyond the cap."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorguard import config
from doorguard.core import door
from doorguard.core.door import HARD_CAP_S, Door, Pulse


def test_hard_cap_is_the_same_in_config_and_core() -> None:
    assert config.HARD_CAP_S == door.HARD_CAP_S == 30.0


def test_level_before_any_release_is_inactive() -> None:
    assert not Door().level(0.0)


def test_release_is_active_from_its_start_until_just_before_its_end() -> None:
    subject = Door()
    assert subject.release(10.0, 5.0) == Pulse(10.0, 15.0)
    assert [subject.level(at) for at in (9.9, 10.0, 14.99, 15.0, 100.0)] == [False, True, True, False, False]


def test_release_longer_than_the_cap_is_cut() -> None:
    assert Door().release(10.0, 1e9) == Pulse(10.0, 10.0 + HARD_CAP_S)


def test_release_during_a_pulse_lengthens_it_to_at_most_the_cap_from_its_own_start() -> None:
    subject = Door()
    subject.release(0.0, 5.0)
    assert subject.release(3.0, 5.0) == Pulse(0.0, 8.0)
    assert subject.release(4.0, 1.0) == Pulse(0.0, 8.0), "a shorter release never shortens"
    assert subject.release(7.0, 1e9) == Pulse(0.0, HARD_CAP_S)
    assert subject.release(29.0, 5.0) == Pulse(0.0, HARD_CAP_S)


def test_release_after_a_pulse_begins_another() -> None:
    subject = Door()
    subject.release(0.0, 5.0)
    assert subject.release(5.0, 2.0) == Pulse(5.0, 7.0)


@pytest.mark.parametrize(
    ("now_s", "duration_s"),
    [(0.0, 0.0), (0.0, -1.0), (0.0, math.nan), (0.0, math.inf), (math.nan, 1.0), (math.inf, 1.0)],
)
def test_release_without_a_finite_time_above_zero_is_refused_and_changes_nothing(
    now_s: float, duration_s: float
) -> None:
    subject = Door()
    subject.release(0.0, 2.0)
    with pytest.raises(ValueError, match="no pulse"):
        subject.release(now_s, duration_s)
    assert subject.level(1.0)
    assert not subject.level(2.0)


def test_level_at_a_time_that_is_no_number_is_inactive() -> None:
    subject = Door()
    subject.release(0.0, 2.0)
    assert not subject.level(math.nan)


def test_relock_ends_the_pulse_and_a_second_relock_does_nothing() -> None:
    subject = Door()
    subject.release(0.0, 5.0)
    subject.relock()
    subject.relock()
    assert not subject.level(1.0)


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0.001, 1e6)), min_size=1, max_size=20))
def test_no_sequence_of_releases_holds_one_pulse_beyond_the_cap(asked: list[tuple[float, float]]) -> None:
    subject, now_s = Door(), 0.0
    for pause_s, duration_s in asked:
        now_s += pause_s
        pulse = subject.release(now_s, duration_s)
        assert pulse.started_s <= now_s
        assert pulse.until_s <= pulse.started_s + HARD_CAP_S
        assert not subject.level(pulse.started_s + HARD_CAP_S)
