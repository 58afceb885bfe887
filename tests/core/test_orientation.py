"""How a camera hangs, held against turning real arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorguard.core.model import Box
from doorguard.core.orientation import as_fraction, native_box

ROTATIONS = st.sampled_from([0, 90, 180, 270])


@given(ROTATIONS, st.booleans(), st.integers(0, 7), st.integers(0, 5), st.integers(1, 3), st.integers(1, 3))
def test_native_box_covers_the_pixels_that_become_the_upright_box(
    rotation: int, mirror: bool, left: int, top: int, width: int, height: int
) -> None:
    """Mark the box in the native array, turn and mirror the array: it must lie where it was asked."""
    native = np.zeros((8, 10), int)
    upright = np.rot90(native, -rotation // 90)
    box = Box(left % upright.shape[1], top % upright.shape[0], width, height)
    inside = as_fraction(box, upright.shape[1], upright.shape[0])
    found = native_box(inside, rotation_deg=rotation, mirror=mirror)
    x, y = round(found.x * 10), round(found.y * 8)
    native[y : y + round(found.height * 8), x : x + round(found.width * 10)] = 1
    turned = np.rot90(native, -rotation // 90)
    turned = turned[:, ::-1] if mirror else turned
    expected = np.zeros_like(turned)
    expected[int(box.y) : int(box.y + height), int(box.x) : int(box.x + width)] = 1
    assert np.array_equal(turned, expected)


@given(ROTATIONS, st.booleans())
def test_native_box_whole_picture_stays_whole(rotation: int, mirror: bool) -> None:
    whole = Box(0.0, 0.0, 1.0, 1.0)
    assert native_box(whole, rotation_deg=rotation, mirror=mirror) == whole


def test_native_box_crooked_angle_raises() -> None:
    with pytest.raises(ValueError, match="not by 45"):
        native_box(Box(0, 0, 1, 1), rotation_deg=45, mirror=False)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(10, 20, 30, 40), Box(0.1, 0.2, 0.3, 0.4)),
        (Box(-10, -10, 20, 20), Box(0.0, 0.0, 0.1, 0.1)),
        (Box(90, 90, 50, 50), Box(0.9, 0.9, 0.1, 0.1)),
        (Box(-50, 10, 20, 20), Box(0.0, 0.1, 0.0, 0.2)),
        (Box(10, 10, -5, -5), Box(0.1, 0.1, 0.0, 0.0)),
    ],
)
def test_as_fraction_is_cut_at_the_edges(box: Box, expected: Box) -> None:
    found = as_fraction(box, 100, 100)
    assert (found.x, found.y, found.width, found.height) == pytest.approx(
        (expected.x, expected.y, expected.width, expected.height)
    )
