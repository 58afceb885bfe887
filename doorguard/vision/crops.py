"""Aligned pictures, kept so that another encoder can make its own templates: packing, and aligning anew."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image as Pillow

from doorguard.core.alignment import umeyama
from doorguard.core.model import Image
from doorguard.errors import ModelError
from doorguard.vision.profile import ModelProfile
from doorguard.vision.warp import cut

LOSSLESS_BYTES_MAX = 36 * 1024
"""A packed picture must fit a line of the control protocol; larger ones are packed with loss."""
_QUALITIES = (95, 85, 70)
COVERED_MIN = 0.97
"""Share of a new crop that an old one must show: black margins are no face the encoder was trained on."""


def pack_crop(crop: Image) -> bytes:
    """Return a crop as WebP: lossless up to 36 KiB (112 px take about 20), else as good as fits."""
    packed = b""
    for quality in (None, *_QUALITIES):
        stream = io.BytesIO()
        how = {"lossless": True} if quality is None else {"quality": quality}
        Pillow.fromarray(crop).save(stream, "WEBP", method=4, **how)
        packed = stream.getvalue()
        if len(packed) <= LOSSLESS_BYTES_MAX:
            break
    return packed


def unpack_crop(packed: bytes) -> Image:
    """Return the RGB crop; raises `ModelError` when it is none."""
    try:
        with Pillow.open(io.BytesIO(packed), formats=("WEBP",)) as picture:
            if max(picture.size) > 1024:
                raise ModelError(f"a kept picture of {picture.size} px is no aligned crop")
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ModelError("a kept picture cannot be read; enrol its resident again") from error


def realign(crop: Image, made_for: ModelProfile, wanted: ModelProfile) -> Image | None:
    """Return a crop aligned for one encoder as another wants it; None when that cannot be had from it.

    Where both lay the same mesh points on a template, one template is laid on the other. Alignments by
    other points need the whole picture, and so does a crop that shows more than was kept.
    """
    if crop.shape != (made_for.input_size, made_for.input_size, 3):
        return None
    if made_for.mesh_indices != wanted.mesh_indices:
        return None
    is_same = np.array_equal(made_for.template_points, wanted.template_points)
    if is_same and made_for.input_size == wanted.input_size:
        return crop
    matrix = umeyama(made_for.template_points, wanted.template_points)
    shown = cv2.warpAffine(np.ones(crop.shape[:2], np.float32), matrix, (wanted.input_size,) * 2)
    if float(shown.mean()) < COVERED_MIN:
        return None
    return cut(crop, matrix, wanted.input_size)
