"""Turn the head in a photograph, by the face mesh's own depth: an approximation that says how yaw hurts.

Every mesh triangle is carried to where the turned mesh has it, nearer ones over farther ones; what the turn
hides is hidden, and the surroundings stretch up to fixed points. What it would bring into view does not
exist, so it is smeared from what is there: at large angles real turned heads differ.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from doorguard.core.model import Image, Points
from doorguard.vision.landmarks import LEFT_CHEEK, RIGHT_CHEEK
from doorguard.vision.quality import head_pose

_SURROUNDINGS = 0.6
"""How far beyond the mesh the picture gives way, in widths of the mesh."""
_FIXED_POINTS = 24


def turned(image: Image, points: Points, degrees: float) -> Image:
    """Return the picture with the head turned further to the side it is turned to already.

    Parameters
    ----------
    image : RGB uint8.
    points : `(468, 3)` mesh, frame pixels.
    degrees : by how much, 0 to 60.

    """
    height, width = image.shape[:2]
    angle = math.copysign(math.radians(degrees), head_pose(points)[0])
    inside = (points[:, 0] >= 0) & (points[:, 0] < width) & (points[:, 1] >= 0) & (points[:, 1] < height)
    mesh = points[inside].astype(np.float64)
    centre = (points[LEFT_CHEEK] + points[RIGHT_CHEEK]).astype(np.float64) / 2
    fixed = _ring(points, width, height)
    source = np.concatenate([mesh, fixed])
    target = np.concatenate([_rotated(mesh, centre, angle), fixed])
    triangles = _triangles(source[:, :2], width, height)
    order = np.argsort(-target[triangles, 2].mean(axis=1), kind="stable")
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    for triangle in triangles[order]:
        _carry(source[triangle, :2], target[triangle, :2], (across, down))
    return cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(
        np.uint8, copy=False
    )


def _rotated(points: NDArray[np.float64], centre: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Rotate about the vertical through `centre`; a positive angle turns the nose to the image's right."""
    x, y, z = (points - centre).T
    turned_x = x * math.cos(angle) - z * math.sin(angle)
    turned_z = x * math.sin(angle) + z * math.cos(angle)
    return np.stack([turned_x, y, turned_z], axis=1) + centre


def _ring(points: Points, width: int, height: int) -> NDArray[np.float64]:
    """Return points around the mesh that stay, behind all of it, kept inside the picture."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    radius = (0.5 + _SURROUNDINGS) * (high - low)
    turns = np.linspace(0, 2 * np.pi, _FIXED_POINTS, endpoint=False)
    ring = (low + high) / 2 + np.stack([np.cos(turns), np.sin(turns)], axis=1) * radius
    ring = np.clip(ring, 0, np.array([width, height]) - 1.0)
    depth = np.full((_FIXED_POINTS, 1), float(points[:, 2].max()))
    return np.concatenate([ring, depth], axis=1)


def _triangles(points: NDArray[np.float64], width: int, height: int) -> NDArray[np.intp]:
    """Return the Delaunay triangles as indices of the points, `(n, 3)`."""
    plane = cv2.Subdiv2D((0, 0, width, height))
    rounded = points.astype(np.float32)
    index = {tuple(point): number for number, point in enumerate(rounded.tolist())}
    for point in index:
        plane.insert(point)
    corners = np.asarray(plane.getTriangleList()).reshape(-1, 3, 2).tolist()
    known = [[index.get(tuple(corner)) for corner in triangle] for triangle in corners]
    return np.array([triangle for triangle in known if None not in triangle], dtype=np.intp).reshape(-1, 3)


def _carry(
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    maps: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    """Write where the pixels of the target triangle come from; one seen from behind is left out."""
    if _area(source) * _area(target) <= 0:
        return
    height, width = maps[0].shape
    left, top = np.maximum(np.floor(target.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(target.max(axis=0)).astype(int) + 1, (width, height))
    if left >= right or top >= bottom:
        return
    x, y = np.meshgrid(np.arange(left, right), np.arange(top, bottom))
    (ax, ay), (bx, by), (cx, cy) = target
    twice = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    beta = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / twice
    gamma = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / twice
    within = (beta >= -1e-6) & (gamma >= -1e-6) & (beta + gamma <= 1 + 1e-6)
    for axis, chart in enumerate(maps):
        a, b, c = source[:, axis]
        values = a + beta * (b - a) + gamma * (c - a)
        chart[top:bottom, left:right][within] = values[within]


def _area(triangle: NDArray[np.float64]) -> float:
    (ax, ay), (bx, by), (cx, cy) = triangle.tolist()
    return float((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) / 2
