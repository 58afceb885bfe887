"""The sample of training faces: seeded, colours and place as the encoder wants, no validation file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from quantise.checkpoint import BuildError
from quantise.faces import sample_for_ranges, sample_for_validation, scaled
from standins.face_files import write_faces


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, blue in enumerate((50, 100, 150)):
        write_faces(tmp_path / f"faces-{index}.npz", 8, blue)
    return tmp_path


def test_crop_is_the_middle_in_rgb(folder: Path) -> None:
    crops = sample_for_validation(folder, 8, 1).crops
    assert crops.shape == (8, 112, 112, 3)
    assert crops.dtype == np.uint8
    for index, crop in enumerate(crops):
        assert (np.abs(crop.astype(int) - (200, 10 * index, 150)) <= 2).all()


def test_ranges_are_drawn_from_every_file_but_the_last(folder: Path) -> None:
    blue = sample_for_ranges(folder, 100, 1).crops[:, 50, 50, 2]
    assert sorted(set(np.round(blue, -1))) == [50, 100]
    assert len(blue) == 16


def test_reference_belongs_to_the_picture_drawn(folder: Path) -> None:
    drawn = sample_for_ranges(folder, 9, 4)
    green = np.round(drawn.crops[:, 50, 50, 1] / 10).astype(int)
    assert drawn.reference.argmax(axis=1).tolist() == green.tolist()


def test_same_seed_draws_the_same_faces_and_another_one_others(folder: Path) -> None:
    first, again, other = (sample_for_ranges(folder, 6, seed).crops for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_folder_without_faces_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="--faces"):
        sample_for_validation(tmp_path, 1, 1)


def test_only_file_is_kept_for_validation(tmp_path: Path) -> None:
    write_faces(tmp_path / "faces-0.npz", 2, 50)
    with pytest.raises(BuildError, match="a second file"):
        sample_for_ranges(tmp_path, 1, 1)


def test_picture_that_cannot_be_decoded_is_refused_by_its_number(tmp_path: Path) -> None:
    broken = {"webp": np.zeros(10, np.uint8), "offsets": np.array([0, 10]), "reference": np.zeros((1, 128))}
    np.savez(tmp_path / "faces-0.npz", **broken)
    with pytest.raises(BuildError, match="picture 0 cannot be decoded"):
        sample_for_validation(tmp_path, 1, 1)


def test_file_whose_arrays_do_not_fit_is_refused(tmp_path: Path) -> None:
    broken = {"webp": np.zeros(10, np.uint8), "offsets": np.array([0, 9]), "reference": np.zeros((1, 128))}
    np.savez(tmp_path / "faces-0.npz", **broken)
    with pytest.raises(BuildError, match="do not fit"):
        sample_for_validation(tmp_path, 1, 1)


def test_scaled_pixels_run_from_minus_one_to_one() -> None:
    assert scaled(np.array([0, 255], np.uint8)).tolist() == [-1.0, 1.0]


def test_file_that_breaks_off_is_refused(folder: Path) -> None:
    path = folder / "faces-2.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BuildError, match=r"cannot read the faces in .*faces-2\.npz"):
        sample_for_validation(folder, 1, 1)
