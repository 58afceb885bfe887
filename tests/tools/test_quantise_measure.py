"""How far int8 lies from float, and how long each takes; the shipped encoder is the example."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from quantise import measure
from quantise.checkpoint import load_network
from quantise.faces import Faces
from standins.plain_network import plain_encoding

from doorguard.config import Settings
from doorguard.vision.photo import encode_photo
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.profile import MODELS


@pytest.fixture(scope="module")
def shipped() -> bytes:
    return (MODELS / "facenet.tflite").read_bytes()


def test_model_agrees_with_itself_exactly(shipped: bytes) -> None:
    crops = np.random.default_rng(5).integers(0, 256, (3, 112, 112, 3), np.uint8)
    reference = measure.encode(shipped, crops).astype(np.float32)
    same = measure.agreement(shipped, shipped, Faces(crops, reference))
    assert (same.d_p50, same.d_max) == (0.0, 0.0)
    assert same.cosine_float == same.cosine_int8 == pytest.approx(1.0, abs=1e-6)


def test_encoding_of_a_crop_is_the_pipelines_own(shipped: bytes) -> None:
    vision = FacePipeline.open(Settings())  # the makes of interpreter differ by more than this test allows
    crop = np.random.default_rng(6).integers(0, 256, (112, 112, 3), np.uint8)
    np.testing.assert_allclose(measure.encode(shipped, [crop])[0], vision.encode_crop(crop), atol=1e-3)


def test_every_model_is_timed(shipped: bytes) -> None:
    times = measure.milliseconds({"one": shipped, "two": shipped}, np.zeros((112, 112, 3), np.uint8))
    assert set(times) == {"one", "two"}
    assert min(times.values()) > 0


def test_shipped_file_encodes_the_bundled_photographs_as_its_checkpoint_does(
    root: Path, photos: Path, vision: FacePipeline, shipped: bytes
) -> None:
    """Float and int8 side by side: the float form is computed from the weights, in NumPy."""
    path = root.parent / "shared" / "models" / "facenet_checkpoint.npz"
    if not path.exists():
        pytest.skip("needs ../shared/models/facenet_checkpoint.npz")
    network = load_network(path)
    seen = [encode_photo(vision, photo, largest=True).observation for photo in sorted(photos.glob("*.jpg"))]
    crops = [one.crop for one in seen if one.crop is not None]
    assert len(crops) == 5
    rounded = measure.encode(shipped, crops)
    exact = np.stack([plain_encoding(network, crop) for crop in crops])
    assert ((exact - rounded) ** 2).sum(axis=1).max() <= 0.01
