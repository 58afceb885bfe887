"""A folder of pictures played as a camera: for trying settings and for tests."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from doorguard.adapters.camera.pixels import crop, native_region, upright_rgb
from doorguard.config import CameraSettings
from doorguard.core.model import Box, Frame, Image
from doorguard.errors import CameraError
from doorguard.ports import Clock

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
FORMATS = ("JPEG", "PNG", "WEBP")
PIXELS_MAX = 64_000_000
"""Larger pictures are refused by their header, before anything is decoded."""


class FolderSource:
    """`ports.FrameSource` on the pictures of one folder in the order of their names; then it ends.

    Every picture is turned as its EXIF says, cut to the region of interest, and fitted into `width` ×
    `height` with black borders, so that all frames have one size, as a camera's have. The native order is
    RGB.
    """

    def __init__(self, settings: CameraSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._region = native_region(settings)
        self._files: list[Path] | None = None
        self._due_s: float | None = None
        self._sequence = 0

    def open(self) -> None:
        """List the folder; raises `CameraError`."""
        if self._files is not None:
            raise CameraError("the camera is open already", fatal=True)
        folder = Path(self._settings.source)
        try:
            files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        except OSError as error:
            raise CameraError(
                f"camera.source {folder} is no folder that can be read: {error.strerror}"
            ) from None
        if not files:
            raise CameraError(f"no picture ({', '.join(sorted(SUFFIXES))}) in {folder}")
        self._files, self._due_s = files[::-1], None

    def read(self) -> Frame | None:
        """Return the next picture `1 / rate_hz` after the last; None after the last one.

        Raises `CameraError`, closed then, for a file that is gone or is no picture.
        """
        if self._files is None:
            raise CameraError("the camera is not open", fatal=True)
        if not self._files:
            return None
        try:
            native = _load(self._files.pop(), self._settings, self._region)
        except CameraError:
            self.close()
            raise
        if self._due_s is not None:
            self._clock.wait(self._due_s - self._clock.monotonic())
        now_s = self._clock.monotonic()
        self._due_s = now_s + 1.0 / self._settings.rate_hz
        frame = Frame(self.to_rgb(native), now_s, self._sequence)
        self._sequence += 1
        return frame

    def to_rgb(self, native: Image) -> Image:
        """Turn and mirror; Pillow delivers RGB already."""
        return upright_rgb(native, self._settings, bgr=False)

    def meter(self, face: Box | None, image: Image) -> None:
        """Do nothing: the pictures are taken."""

    def close(self) -> None:
        """Forget the list."""
        self._files = None


def _load(path: Path, settings: CameraSettings, region: Box | None) -> Image:
    """Read one picture into a `height` × `width` RGB array; raises `CameraError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # the limit below is stricter
            with Pillow.open(path, formats=FORMATS) as picture:
                if picture.width * picture.height > PIXELS_MAX:
                    raise CameraError(f"{path} has more than {PIXELS_MAX // 1_000_000} megapixels")
                upright = ImageOps.exif_transpose(picture).convert("RGB")
    except CameraError:
        raise
    except Exception as error:  # noqa: BLE001  each of Pillow's formats has errors of its own
        raise CameraError(f"{path} is no picture that can be read: {type(error).__name__}") from None
    part = Pillow.fromarray(np.ascontiguousarray(crop(np.asarray(upright), region)))
    fitted = ImageOps.pad(part, (settings.width, settings.height), Pillow.Resampling.LANCZOS)
    return np.array(fitted)
