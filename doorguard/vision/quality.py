"""The quality gate: what a face must show before it is worth encoding, and how to say what is missing."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from doorguard.config import QualitySettings
from doorguard.core.model import Image, Mesh, Quality, QualityFault

_LEFT_CHEEK, _RIGHT_CHEEK, _FOREHEAD, _CHIN = 234, 454, 10, 152

FACE_WIDTH_M = 0.14
"""Breadth of an adult's face at the cheekbones, metres (bizygomatic breadth, mean of men and women)."""

PITCH_NEUTRAL_DEG = 0.0


def measure(mesh: Mesh, crop: Image, frame_shape: tuple[int, ...]) -> Quality:
    """Measure one face.

    Parameters
    ----------
    mesh : its points in frame pixels.
    crop : the aligned RGB crop, uint8.
    frame_shape : shape of the frame the mesh lies in, `(height, width, …)`.

    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    spread = float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1].item())
    yaw, pitch, roll = head_pose(mesh.points)
    across = mesh.points[_RIGHT_CHEEK] - mesh.points[_LEFT_CHEEK]
    x, y = mesh.points[:, 0], mesh.points[:, 1]
    height, width = frame_shape[:2]
    within = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    return Quality(
        face_px=math.sqrt(float(across @ across)),
        sharpness=spread * spread,
        luma=float(cv2.mean(grey)[0]),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        inside=float(np.count_nonzero(within)) / len(x),
    )


def head_pose(points: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return yaw, pitch and roll in degrees from a mesh, `(468, 3)` frame pixels.

    The head's own axes are taken from cheek to cheek and from forehead to chin; the nose points along the
    third. 0, 0, 0 is a frontal, upright face; see `core.model.Quality` for the signs.
    """
    across = (points[_RIGHT_CHEEK] - points[_LEFT_CHEEK]).tolist()
    down = (points[_CHIN] - points[_FOREHEAD]).tolist()
    x = down[1] * across[2] - down[2] * across[1]
    y = down[2] * across[0] - down[0] * across[2]
    z = down[0] * across[1] - down[1] * across[0]
    yaw = math.degrees(math.atan2(x, -z))
    pitch = math.degrees(math.atan2(-y, math.hypot(x, z))) - PITCH_NEUTRAL_DEG
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
