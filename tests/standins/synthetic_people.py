"""People who never lived: a pattern each, photographed with other light, shifted, covered with noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

STORED = 120


def synthetic_people(people: int, pictures: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return uint8 pictures, n × 120 × 120 × 3, and whose they are; other seeds make other people.

    The light changes a pixel more than the person does, so pixels alone do not tell people apart.
    """
    random = np.random.default_rng(seed)
    views, whose = [], []
    for person in range(people):
        coarse = random.uniform(-1, 1, (20, 20, 3)).astype(np.float32)
        face = cv2.resize(coarse, (STORED, STORED), interpolation=cv2.INTER_CUBIC)
        for _ in range(pictures):
            views.append(_photograph(face, random))
            whose.append(person)
    return np.stack(views), np.array(whose)


def _photograph(face: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.uint8]:
    shift = np.array([[1, 0, random.uniform(-2, 2)], [0, 1, random.uniform(-2, 2)]])
    moved = cv2.warpAffine(face, shift, (STORED, STORED), borderMode=cv2.BORDER_REFLECT)
    across, down = np.meshgrid(np.linspace(-1, 1, STORED), np.linspace(-1, 1, STORED))
    light = (random.uniform(-40, 40, 3) * across[..., None]) + (random.uniform(-40, 40, 3) * down[..., None])
    grain = random.normal(0, 4, moved.shape)
    level = 128 + 60 * random.uniform(0.6, 1.2) * moved + light + random.uniform(-30, 30, 3) + grain
    return np.clip(level, 0, 255).astype(np.uint8)
