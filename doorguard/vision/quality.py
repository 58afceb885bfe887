"""The quality gate: what a face must show before it is worth encoding, and how to say what is missing."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from doorguard.config import QualitySettings
from doorguard.core.model import Image, Mesh, Quality, QualityFault
from doorguard.vision.landmarks import CHIN, FOREHEAD, LEFT_CHEEK, RIGHT_CHEEK, face_width

FACE_WIDTH_M = 0.14
"""Breadth of an adult's face at the cheekbones, metres (bizygomatic breadth, mean of men and women)."""

_PITCH_NEUTRAL_DEG = -6.0
"""The line from forehead to chin leans by this much on a face that looks straight ahead (median of 6,544
news pictures)."""


def measure(mesh: Mesh, crop: Image, frame_shape: tuple[int, ...]) -> Quality:
    """Measure one face.

    Parameters
    ----------
    mesh : its points in frame pixels.
    crop : the aligned RGB crop, uint8.
    frame_shape : shape of the frame the mesh lies in, `(height, width, …)`.

    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    yaw, pitch, roll = head_pose(mesh.points)
    x, y = mesh.points[:, 0], mesh.points[:, 1]
    height, width = frame_shape[:2]
    within = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    return Quality(
        face_px=face_width(mesh),
        sharpness=sharpness(grey),
        luma=float(cv2.mean(grey)[0]),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        inside=float(np.count_nonzero(within)) / len(x),
    )


def sharpness(grey: NDArray[Any]) -> float:
    """Return how much fine detail a picture has in the direction in which it has least.

    The Laplacian keeps the fine detail; the smaller eigenvalue of its structure tensor (Förstner and Gülch
    1987) is its energy in the poorest direction, for a face smeared sideways keeps its horizontal edges; and
    the division by the variance of the luma makes a dim or dark face count like a bright one. At the
    limit of 20 it refuses 83 % of faces smeared over a seventh of their width (tools/measure_limits.py),
    nearly all of which the variance of the Laplacian lets through at the same loss of good faces.

    Parameters
    ----------
    grey : luma, uint8, any size.

    Returns
    -------
    No unit, 0 (flat) to some thousands (noise).

    """
    detail = cv2.Laplacian(grey, cv2.CV_32F, ksize=3)
    dx, dy = cv2.Scharr(detail, cv2.CV_32F, 1, 0).ravel(), cv2.Scharr(detail, cv2.CV_32F, 0, 1).ravel()
    xx, yy, xy = (float(np.dot(one, two)) / grey.size for one, two in ((dx, dx), (dy, dy), (dx, dy)))
    poorest = (xx + yy) / 2 - math.hypot((xx - yy) / 2, xy)
    deviation = float(cv2.meanStdDev(grey)[1].item())
    return max(poorest, 0.0) / max(deviation * deviation, 1.0)


def head_pose(points: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return yaw, pitch and roll in degrees from a mesh, `(468, 3)` frame pixels.

    The head's own axes are taken from cheek to cheek and from forehead to chin; the nose points along the
    third. 0, 0, 0 is a frontal, upright face; see `core.model.Quality` for the signs.
    """
    across = (points[RIGHT_CHEEK] - points[LEFT_CHEEK]).tolist()
    down = (points[CHIN] - points[FOREHEAD]).tolist()
    x = down[1] * across[2] - down[2] * across[1]
    y = down[2] * across[0] - down[0] * across[2]
    z = down[0] * across[1] - down[1] * across[0]
    yaw = math.degrees(math.atan2(x, -z))
    pitch = math.degrees(math.atan2(-y, math.hypot(x, z))) - _PITCH_NEUTRAL_DEG
    roll = math.degrees(math.atan2(across[1], across[0]))
    return yaw, pitch, roll


def faults(quality: Quality, limits: QualitySettings) -> tuple[QualityFault, ...]:
    """Return what is wrong with a face, in the order of what to put right first; a limit itself passes."""
    checks = (
        (QualityFault.OUT_OF_FRAME, quality.inside >= limits.inside_min),
        (QualityFault.TOO_SMALL, quality.face_px >= limits.face_px_min),
        (QualityFault.TOO_DARK, quality.luma >= limits.luma_min),
        (QualityFault.TOO_BRIGHT, quality.luma <= limits.luma_max),
        (QualityFault.TURNED, abs(quality.yaw_deg) <= limits.yaw_max_deg),
        (QualityFault.TILTED, abs(quality.pitch_deg) <= limits.pitch_max_deg),
        (QualityFault.ROLLED, abs(quality.roll_deg) <= limits.roll_max_deg),
        (QualityFault.BLURRED, quality.sharpness >= limits.sharpness_min),
    )
    return tuple(fault for fault, passed in checks if not passed)


def explain_fault(
    fault: QualityFault,
    quality: Quality | None,
    limits: QualitySettings,
    view_deg: float | None,
    frame_width: int,
) -> str:
    """Say in plain words what is wrong and what to do.

    Parameters
    ----------
    fault : one that `faults` returned, or `no_mesh`.
    quality : what was measured; None with `no_mesh`.
    limits : the settings in force.
    view_deg : the camera's horizontal angle of view, which turns a size into a distance; None for a
        photograph, where better advice than a distance is another photograph.
    frame_width : the frame's width in pixels.

    """
    if quality is None or fault is QualityFault.NO_MESH:
        return "no clear face: look at the camera, with nothing in front of the face"
    closer = "use a larger or closer photo"
    if view_deg is not None:
        closer = f"come within about {distance_m(limits.face_px_min, view_deg, frame_width):.1f} m"
    texts = {
        QualityFault.TOO_SMALL: f"face {quality.face_px:.0f} px wide, at least "
        f"{limits.face_px_min:.0f} wanted: {closer}",
        QualityFault.BLURRED: f"face blurred (sharpness {quality.sharpness:.0f}, at least "
        f"{limits.sharpness_min:.0f} wanted): hold still, more light, or check the focus",
        QualityFault.TOO_DARK: f"face too dark (brightness {quality.luma:.0f} of 255, at least "
        f"{limits.luma_min:.0f} wanted): more light on the face",
        QualityFault.TOO_BRIGHT: f"face too bright (brightness {quality.luma:.0f} of 255, at most "
        f"{limits.luma_max:.0f} wanted): less light on the face",
        QualityFault.TURNED: f"face turned {abs(quality.yaw_deg):.0f}° to the side, at most "
        f"{limits.yaw_max_deg:.0f}° wanted: look at the camera",
        QualityFault.TILTED: f"face tilted {abs(quality.pitch_deg):.0f}° "
        f"{'up' if quality.pitch_deg > 0 else 'down'}, at most {limits.pitch_max_deg:.0f}° wanted: "
        "look straight at the camera",
        QualityFault.ROLLED: f"head leaning {abs(quality.roll_deg):.0f}°, at most "
        f"{limits.roll_max_deg:.0f}° wanted: hold it upright, or turn the picture",
        QualityFault.OUT_OF_FRAME: f"only {quality.inside:.0%} of the face is in the picture, at least "
        f"{limits.inside_min:.0%} wanted: move towards the middle",
    }
    return texts[fault]


def distance_m(face_px: float, view_deg: float, frame_width: int) -> float:
    """Return how far away a face of that width stands, in metres (pinhole camera, adult face)."""
    focal_px = frame_width / (2 * math.tan(math.radians(min(view_deg, 179.0)) / 2))
    return focal_px * FACE_WIDTH_M / max(face_px, 1.0)
