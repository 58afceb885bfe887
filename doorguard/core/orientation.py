"""How a camera hangs: rectangles between the picture as the device delivers it and the upright one.

The one convention of doorguard: `upright = mirror(rotate(native))`. The native picture is first turned
clockwise by `rotation_deg`, then, where `mirror` is set, flipped left to right. Rectangles here are fractions
of the picture, 0 to 1, so that they hold at any size.
"""

from __future__ import annotations

from doorguard.core.model import Box


def native_box(box: Box, *, rotation_deg: int, mirror: bool) -> Box:
    """Map a rectangle of the upright picture back into the native one.

    Parameters
    ----------
    box : fractions of the upright picture.
    rotation_deg : clockwise turn that makes the native picture upright: 0, 90, 180 or 270.
    mirror : whether the turned picture is flipped left to right.

    Returns
    -------
    Box : fractions of the native picture.

    Raises
    ------
    ValueError : another rotation.

    Examples
    --------
    The left edge of a picture that was turned by 90° clockwise is the native picture's bottom:

    >>> native_box(Box(0.0, 0.0, 0.25, 1.0), rotation_deg=90, mirror=False)
    Box(x=0.0, y=0.75, width=1.0, height=0.25)

    """
    x = 1.0 - box.x - box.width if mirror else box.x
    right_gap, bottom_gap = 1.0 - x - box.width, 1.0 - box.y - box.height
    turned = {
        0: Box(x, box.y, box.width, box.height),
        90: Box(box.y, right_gap, box.height, box.width),
        180: Box(right_gap, bottom_gap, box.width, box.height),
        270: Box(bottom_gap, x, box.height, box.width),
    }
    if rotation_deg not in turned:
        raise ValueError(f"a camera is turned by 0, 90, 180 or 270 degrees, not by {rotation_deg}")
    return turned[rotation_deg]


def as_fraction(box: Box, width: float, height: float) -> Box:
    """Return a rectangle in pixels of a `width` × `height` picture as fractions of it, cut at its edges."""
    left, top = min(max(box.x / width, 0.0), 1.0), min(max(box.y / height, 0.0), 1.0)
    right = min(max((box.x + box.width) / width, left), 1.0)
    bottom = min(max((box.y + box.height) / height, top), 1.0)
    return Box(left, top, right - left, bottom - top)
