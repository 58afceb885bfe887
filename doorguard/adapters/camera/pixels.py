"""What every camera's picture goes through: checked, cropped, turned upright, RGB."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np

from doorguard.config import CameraSettings
from doorguard.core.model import Box, Image
from doorguard.core.orientation import native_box
from doorguard.errors import CameraError

Rectangle: TypeAlias = tuple[int, int, int, int]
"""Left, top, width, height in whole sensor pixels, as libcamera's `Rectangle` wants them."""

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_WHOLE = (0.0, 0.0, 1.0, 1.0)


def check_native(native: object) -> Image:
    """Return the array when it is a colour picture.

    Raises
    ------
    CameraError : anything but a non-empty `(height, width, 3)` uint8 array; a camera that suddenly delivers
        another layout is faulty or set up by somebody else.

    """
    if not isinstance(native, np.ndarray):
        raise CameraError(f"the camera delivered {type(native).__name__} instead of a picture")
    if native.dtype != np.uint8 or native.ndim != 3 or native.shape[2] != 3 or native.size == 0:
        raise CameraError(
            f"the camera delivered an array of {native.dtype} {native.shape}; "
            "height × width × 3 of uint8 wanted"
        )
    return native


def upright_rgb(native: Image, settings: CameraSettings, *, bgr: bool) -> Image:
    """Convert a native picture to upright RGB: channels, then the clockwise turn, then the mirror.

    Parameters
    ----------
    native : `(height, width, 3)` uint8 in the device's channel order.
    bgr : whether that order is blue, green, red.

    Returns
    -------
    Image : C-contiguous RGB; `native` itself where nothing had to be done.

    Raises
    ------
    CameraError : `native` is no colour picture.

    """
    image = check_native(native)
    if bgr:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    if settings.rotation_deg:
        image = np.asarray(cv2.rotate(image, _TURNS[settings.rotation_deg]), np.uint8)
    if settings.mirror:
        image = np.asarray(cv2.flip(image, 1), np.uint8)
    return np.ascontiguousarray(image)


def native_region(settings: CameraSettings) -> Box | None:
    """Return the region of interest as fractions of the native picture; None where it is the whole."""
    if settings.region_of_interest == _WHOLE:
        return None
    region = Box(*settings.region_of_interest)
    return native_box(region, rotation_deg=settings.rotation_deg, mirror=settings.mirror)


def crop(native: Image, region: Box | None) -> Image:
    """Cut a region (fractions) out of a native picture, at least one pixel; a view, not a copy."""
    if region is None:
        return native
    height, width = native.shape[:2]
    left, top = min(round(region.x * width), width - 1), min(round(region.y * height), height - 1)
    right = max(round((region.x + region.width) * width), left + 1)
    bottom = max(round((region.y + region.height) * height), top + 1)
    return native[top:bottom, left:right]


def shrink_to_fit(native: Image, width: int, height: int) -> Image:
    """Scale a picture down, its proportions kept, until it fits; a smaller one stays as it is."""
    scale = min(width / native.shape[1], height / native.shape[0])
    if scale >= 1.0:
        return native
    size = max(round(native.shape[1] * scale), 1), max(round(native.shape[0] * scale), 1)
    return np.asarray(cv2.resize(native, size, interpolation=cv2.INTER_AREA), np.uint8)


def mean_luma(image: Image, face: Box) -> float:
    """Mean luma (Rec. 601) of the middle half of a face given in fractions of an RGB picture, 0 to 255.

    The middle half leaves out hair and background, which would pull the value towards the scene's.
    """
    middle = Box(face.x + face.width / 4, face.y + face.height / 4, face.width / 2, face.height / 2)
    red, green, blue = crop(image, middle).reshape(-1, 3).mean(axis=0)
    return float(0.299 * red + 0.587 * green + 0.114 * blue)


def largest_inside(outer: Rectangle, aspect: float) -> Rectangle:
    """Return the largest centred rectangle of this width-to-height ratio: the view libcamera starts with."""
    left, top, width, height = outer
    inner_width, inner_height = min(width, round(height * aspect)), min(height, round(width / aspect))
    return left + (width - inner_width) // 2, top + (height - inner_height) // 2, inner_width, inner_height


def pixels_of(box: Box, view: Rectangle) -> Rectangle:
    """Turn fractions of a view into sensor pixels, at least one."""
    left, top, width, height = view
    return (
        left + round(box.x * width),
        top + round(box.y * height),
        max(round(box.width * width), 1),
        max(round(box.height * height), 1),
    )
