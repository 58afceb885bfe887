"""Cutting squares: the right pixels, at every scale, and always the wanted size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorguard.vision.warp import cut, invert, scaled


def similarity(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, x], [sin, cos, y]])


def gradient(height: int, width: int) -> np.ndarray:
    ys, xs = np.mgrid[:height, :width]
    return np.stack((xs * 250 / width, ys * 250 / height, np.full_like(xs, 60)), axis=-1).astype(np.uint8)


@given(scale=st.floats(0.001, 100), angle=st.floats(-4, 4), x=st.floats(-900, 900), y=st.floats(-900, 900))
def test_invert_undoes_a_transform(scale: float, angle: float, x: float, y: float) -> None:
    matrix = similarity(scale, angle, x, y)
    whole, back = (np.vstack((part, [0, 0, 1])) for part in (matrix, invert(matrix)))
    np.testing.assert_allclose(whole @ back, np.eye(3), atol=1e-6)


@pytest.mark.parametrize("reduction", [0.5, 1.0, 1.9, 2.5, 3.7, 9.3])
def test_cut_reads_the_right_place_at_every_reduction(reduction: float) -> None:
    image = gradient(1600, 1600)
    matrix = similarity(1 / reduction, 0.4, 0, 0)
    matrix[:, 2] = 50 - matrix[:, :2] @ (800, 800)
    crop = cut(image, matrix, 100)
    for point in ((50, 50), (20, 70), (80, 25)):
        x, y = invert(matrix) @ (*point, 1)
        seen = crop[point[1], point[0], :2].astype(float)
        np.testing.assert_allclose(seen, (x * 250 / 1600, y * 250 / 1600), atol=1.5)


def test_cut_of_fine_noise_far_reduced_is_grey() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), dtype=np.uint8)
    crop = cut(noise, similarity(0.06, 0.2, 10, 0), 100)[40:60, 40:60]
    assert crop.std() < 15
    assert cv2.warpAffine(noise, similarity(0.06, 0.2, 10, 0), (100, 100))[40:60, 40:60].std() > 40


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    scale=st.floats(0.001, 50),
    x=st.floats(-1e5, 1e5),
    y=st.floats(-1e5, 1e5),
)
def test_cut_never_yields_an_empty_crop(height: int, width: int, scale: float, x: float, y: float) -> None:
    crop = cut(np.full((height, width, 3), 9, np.uint8), similarity(scale, 1.0, x, y), 32)
    assert crop.shape == (32, 32, 3)
    assert crop.dtype == np.uint8


def test_cut_outside_the_frame_is_black() -> None:
    assert not cut(gradient(100, 100), similarity(0.1, 0, 5000, 5000), 32).any()


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3), (640, 480), (77, 31)])
def test_scaled_keeps_the_mean_and_gives_the_size(size: tuple[int, int]) -> None:
    image = gradient(*size)
    small = scaled(image, 20, 10)
    assert small.shape == (10, 20, 3)
    assert abs(float(small.mean()) - float(image.mean())) < 6
