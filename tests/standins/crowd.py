"""People who do not exist: unit vectors around one direction a person, as an encoder would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from doorguard.config import Settings
from doorguard.core.model import ModelId, Quality
from doorguard.core.threshold import MatchRules, TableEntry, ThresholdTable
from doorguard.lab.gallery import Rules
from doorguard.lab.people import Folder, People, group_people
from doorguard.lab.worker import NO_FACE, Sample

ROOT = Path("/nowhere")
GOOD = Quality(100.0, 200.0, 120.0, 0.0, 0.0, 0.0, 1.0)
DARK = Quality(100.0, 200.0, 5.0, 0.0, 0.0, 0.0, 1.0)


def unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def sample(name: str, number: int, encoding: np.ndarray | None, quality: Quality = GOOD) -> Sample:
    path = ROOT / name / f"{name}_{number:04d}.jpg"
    digest = f"{name}{number}"
    if encoding is None:
        return Sample(path, digest, cause=NO_FACE)
    return Sample(path, digest, 1, encoding, encoding, quality)


def crowd(pictures: list[int], *, spread: float = 0.5, seed: int = 0) -> list[list[Sample]]:
    """Return everybody's samples; `pictures` says how many each has, `spread` how unlike they are."""
    rng = np.random.default_rng(seed)
    people = []
    for index, count in enumerate(pictures):
        centre = unit(rng.normal(size=128))
        near = [unit(centre + spread * unit(rng.normal(size=128))) for _ in range(count)]
        people.append([sample(f"p{index:03d}", number, each) for number, each in enumerate(near, 1)])
    return people


def as_people(samples: list[list[Sample]], *, mirror: bool = False) -> People:
    named = {own[0].path.parent.name: tuple(each.path for each in own) for own in samples}
    flat = [each for own in samples for each in own]
    return group_people(Folder(ROOT, named, ()), flat, mirror=mirror)


def rules(*, residents: int = 5, target: float = 1e-2, smallest: float = 1e-6) -> Rules:
    """Thresholds that suit `crowd`: strangers lie at 2 ± 0.18, one person's pictures near 0.45."""
    entries = [TableEntry(1e-2, 1.5, "measured", 0.01, 1000, 100)]
    entries.append(TableEntry(smallest, 1.0, "extrapolated", 0.05, 1000, 100))
    match = MatchRules(target, None, 0.1, 5, 3)
    return Rules(ModelId("m@1"), "d" * 64, ThresholdTable(entries), match, Settings().quality, residents)
