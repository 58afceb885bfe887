"""How good an encoder is on faces it never saw: by labels, or by what the reference is sure of."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from train.augment import plain
from train.faces import Faces
from train.network import ENCODING_DIM

SURE_SAME = (0.05, 0.9)
"""D of the reference between two pictures of one person: below the first they are copies."""
SURE_OTHER = 1.35
"""From this D on the reference speaks of two people; in between it is not asked."""
RATES = (1e-2, 1e-3, 1e-4)
_PAIRS_PER_ERROR = 10
"""An FMR is judged only on so many impostor pairs that at least ten of them may match."""


def encode(
    network: nn.Module, pictures: NDArray[np.uint8], size: int, batch: int = 128
) -> NDArray[np.float32]:
    """Encode stored pictures as the door would: their middle, batch norm fixed."""
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    encodings = np.empty((len(pictures), ENCODING_DIM), np.float32)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for start in range(0, len(pictures), batch):
            part = torch.from_numpy(pictures[start : start + batch]).to(device)
            encodings[start : start + batch] = network(plain(part, size)).float().cpu().numpy()
    network.train(was_training)
    return encodings


def judge(encodings: NDArray[np.float32], faces: Faces) -> dict[str, float]:
    """Return FNMR at each FMR that the pairs can carry, their number, and the mean cosine to references.

    With labels the pairs are what the labels say. Without, they are those of which the reference is sure, and
    the figure compares encoders with each other; it is no promise about strangers.
    """
    upper = np.triu_indices(len(encodings), 1)
    seen = (2 - 2 * encodings @ encodings.T)[upper]
    same, other = _truth(faces, upper)
    result = error_rates(seen[same], seen[other])
    if faces.references is not None:
        result["cosine"] = float((encodings * faces.references).sum(axis=1).mean())
    return result


def error_rates(genuine: NDArray[np.float32], impostor: NDArray[np.float32]) -> dict[str, float]:
    """Return FNMR at each FMR of `RATES`, tau chosen on these same impostors; a match is D <= tau."""
    result = {"genuine": float(len(genuine)), "impostor": float(len(impostor))}
    if not len(genuine):
        return result
    for rate in RATES:
        allowed = int(rate * len(impostor))
        if allowed >= _PAIRS_PER_ERROR:
            tau = np.partition(impostor, allowed - 1)[allowed - 1]
            result[f"fnmr@{rate:.0e}"] = float((genuine > tau).mean())
    return result


def _truth(
    faces: Faces, upper: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which pairs are of one person, and which of two."""
    if faces.people is not None:
        same = faces.people[upper[0]] == faces.people[upper[1]]
        return same, ~same
    if faces.references is None:
        raise ValueError("faces without labels and without references cannot judge an encoder")
    known = (2 - 2 * faces.references @ faces.references.T)[upper]
    return (known > SURE_SAME[0]) & (known < SURE_SAME[1]), known > SURE_OTHER
