"""The motion gate: silent on a still scene and on changes of light, awake for whatever moves."""

from __future__ import annotations

import numpy as np
import pytest
from standins.house import flat

from doorguard.config import MotionSettings
from doorguard.core.model import Image
from doorguard.daemon.motion import MotionGate, shrink

SIZE = (480, 640)
PERIOD_S = 1 / 15


def _noisy(seed: int, sigma: float, level: float = 110.0) -> Image:
    noise = np.random.default_rng(seed).normal(level, sigma, (*SIZE, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def _gate(**settings: object) -> MotionGate:
    return MotionGate(MotionSettings.model_validate({"look_every_s": 60.0, **settings}))


def test_worth_looking_first_frame_is_looked_at() -> None:
    assert _gate().worth_looking(flat(100, SIZE), 0.0)


@pytest.mark.parametrize("sigma", [2.0, 8.0, 12.0])
def test_worth_looking_still_scene_with_noise_stays_quiet(sigma: float) -> None:
    gate = _gate()
    found = [gate.worth_looking(_noisy(seed, sigma), seed * PERIOD_S) for seed in range(30)]
    assert found == [True] + [False] * 29


@pytest.mark.parametrize("step", [0.5, 2.0, 15.0, -40.0])
def test_worth_looking_light_changing_everywhere_stays_quiet(step: float) -> None:
    gate = _gate()
    gate.worth_looking(_noisy(1, 3.0), 0.0)
    assert not gate.worth_looking(_noisy(2, 3.0, 110.0 + step), PERIOD_S)


def test_worth_looking_face_of_sixty_pixels_is_seen() -> None:
    gate = _gate()
    gate.worth_looking(_noisy(1, 3.0), 0.0)
    picture = _noisy(2, 3.0)
    picture[200:260, 300:360] = 140
    assert gate.worth_looking(picture, PERIOD_S)


def test_worth_looking_thing_that_stays_becomes_background() -> None:
    gate = _gate()
    picture = flat(110, SIZE)
    gate.worth_looking(picture, 0.0)
    parked = picture.copy()
    parked[200:300, 300:400] = 140
    found = [gate.worth_looking(parked, 0.1 * step) for step in range(1, 300)]
    assert found[0]
    assert not found[-1]


def test_worth_looking_every_so_often_whatever_it_sees() -> None:
    gate = _gate(look_every_s=1.0)
    picture = flat(110, SIZE)
    found = [gate.worth_looking(picture, step / 8) for step in range(25)]
    assert [step for step, worth in enumerate(found) if worth] == [0, 8, 16, 24]


def test_worth_looking_other_size_begins_anew() -> None:
    gate = _gate()
    gate.worth_looking(flat(100, (480, 640)), 0.0)
    assert gate.worth_looking(flat(100, (240, 320)), PERIOD_S)


def test_worth_looking_switched_off_is_always_true() -> None:
    gate = _gate(enabled=False)
    assert all(gate.worth_looking(flat(100, SIZE), step * PERIOD_S) for step in range(5))


def test_shrink_averages_cells_and_leaves_a_rest_out() -> None:
    picture = np.zeros((19, 26, 3), dtype=np.uint8)
    picture[:8, 8:16, 1] = 200
    picture[..., 0] = 77
    cells = shrink(picture)
    assert cells.dtype == np.float32
    assert cells.tolist() == [[0.0, 200.0, 0.0], [0.0, 0.0, 0.0]]


def test_shrink_full_white_does_not_overflow() -> None:
    assert shrink(flat(255, (16, 16))).tolist() == [[255.0, 255.0], [255.0, 255.0]]


def test_shrink_equals_the_mean_of_every_second_pixel() -> None:
    picture = np.random.default_rng(5).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    expected = picture[::2, ::2, 1].reshape(8, 4, 12, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(shrink(picture), expected, rtol=1e-6)


def test_worth_looking_visitor_who_fills_most_of_the_frame_is_seen() -> None:
    gate = _gate()
    gate.worth_looking(_noisy(1, 3.0), 0.0)
    picture = _noisy(2, 3.0)
    picture[:, 100:540] = _noisy(3, 40.0, 170.0)[:, 100:540]
    assert gate.worth_looking(picture, PERIOD_S)


def test_worth_looking_face_in_a_noisy_night_is_seen() -> None:
    gate = _gate()
    gate.worth_looking(_noisy(1, 12.0, 40.0), 0.0)
    picture = _noisy(2, 12.0, 40.0)
    picture[200:300, 300:400] += 35
    assert gate.worth_looking(picture, PERIOD_S)
