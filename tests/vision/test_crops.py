"""Kept pictures: packed small enough, unpacked as they were, aligned anew only where that can be had."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from doorguard.config import Settings
from doorguard.control.verbs import CROP_BYTES_MAX
from doorguard.core.gallery import distance_sq
from doorguard.errors import ModelError
from doorguard.vision.crops import LOSSLESS_BYTES_MAX, pack_crop, realign, unpack_crop
from doorguard.vision.images import load_image
from doorguard.vision.photo import encode_photo
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.profile import load_profile

FLOAT_160 = Path(__file__).parents[1] / "data" / "encoders" / "facenet160-float-512.profile.json"


@pytest.fixture(scope="module")
def crop(vision: FacePipeline, photos: Path) -> np.ndarray:
    found = encode_photo(vision, photos / "obama-2009.jpg", largest=True).observation.crop
    assert found is not None
    return found


def test_a_crop_is_packed_without_loss_and_fits_a_line(crop: np.ndarray) -> None:
    packed = pack_crop(crop)
    assert len(packed) <= LOSSLESS_BYTES_MAX < CROP_BYTES_MAX
    np.testing.assert_array_equal(unpack_crop(packed), crop)


def test_a_crop_that_does_not_fit_is_packed_with_loss() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    packed = pack_crop(noise)
    assert len(packed) <= LOSSLESS_BYTES_MAX
    assert unpack_crop(packed).shape == noise.shape


def _webp(side: int) -> bytes:
    stream = io.BytesIO()
    Pillow.new("RGB", (side, 8)).save(stream, "WEBP")
    return stream.getvalue()


@pytest.mark.parametrize("packed", [b"", b"x" * 99, _webp(64)[:-9], _webp(1025)], ids=range(4))
def test_what_is_no_packed_crop_is_refused(packed: bytes) -> None:
    with pytest.raises(ModelError, match="kept picture"):
        unpack_crop(packed)


def test_realign_for_the_same_alignment_is_the_crop_itself(vision: FacePipeline, crop: np.ndarray) -> None:
    assert realign(crop, vision.profile, replace(vision.profile, encoder_id="next")) is crop


def test_realign_for_a_larger_side_is_near_the_crop_of_the_photograph(
    vision: FacePipeline, crop: np.ndarray, settings: Settings, photos: Path
) -> None:
    other = FacePipeline.open(settings, load_profile(FLOAT_160))
    image = load_image(photos / "obama-2009.jpg")
    direct = other.observe(image, other.detect(image)[0]).encoding
    again = realign(crop, vision.profile, other.profile)
    assert direct is not None
    assert again is not None
    assert again.shape == (160, 160, 3)
    assert distance_sq(other.encode_crop(again), direct) < 0.01


def test_realign_that_cannot_be_had_from_the_crop_is_none(vision: FacePipeline, crop: np.ndarray) -> None:
    own = vision.profile
    by_other_points = replace(own, mesh_indices=((1,), *own.mesh_indices[1:]))
    shows_more = replace(own, template_points=own.template_points * 0.8 + 11.0)
    assert realign(crop, own, by_other_points) is None
    assert realign(crop, own, shows_more) is None
    assert realign(crop[:100], own, own) is None
