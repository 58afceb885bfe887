"""Geometry of alignment: five points of the face mesh onto the five points the encoder was trained with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_DEGENERATE = 1e-9
"""Smallest spread of points, in squared pixels, that still defines a direction and a size."""


def umeyama(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the similarity transform that carries `source` onto `target` with the least squared error.

    In the plane Umeyama's solution (IEEE PAMI 13(4), 1991) needs no singular value decomposition: written as
    complex numbers, centred points obey `target = a · source`, and least squares gives
    `a = Σ conj(source) · target / Σ |source|²`, whose modulus is the scale and whose angle is the rotation.
    A reflection is never part of it, so a mirrored face keeps its handedness.

    Parameters
    ----------
    source, target : shape `(n, 2)` with n >= 2, pixels.

    Returns
    -------
    Shape `(2, 3)` float64: `target ≈ matrix[:, :2] @ source + matrix[:, 2]`.

    Raises
    ------
    ValueError : shapes differ, a value is not finite, or the points lie so that no transform exists (all in
        one place).

    """
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise ValueError(f"need two equal sets of at least two points, got {source.shape}, {target.shape}")
    origin = source.mean(axis=0, dtype=np.float64)
    goal = target.mean(axis=0, dtype=np.float64)
    (sx, sy), (tx, ty) = (source - origin).T, (target - goal).T
    spread = float(sx @ sx + sy @ sy)
    if not _DEGENERATE < spread < np.inf:
        raise ValueError("the points to align lie in one place or are not finite")
    real, imaginary = float(sx @ tx + sy @ ty) / spread, float(sx @ ty - sy @ tx) / spread
    if not _DEGENERATE < real * real + imaginary * imaginary < np.inf:
        raise ValueError("no similarity transform fits the points")
    turn = np.array([[real, -imaginary], [imaginary, real]])
    return np.column_stack((turn, goal - turn @ origin))


def alignment_points(
    mesh_points: NDArray[np.floating], mesh_indices: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Return the alignment points of a mesh, each the mean of one or more mesh points.

    Parameters
    ----------
    mesh_points : shape `(468, 2)` or `(468, 3)`, frame pixels.
    mesh_indices : for every alignment point the mesh points it is the mean of (model profile).

    Returns
    -------
    Shape `(len(mesh_indices), 2)` float64, frame pixels.

    """
    sizes = np.array([len(indices) for indices in mesh_indices])
    chosen = mesh_points[[index for indices in mesh_indices for index in indices], :2].astype(np.float64)
    sums: NDArray[np.float64] = np.add.reduceat(chosen, np.cumsum(sizes) - sizes)
    means: NDArray[np.float64] = sums / sizes[:, None]
    return means
