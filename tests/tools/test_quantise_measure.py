"""The measurements a build reports, against pairs counted by hand and against the shipped encoder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from quantise import measure
from quantise.checkpoint import BuildError, load_network
from quantise.faces import Faces
from standins.plain_network import plain_encoding

from doorguard.vision.photo import encode_photo
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.profile import MODELS


@pytest.fixture(scope="module")
def shipped() -> bytes:
    return (MODELS / "facenet.tflite").read_bytes()


def test_pairs_are_all_of_a_person_and_the_first_pictures_of_different_ones() -> None:
    genuine, impostor = measure.pairs(["a", "a", "b", "a", "c"])
    assert {tuple(pair) for pair in genuine.tolist()} == {(0, 1), (0, 3), (1, 3)}
    assert {tuple(pair) for pair in impostor.tolist()} == {(0, 2), (0, 4), (2, 4)}


@pytest.mark.parametrize(
    ("fmr", "fnmr"),
    [
        (0.0, 0.75),  # nobody may match: tau lies below 1.0, and only 0.5 is within it
        (0.25, 0.5),  # one of four may: tau lies below 1.4
        (0.5, 0.25),
        (1.0, 0.25),  # the last impostor is never let in
    ],
)
def test_fnmr_at_an_fmr_is_what_counting_by_hand_gives(fmr: float, fnmr: float) -> None:
    genuine = np.array([0.5, 1.0, 1.5, 3.0])
    impostor = np.array([3.0, 1.0, 2.0, 1.4])
    assert measure.fnmr_at(genuine, impostor, [fmr]) == [fnmr]


def test_distances_are_squared_and_of_the_pairs_named() -> None:
    encodings = np.eye(3)
    encodings[2] = -encodings[0]
    assert measure.distances(encodings, np.array([[0, 1], [0, 2], [1, 1]])).tolist() == [2.0, 4.0, 0.0]


def test_model_agrees_with_itself_exactly(shipped: bytes) -> None:
    crops = np.random.default_rng(5).integers(0, 256, (3, 112, 112, 3), np.uint8)
    reference = measure.encode(shipped, crops).astype(np.float32)
    same = measure.agreement(shipped, shipped, Faces(crops, reference))
    assert (same.d_p50, same.d_max) == (0.0, 0.0)
    assert same.cosine_float == same.cosine_int8 == pytest.approx(1.0, abs=1e-6)


def test_encoding_of_a_crop_is_the_pipelines_own(shipped: bytes, vision: FacePipeline) -> None:
    crop = np.random.default_rng(6).integers(0, 256, (112, 112, 3), np.uint8)
    np.testing.assert_allclose(measure.encode(shipped, [crop])[0], vision.encode_crop(crop), atol=1e-3)


def test_every_model_is_timed(shipped: bytes) -> None:
    times = measure.milliseconds({"one": shipped, "two": shipped}, np.zeros((112, 112, 3), np.uint8))
    assert set(times) == {"one", "two"}
    assert min(times.values()) > 0


def _people(root: Path, photos: Path, people: dict[str, list[str]]) -> Path:
    for person, names in people.items():
        (root / person).mkdir()
        for name in names:
            shutil.copy(photos / name, root / person)
    return root


def test_check_counts_people_pictures_pairs_and_those_without_a_face(
    tmp_path: Path, photos: Path, root: Path, shipped: bytes
) -> None:
    obama = ["obama-2009.jpg", "obama-2010.jpg", "obama-2012.jpg"]
    people = {"biden": ["biden-2010.jpg"], "collins": ["collins.jpg"], "obama": obama}
    folder = _people(tmp_path, photos, people)
    shutil.copy(root / "tests" / "data" / "cat.jpg", folder / "collins")
    (folder / "obama" / "text.jpg").write_text("no picture")
    found = measure.check(shipped, shipped, folder, [1e-2])
    assert (found.people, found.pictures, found.without_face) == (3, 5, 2)
    assert (found.genuine, found.impostor) == (3, 3)
    assert found.losses[0].fnmr_int8 == found.losses[0].fnmr_float == 0.0


def test_check_of_people_with_one_picture_each_is_refused(
    tmp_path: Path, photos: Path, shipped: bytes
) -> None:
    folder = _people(tmp_path, photos, {"biden": ["biden-2010.jpg"], "collins": ["collins.jpg"]})
    with pytest.raises(BuildError, match="two pictures of one"):
        measure.check(shipped, shipped, folder, [1e-2])


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
