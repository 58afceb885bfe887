"""Still photographs: every face is found, the right one is meant, and each refusal says what to do."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from doorguard.core.model import Box, Detection, Image
from doorguard.errors import NoFaceError, PoorQualityError, SeveralFacesError, UnreadableImageError
from doorguard.vision.images import load_image
from doorguard.vision.photo import encode_photo, find_faces, merge, tiles
from doorguard.vision.pipeline import FacePipeline


@pytest.fixture(scope="module")
def portrait(photos: Path) -> Image:
    return load_image(photos / "obama-2012.jpg")


def save(path: Path, image: Image) -> Path:
    Pillow.fromarray(image).save(path)
    return path


def of_width(vision: FacePipeline, image: Image, face_px: float) -> Image:
    quality = vision.observe(image, vision.detect(image)[0]).quality
    assert quality is not None
    scale = face_px / quality.face_px
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def busy(height: int, width: int) -> Image:
    """A wall of blotches of every size, so that tiles see more than a plain colour."""
    rng = np.random.default_rng(2)
    wall = np.zeros((height, width, 3), np.float32)
    for cells in (4, 30, 200):
        blotches = rng.uniform(20, 75, (cells, cells, 3)).astype(np.float32)
        wall += cv2.resize(blotches, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(wall, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("place", [(0, 0), (1711, 993), (3880, 2850), (190, 2700)])
def test_a_face_of_60_px_in_12_megapixels_is_found_and_encoded(
    vision: FacePipeline, portrait: Image, tmp_path: Path, place: tuple[int, int]
) -> None:
    small = of_width(vision, portrait, 60)
    wall = busy(3000, 4000)
    x, y = min(place[0], 4000 - small.shape[1]), min(place[1], 3000 - small.shape[0])
    wall[y : y + small.shape[0], x : x + small.shape[1]] = small
    photo = encode_photo(vision, save(tmp_path / "wide.png", wall), largest=False)
    (found,) = photo.detections
    assert x < found.box.centre[0] < x + small.shape[1]
    assert y < found.box.centre[1] < y + small.shape[0]
    alone = vision.observe(portrait, vision.detect(portrait)[0]).encoding
    assert alone is not None
    assert photo.observation.encoding is not None
    assert float(((photo.observation.encoding - alone) ** 2).sum()) < 0.4


@pytest.mark.parametrize("face_px", [90, 200, 420, 900, 1500])
def test_a_face_of_any_size_is_found_once(vision: FacePipeline, portrait: Image, face_px: float) -> None:
    scale = face_px / 165
    large = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[:3000, :4000]
    wall = np.full((3000, 4000, 3), 100, np.uint8)
    wall[: large.shape[0], 30 : 30 + large.shape[1]] = large[:, :3970]
    assert len(find_faces(vision, wall)) == 1


def test_64_megapixels_are_searched_in_reasonable_time(vision: FacePipeline) -> None:
    began = time.perf_counter()
    assert find_faces(vision, np.full((8000, 8000, 3), 100, np.uint8)) == []
    assert time.perf_counter() - began < 60


def test_a_wall_without_faces_holds_none(vision: FacePipeline) -> None:
    assert find_faces(vision, busy(2000, 3000)) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (7, 64_000)])
def test_a_tiny_or_thin_picture_holds_no_face(vision: FacePipeline, size: tuple[int, int]) -> None:
    assert find_faces(vision, np.full((*size, 3), 128, np.uint8)) == []


def test_encode_photo_of_one_portrait_takes_it(vision: FacePipeline, photos: Path) -> None:
    photo = encode_photo(vision, photos / "collins.jpg", largest=False)
    assert photo.observation.faults == ()
    assert len(photo.detections) == 1
    assert photo.image.shape == (512, 512, 3)


def test_encode_photo_of_two_people_refuses_or_takes_the_largest(
    vision: FacePipeline, photos: Path, portrait: Image, tmp_path: Path
) -> None:
    small = cv2.resize(load_image(photos / "biden-2010.jpg"), None, fx=0.8, fy=0.8)
    both = np.full((800, 1100, 3), 90, np.uint8)
    both[:, :640] = portrait
    both[100 : 100 + small.shape[0], 680 : 680 + small.shape[1]] = small
    path = save(tmp_path / "both.png", both)
    with pytest.raises(SeveralFacesError, match=r"both\.png: 2 faces.*--largest"):
        encode_photo(vision, path, largest=False)
    photo = encode_photo(vision, path, largest=True)
    assert len(photo.detections) == 2
    assert photo.observation.detection.box.centre[0] < 640


def test_encode_photo_of_a_cat_finds_no_face(vision: FacePipeline, root: Path) -> None:
    with pytest.raises(NoFaceError, match=r"cat\.jpg: no face"):
        encode_photo(vision, root / "tests" / "data" / "cat.jpg", largest=True)


def test_encode_photo_of_no_picture_raises(vision: FacePipeline, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError):
        encode_photo(vision, tmp_path, largest=False)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda image: cv2.resize(image, None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA), "px wide"),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 6), "blurred"),
        (lambda image: (image * 0.12).astype(np.uint8), "too dark"),
    ],
    ids=["small", "blurred", "dark"],
)
def test_encode_photo_of_poor_quality_says_what_is_wrong_in_one_line(
    vision: FacePipeline, portrait: Image, tmp_path: Path, spoil: object, words: str
) -> None:
    assert callable(spoil)
    with pytest.raises(PoorQualityError) as caught:
        encode_photo(vision, save(tmp_path / "poor.png", spoil(portrait)), largest=False)
    message = str(caught.value)
    assert words in message
    assert "poor.png: " in message
    assert "\n" not in message


def test_encode_photo_honours_exif_rotation(vision: FacePipeline, portrait: Image, tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    path = tmp_path / "phone.jpg"
    Pillow.fromarray(np.ascontiguousarray(np.rot90(portrait))).save(path, exif=exif, quality=95)
    photo = encode_photo(vision, path, largest=False)
    assert photo.image.shape == portrait.shape
    assert photo.observation.quality is not None
    assert abs(photo.observation.quality.roll_deg) < 5


# Tiles and merging


@given(width=st.integers(1, 9000), height=st.integers(1, 9000))
def test_tiles_lie_inside_and_cover_what_they_search(width: int, height: int) -> None:
    seen = list(tiles(width, height))
    assert len(seen) < 4000
    for tile in seen:
        assert tile.x >= 0
        assert tile.y >= 0
        assert tile.x + tile.width <= width
        assert tile.y + tile.height <= height
        assert tile.area > 0
    for side in {max(tile.width, tile.height) for tile in seen}:
        of_side = [tile for tile in seen if max(tile.width, tile.height) == side]
        assert max(tile.x + tile.width for tile in of_side) == width
        assert max(tile.y + tile.height for tile in of_side) == height


@given(x=st.integers(0, 4000 - 190), y=st.integers(0, 3000 - 190), size=st.integers(20, 190))
def test_every_small_face_lies_whole_in_a_small_tile(x: int, y: int, size: int) -> None:
    assert any(
        tile.x <= x and tile.y <= y and x + size <= tile.x + tile.width and y + size <= tile.y + tile.height
        for tile in tiles(4000, 3000)
        if tile.width == 384
    )


def found(x: float, y: float, side: float, score: float) -> Detection:
    return Detection(Box(x, y, side, side), score, np.zeros((6, 2), np.float32))


def test_merge_keeps_the_best_of_each_face_largest_first() -> None:
    best, worse, inside = found(0, 0, 100, 0.9), found(10, 5, 100, 0.8), found(30, 30, 30, 0.7)
    other = found(300, 0, 150, 0.6)
    assert merge([worse, inside, best, other]) == [other, best]


def test_merge_keeps_neighbours_apart() -> None:
    assert len(merge([found(0, 0, 100, 0.9), found(95, 0, 100, 0.8), found(0, 98, 100, 0.7)])) == 3


def test_merge_of_nothing_is_nothing() -> None:
    assert merge([]) == []
