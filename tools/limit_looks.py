"""Look at the pictures of lfw-dev as they are and made worse on purpose, and remember what was seen.

`measure_limits.py` makes tables of it. A look goes through the product's own pipeline with every gate open.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from doorguard import vision as vision_package
from doorguard.config import Settings
from doorguard.core import alignment
from doorguard.core.model import Detection, Image, Mesh
from doorguard.vision.images import load_image
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.profile import DETECTOR, LANDMARKS, shipped_profile

PROBES = 2
"""Pictures of one person that are made worse; a few famous people would otherwise speak for all."""
AS_IT_IS = "as it is"
FRAME = (640, 480)
MEASURES = ("face_px", "sharpness", "luma", "yaw_deg", "pitch_deg", "roll_deg", "inside")
LOOK = np.dtype(
    [("found", "?"), ("seen", "?"), ("believed", "?"), ("presence", "f4")]
    + [(name, "f4") for name in MEASURES]
    + [("encoding", "f4", (128,))]
)
"""One look: whether the detector found the face, a mesh was placed on it and taken for a face; what was
measured."""

OPEN = {"face_px_min": 20, "sharpness_min": 0, "luma_min": 0, "luma_max": 255, "inside_min": 0}
OPEN |= {"yaw_max_deg": 90, "pitch_max_deg": 90, "roll_max_deg": 180}

Looks = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture with one known face: its middle and width in pixels; the seed is the picture's own."""

    image: Image = field(repr=False)
    centre: tuple[float, float]
    face_px: float
    seed: int
    looks_twice: bool = True


# What is done to a picture


def shrink(shot: Shot, face_px: float) -> Shot:
    """Scale the picture until its face is so wide."""
    factor = face_px / shot.face_px
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    image: Any = cv2.resize(shot.image, None, fx=factor, fy=factor, interpolation=way)
    return replace(
        shot, image=image, centre=(shot.centre[0] * factor, shot.centre[1] * factor), face_px=face_px
    )


def blur(shot: Shot, share: float) -> Shot:
    """Put the picture out of focus: a Gaussian whose deviation is that share of the face's width."""
    image: Any = cv2.GaussianBlur(shot.image, (0, 0), share * shot.face_px)
    return replace(shot, image=image)


def smear(shot: Shot, share: float) -> Shot:
    """Move the face sideways during the exposure, by that share of its width."""
    image: Any = cv2.blur(shot.image, (round(share * shot.face_px), 1))
    return replace(shot, image=image)


def light(shot: Shot, factor: float) -> Shot:
    """Expose for more or less light; what becomes brighter than white is lost."""
    image: Any = cv2.convertScaleAbs(shot.image, alpha=factor)
    return replace(shot, image=image)


def lean(shot: Shot, degrees: float) -> Shot:
    """Turn the picture clockwise around the face; the corners show its own mirror image."""
    matrix = cv2.getRotationMatrix2D(shot.centre, -degrees, 1.0)
    size = shot.image.shape[1::-1]
    image: Any = cv2.warpAffine(shot.image, matrix, size, borderMode=cv2.BORDER_REFLECT)
    return replace(shot, image=image)


def cut_off(shot: Shot, share: float) -> Shot:
    """Let the picture end inside the face, so that its left part of that share is missing."""
    left = int(shot.centre[0] + (share - 0.5) * shot.face_px)
    image = np.ascontiguousarray(shot.image[:, left:])
    return replace(shot, image=image, centre=(shot.centre[0] - left, shot.centre[1]))


def stand(shot: Shot, face_px: float) -> Shot:
    """Put the picture somewhere into a frame of 640×480 with smooth surroundings, its face so wide."""
    small = shrink(shot, face_px)
    height, width = small.image.shape[:2]
    random = np.random.default_rng(shot.seed)
    patches = random.integers(60, 180, (6, 8, 3), dtype=np.uint8)
    frame: Any = cv2.resize(patches, FRAME, interpolation=cv2.INTER_CUBIC)
    x, y = random.integers(0, (FRAME[0] - width + 1, FRAME[1] - height + 1)).tolist()
    frame[y : y + height, x : x + width] = small.image
    return replace(small, image=frame, centre=(small.centre[0] + x, small.centre[1] + y))


def stand_once(shot: Shot, face_px: float) -> Shot:
    """Do the same, without the second look at a small face."""
    return replace(stand(shot, face_px), looks_twice=False)


Change = Callable[[Shot, float], Shot]
CHANGES: dict[str, tuple[Change, tuple[float, ...]]] = {
    "shrink": (shrink, (70, 60, 50, 40, 32, 26)),
    "blur": (blur, (0.01, 0.015, 0.02, 0.025, 0.03, 0.04)),
    "smear": (smear, (0.05, 0.1, 0.14)),
    "light": (light, (0.5, 0.33, 0.25, 0.15, 0.1, 1.5, 2.0, 2.5)),
    "lean": (lean, (20, 35, 45, 60, 180)),
    "cut_off": (cut_off, (0.0, 0.1, 0.2, 0.3)),
    "stand": (stand, (50, 60, 70)),
    "stand_once": (stand_once, (60,)),
}
"""What is done and how much of it, in the unit that its function names."""


# Looking


class Ungated(FacePipeline):
    """The product's pipeline, except that what it would refuse is measured and encoded too."""

    believed = False
    looks_twice = True

    def _is_face(self, mesh: Mesh, detection: Detection) -> bool:
        self.believed = super()._is_face(mesh, detection)
        return True

    def _second_look(self, image: Image, detection: Detection) -> Detection:
        return super()._second_look(image, detection) if self.looks_twice else detection


_vision: Ungated


def start_worker() -> None:
    """Load the models; give way to everything else on the machine."""
    global _vision  # noqa: PLW0603 - a pool hands nothing else to its workers
    os.nice(10)
    settings = Settings.model_validate({"quality": OPEN})
    cv2.setNumThreads(settings.vision.threads)
    profile = shipped_profile(settings.vision.encoder)
    _vision = Ungated(profile, settings.quality, settings.vision, settings.runtime)


def look_at(shot: Shot) -> Looks:
    """Return one look at the shot's face, `(1,)`; of several faces the one nearest to where it should be."""
    look = np.zeros(1, LOOK)
    away = {
        max(abs(x - shot.centre[0]), abs(y - shot.centre[1])): one
        for one in _vision.detect(shot.image)
        for x, y in [one.box.centre]
    }
    if not away or min(away) > shot.face_px / 2:
        return look
    look["found"] = True
    _vision.looks_twice = shot.looks_twice
    seen = _vision.observe(shot.image, away[min(away)])
    if seen.mesh is None or seen.quality is None or seen.crop is None:
        return look
    look["seen"], look["believed"], look["presence"] = True, _vision.believed, seen.mesh.presence
    for name in MEASURES:
        look[name] = getattr(seen.quality, name)
    look["encoding"] = _vision.encode_crop(seen.crop) if seen.encoding is None else seen.encoding
    return look


def look_at_picture(task: tuple[Path, bool]) -> dict[str, Looks]:
    """Look at a picture as it is and, if it is a probe, at everything it is changed into."""
    path, is_probe = task
    image = load_image(path)
    centre = (image.shape[1] / 2, image.shape[0] / 2)  # LFW puts the person it names there
    shot = Shot(image, centre, math.inf, zlib.crc32(path.name.encode()))
    looks = {AS_IT_IS: look_at(shot)}
    if is_probe and looks[AS_IT_IS]["seen"][0]:
        known = replace(shot, face_px=float(looks[AS_IT_IS]["face_px"][0]))
        for name, (change, amounts) in CHANGES.items():
            looks |= {f"{name} {amount:g}": look_at(change(known, amount)) for amount in amounts}
    return looks


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """The files, person by person, and the number of each one's person and of it among his pictures."""

    paths: tuple[Path, ...]
    person: NDArray[np.intp]
    place: NDArray[np.intp]

    @classmethod
    def below(cls, root: Path) -> Pictures:
        """List `root/images/PERSON/*.jpg`."""
        folders = [sorted(folder.glob("*.jpg")) for folder in sorted((root / "images").iterdir())]
        person = [number for number, folder in enumerate(folders) for _ in folder]
        place = [place for folder in folders for place in range(len(folder))]
        return cls(tuple(path for folder in folders for path in folder), np.array(person), np.array(place))

    @property
    def is_probe(self) -> NDArray[np.bool_]:
        """Whether a picture is made worse, `(pictures,)`; the first of each person never is."""
        return (self.place > 0) & (self.place <= PROBES)


def look_at_all(pictures: Pictures, cache: Path, jobs: int) -> dict[str, Looks]:
    """Return every look, `as it is` at all pictures, else at the probes; from the cache where it has them."""
    file = cache / f"limits-{fingerprint(pictures)}.npz"
    if file.exists():
        with np.load(file) as kept:
            return dict(kept)
    tasks = list(zip(pictures.paths, pictures.is_probe.tolist(), strict=True))
    with multiprocessing.get_context("spawn").Pool(jobs, start_worker) as pool:
        work = pool.imap(look_at_picture, tasks, chunksize=4)
        done = list(track(work, "looking at pictures", total=len(tasks), console=Console(stderr=True)))
    looks = {name: np.concatenate([one[name] for one in done if name in one]) for name in max(done, key=len)}
    cache.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.npz")
    members: dict[str, Any] = dict(looks)
    np.savez(part, **members)
    part.replace(file)
    return looks


def fingerprint(pictures: Pictures) -> str:
    """Name what the looks depend on: models, the code that looks, the libraries, the pictures."""
    profile = shipped_profile(Settings().vision.encoder)
    seen = hashlib.sha256(f"{profile.digest} {DETECTOR} {LANDMARKS} {cv2.__version__}".encode())
    vision_sources = sorted(Path(vision_package.__path__[0]).glob("*.py"))
    for source in (*vision_sources, Path(alignment.__file__), Path(__file__)):
        seen.update(source.read_bytes())
    for path in pictures.paths:
        seen.update(f"{path.name} {path.stat().st_size}".encode())
    return seen.hexdigest()[:12]
