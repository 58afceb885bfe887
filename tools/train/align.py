"""Faces of a folder per person, found and aligned by doorguard's own pipeline, as a file of faces."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from doorguard.config import Settings
from doorguard.core.alignment import alignment_points, umeyama
from doorguard.core.model import Image, Observation
from doorguard.errors import UnreadableImageError
from doorguard.vision.images import load_image
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.warp import cut
from train.faces import STORED_SIZE, write_faces

LOW_RESOLUTION_PX = 56
"""A face narrower than this in the original has little to tell."""
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".heic"}


def align_folder(root: Path, out: Path) -> Counter[str]:
    """Write `out` from `root/PERSON/picture`; returns how many were kept, and why others were not.

    Of several faces the one nearest the picture's middle is taken, as collections of people centre theirs.
    The quality gate is not asked: training wants the faces that the door would refuse, too.
    """
    vision = FacePipeline.open(Settings())
    found: Counter[str] = Counter(kept=0)
    pictures, people, low = [], [], []
    folders = [each for each in sorted(root.iterdir()) if each.is_dir()]
    for person, folder in enumerate(folders):
        for file in sorted(each for each in folder.iterdir() if each.suffix.lower() in _SUFFIXES):
            try:
                image = load_image(file)
            except UnreadableImageError:
                found["unreadable"] += 1
                continue
            observation = _central_face(vision, image)
            if observation is None or observation.mesh is None:
                found["no face"] += 1
                continue
            pictures.append(_stored(vision, image, observation))
            people.append(person)
            low.append(observation.detection.box.width < LOW_RESOLUTION_PX)
            found["kept"] += 1
    if not pictures:
        raise ValueError(f"{root}: no face in {len(folders)} folders ({dict(found)}); one folder per person")
    write_faces(out, pictures, person=np.array(people), low_resolution=np.array(low, np.uint8))
    return found


def _central_face(vision: FacePipeline, image: Image) -> Observation | None:
    middle = np.array([image.shape[1], image.shape[0]]) / 2
    detections = sorted(vision.detect(image), key=lambda one: float(np.hypot(*(one.box.centre - middle))))
    return vision.observe(image, detections[0]) if detections else None


def _stored(vision: FacePipeline, image: Image, observation: Observation) -> NDArray[np.uint8]:
    """Return the aligned crop with a margin for jitter; beyond the photograph its border repeats."""
    if observation.mesh is None:
        raise AssertionError("only faces with a mesh are stored")
    profile = vision.profile
    margin = (STORED_SIZE - profile.input_size) / 2
    points = alignment_points(observation.mesh.points, profile.mesh_indices)
    matrix = umeyama(points, profile.template_points + margin)
    reach = int(np.ceil(STORED_SIZE / np.hypot(matrix[0, 0], matrix[1, 0])))
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    matrix[:, 2] -= matrix[:, :2] @ (reach, reach)
    return cut(padded, matrix, STORED_SIZE)  # type: ignore[arg-type]
