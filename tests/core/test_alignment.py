"""The similarity transform, against Umeyama's own construction and in its corners."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorguard.core.alignment import alignment_points, umeyama

COORDINATE = st.floats(-500, 500, allow_nan=False, width=32)
POINTS = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=5, max_size=5).map(np.array)


def by_svd(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Umeyama 1991, equations 40 to 43, with the singular value decomposition of the paper."""
    origin, goal = source.mean(axis=0), target.mean(axis=0)
    left, singular, right = np.linalg.svd((target - goal).T @ (source - origin) / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    turn = (left * signs) @ right
    turn *= (singular * signs).sum() / ((source - origin) ** 2).sum() * len(source)
    return np.column_stack((turn, goal - turn @ origin))


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@given(angle=st.floats(-3.1, 3.1), scale=st.floats(0.01, 100), x=COORDINATE, y=COORDINATE)
def test_umeyama_of_a_similar_copy_finds_its_transform(
    angle: float, scale: float, x: float, y: float
) -> None:
    source = np.array([[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]])
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    truth = np.array([[cos, -sin, x], [sin, cos, y]])
    np.testing.assert_allclose(umeyama(source, apply(truth, source)), truth, rtol=1e-6, atol=1e-6 * scale)


@given(source=POINTS, target=POINTS)
def test_umeyama_equals_the_papers_construction(source: np.ndarray, target: np.ndarray) -> None:
    try:
        found = umeyama(source, target)
    except ValueError:
        return
    expected = by_svd(source, target)
    error = ((apply(found, source) - target) ** 2).sum()
    least = ((apply(expected, source) - target) ** 2).sum()
    assert error <= least * (1 + 1e-6) + 1e-3
    assert found[0, 0] == found[1, 1]
    assert found[0, 1] == -found[1, 0]


def test_umeyama_of_a_mirrored_face_does_not_mirror() -> None:
    source = np.array([[0.0, 0.0], [10.0, 0.0], [3.0, 9.0]])
    matrix = umeyama(source, source * (-1, 1) + (10, 0))
    assert np.linalg.det(matrix[:, :2]) > 0


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.full((5, 2), 7.0), np.arange(10.0).reshape(5, 2)),
        (np.arange(10.0).reshape(5, 2), np.full((5, 2), 7.0)),
        (np.full((5, 2), np.nan), np.arange(10.0).reshape(5, 2)),
        (np.arange(10.0).reshape(5, 2), np.full((5, 2), np.inf)),
        (np.arange(10.0).reshape(5, 2), np.arange(8.0).reshape(4, 2)),
        (np.arange(15.0).reshape(5, 3), np.arange(15.0).reshape(5, 3)),
        (np.arange(2.0), np.arange(2.0)),
        (np.zeros((1, 2)), np.zeros((1, 2))),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_umeyama_without_a_solution_raises(source: np.ndarray, target: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"points|sets"):
        umeyama(source, target)


def test_alignment_points_are_means_of_their_groups() -> None:
    mesh = np.arange(468 * 3, dtype=np.float32).reshape(468, 3)
    points = alignment_points(mesh, ((0, 2), (5,)))
    np.testing.assert_array_equal(points, [[3.0, 4.0], [15.0, 16.0]])
    assert points.dtype == np.float64
