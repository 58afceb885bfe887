"""Still photographs: find faces that are small in a large picture, and encode the one that is meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from doorguard.core.model import Box, Detection, Image, Observation, QualityFault
from doorguard.errors import NoFaceError, PoorQualityError, SeveralFacesError
from doorguard.ports import Vision
from doorguard.vision.detector import moved
from doorguard.vision.images import load_image

TILE_SIDES_PX = (384, 1152, 3456)
"""The detector sees faces from about a seventh of a picture up. Tiles of these sides, each shifted by half
of it, hold any face of 55 to 190, 165 to 575 and 495 to 1,700 px whole; the whole picture shows the rest."""
_SAME_FACE_IOU = 0.3
_SAME_FACE_INSIDE = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFace:
    """The face of a photograph that was meant, encoded.

    Parameters
    ----------
    image : the photograph, RGB.
    detections : every face in it, largest first.
    observation : of the largest; its encoding is there.

    """

    image: Image = field(repr=False)
    detections: Sequence[Detection]
    observation: Observation


def encode_photo(vision: Vision, path: Path, *, largest: bool) -> PhotoFace:
    """Read a photograph and encode its face.

    Parameters
    ----------
    vision : the models.
    path : JPEG, PNG, WebP or HEIC.
    largest : take the largest of several faces instead of refusing.

    Raises
    ------
    UnreadableImageError, NoFaceError, SeveralFacesError, PoorQualityError : one line each, with the file's
        name, what is wrong and what to do.

    """
    image = load_image(path)
    seen = _faces(vision, image)
    if not seen:
        raise NoFaceError(
            f"{path}: no face found; use a photo that shows one face, upright and from the front"
        )
    if len(seen) > 1 and not largest:
        raise SeveralFacesError(
            f"{path}: {len(seen)} faces found; crop it to one, or take the largest (--largest)"
        )
    observation = seen[0]
    if observation.encoding is None:
        raise PoorQualityError(f"{path}: {'; '.join(vision.explain(observation))}")
    return PhotoFace(image, [one.detection for one in seen], observation)


def find_faces(vision: Vision, image: Image) -> list[Detection]:
    """Return every face of a still photograph, largest first; a 60 px face in 12 megapixels is found.

    The whole picture and overlapping tiles of it at three scales go through the same detector. What the
    mesh network does not take for a face is dropped, for hundreds of tiles hold hundreds of chances to err.
    """
    return [observation.detection for observation in _faces(vision, image)]


def _faces(vision: Vision, image: Image) -> list[Observation]:
    candidates = list(vision.detect(image))
    for tile in tiles(image.shape[1], image.shape[0]):
        candidates += _detect_in_tile(vision, image, tile)
    seen = [vision.observe(image, one) for one in merge(candidates)]
    return [one for one in seen if QualityFault.NO_MESH not in one.faults]


def tiles(width: int, height: int) -> Iterator[Box]:
    """Yield square tiles, each half overlapping the next, that cover a picture larger than they are."""
    for side in TILE_SIDES_PX:
        if side < max(width, height):
            for top in _starts(height, side):
                for left in _starts(width, side):
                    yield Box(left, top, min(side, width), min(side, height))


def _starts(length: int, side: int) -> list[int]:
    """Return where tiles begin along one axis; the last ends at the picture's edge."""
    last = max(length - side, 0)
    return [*range(0, last, side // 2), last]


def _detect_in_tile(vision: Vision, image: Image, tile: Box) -> Iterator[Detection]:
    """Yield the faces of a tile that do not reach over an edge it has inside the picture.

    A face cut there lies whole in the next tile, or in the next larger one.
    """
    left, top, width, height = (int(value) for value in (tile.x, tile.y, tile.width, tile.height))
    for found in vision.detect(image[top : top + height, left : left + width]):
        box = found.box
        whole = (
            (box.x >= 0 or left == 0)
            and (box.y >= 0 or top == 0)
            and (box.x + box.width <= width or left + width == image.shape[1])
            and (box.y + box.height <= height or top + height == image.shape[0])
        )
        if whole:
            yield moved(found, left, top)


def merge(candidates: Sequence[Detection]) -> list[Detection]:
    """Keep the best-scored detection of each face, largest first.

    Two boxes are one face when they overlap by 0.3 (intersection over union) or one lies mostly in the other.
    """
    kept: list[Detection] = []
    for one in sorted(candidates, key=lambda detection: detection.score, reverse=True):
        if not any(_same_face(one.box, other.box) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda detection: detection.box.area, reverse=True)


def _same_face(one: Box, other: Box) -> bool:
    iou = one.iou(other)
    shared = iou * (one.area + other.area) / (1 + iou)
    return iou > _SAME_FACE_IOU or shared > _SAME_FACE_INSIDE * min(one.area, other.area)
