"""Read photographs that anybody may have made: bounded, checked before decoding, one error for all."""

from __future__ import annotations

import io
import stat
import warnings
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from doorguard.core.model import Image
from doorguard.errors import UnreadableImageError

FILE_MAX_BYTES = 100 * 1024 * 1024
PIXELS_MAX = 64_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""EXIF 2.3, table 6: what puts a picture of that orientation upright (Pillow turns counter-clockwise)."""


def load_image(path: Path) -> Image:
    """Read a JPEG, PNG, WebP or HEIC photograph, upright as its EXIF data says.

    Parameters
    ----------
    path : a regular file of at most 100 MB and 64 megapixels.

    Returns
    -------
    `(height, width, 3)` uint8 RGB; grey and 16-bit pictures are widened and narrowed to it, transparency
    lies on white, of several pictures in one file the first counts.

    Raises
    ------
    UnreadableImageError : anything else; the message is one line and names the file.

    """
    content = _read(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(content, path)
    except UnreadableImageError:
        raise
    except Pillow.DecompressionBombError as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise UnreadableImageError(f"{path} is no JPEG, PNG, WebP or HEIC picture") from error
    # What decoders raise on a damaged file is open-ended: OSError, SyntaxError, ValueError, struct.error …
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UnreadableImageError(f"{path} is damaged or cut short: {reason}") from error


def _read(path: Path) -> bytes:
    """Return a regular file's content, never waiting for a pipe or reading a device."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
            raise UnreadableImageError(f"{path} is {kind}; give a photograph")
        with path.open("rb") as stream:
            content = stream.read(FILE_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadableImageError(f"cannot read {path}: {reason}") from error
    if not content:
        raise UnreadableImageError(f"{path} is empty")
    if len(content) > FILE_MAX_BYTES:
        raise UnreadableImageError(f"{path} is larger than {FILE_MAX_BYTES // 1024**2} MB; scale it down")
    return content


def _decode(content: bytes, path: Path) -> Image:
    pillow_heif.register_heif_opener()
    with Pillow.open(io.BytesIO(content), formats=_FORMATS) as picture:
        if picture.width * picture.height > PIXELS_MAX:
            raise _too_large(path)
        picture.load()
        upright = _UPRIGHT.get(_orientation(picture))
        return np.ascontiguousarray(_to_rgb(picture if upright is None else picture.transpose(upright)))


def _orientation(picture: Pillow.Image) -> int:
    """Return the EXIF orientation; 1 (upright) where the data is missing or damaged, as viewers do."""
    try:
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001  damaged EXIF raises whatever its parser trips over
        return 1


def _to_rgb(picture: Pillow.Image) -> Image:
    if picture.mode.startswith("I"):
        grey = np.asarray(picture).astype(np.float64) / 257.0
        return np.repeat(np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    if picture.has_transparency_data:
        shown = picture.convert("RGBA")
        white = Pillow.new("RGBA", shown.size, "white")
        picture = Pillow.alpha_composite(white, shown)
    return np.asarray(picture.convert("RGB"))


def _too_large(path: Path) -> UnreadableImageError:
    return UnreadableImageError(
        f"{path} has more than {PIXELS_MAX // 10**6} megapixels; scale it down and try again"
    )
