"""Files of faces, alignment of people's folders, references from teachers."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [train] is not installed")

from train.align import align_folder  # noqa: E402
from train.commands import main, parse_teacher  # noqa: E402
from train.faces import read_faces, write_faces  # noqa: E402
from train.teacher import Teacher, project, references  # noqa: E402

from doorguard.vision.pipeline import FacePipeline  # noqa: E402
from doorguard.vision.profile import MODELS  # noqa: E402


def flat(*colour: int) -> np.ndarray:
    return np.full((120, 120, 3), colour, np.uint8)


def test_faces_written_are_read_with_colours_people_and_unit_references(tmp_path: Path) -> None:
    reference = np.full((2, 4), 2.0, np.float16)
    write_faces(tmp_path / "a.npz", [flat(200, 30, 0), flat(0, 30, 200)], person=[7, 9], reference=reference)
    faces = read_faces([tmp_path / "a.npz", tmp_path / "a.npz"])
    assert len(faces) == 4
    assert np.abs(faces.pictures[0, 60, 60].astype(int) - (200, 30, 0)).max() < 4
    assert faces.people is not None
    assert faces.people.tolist() == [7, 9, 7, 9]
    assert faces.references is not None
    np.testing.assert_allclose(faces.references, 0.5)
    assert not faces.low_resolution.any()


def test_faces_of_which_one_file_knows_no_person_have_no_people(tmp_path: Path) -> None:
    write_faces(tmp_path / "a.npz", [flat(1, 2, 3)], person=[1])
    write_faces(tmp_path / "b.npz", [flat(1, 2, 3)])
    assert read_faces([tmp_path / "a.npz", tmp_path / "b.npz"]).people is None


def test_file_of_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", other=np.zeros(3))
    with pytest.raises(ValueError, match="holds no faces"):
        read_faces([tmp_path / "a.npz"])
    with pytest.raises(ValueError, match="no files"):
        read_faces([])


def test_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    write_faces(tmp_path / "a.npz", [np.zeros((60, 60, 3), np.uint8)])
    with pytest.raises(ValueError, match="picture 0 is not 120×120"):
        read_faces([tmp_path / "a.npz"])


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """Two people of the bundled portraits, and what a folder may hold besides."""
    root = tmp_path_factory.mktemp("people")
    for index, photo in enumerate(sorted(photos.glob("*.jpg"))[:2]):
        (root / f"person-{index}").mkdir()
        shutil.copy(photo, root / f"person-{index}" / photo.name)
    (root / "person-0" / "broken.jpg").write_bytes(b"no picture")
    (root / "person-0" / "notes.txt").write_text("not a picture either")
    cv2.imwrite(str(root / "person-1" / "wall.png"), np.full((200, 200, 3), 90, np.uint8))
    return root


def test_folder_is_aligned_as_the_door_aligns_and_what_is_left_out_is_counted(
    people: Path, tmp_path: Path, vision: FacePipeline
) -> None:
    from doorguard.vision.images import load_image

    found = align_folder(people, tmp_path / "faces.npz")
    assert dict(found) == {"kept": 2, "unreadable": 1, "no face": 1}
    faces = read_faces([tmp_path / "faces.npz"])
    assert faces.people is not None
    assert faces.people.tolist() == [0, 1]
    image = load_image(next((people / "person-0").glob("*-20*.jpg")))
    crop = vision.observe(image, vision.detect(image)[0]).crop
    assert crop is not None
    inside = faces.pictures[0][4:116, 4:116].astype(int)
    assert np.abs(inside - crop)[20:92, 20:92].mean() < 4


def test_folder_without_faces_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nobody").mkdir()
    with pytest.raises(ValueError, match="no face in 1 folders"):
        align_folder(tmp_path, tmp_path / "faces.npz")


def test_references_of_the_shipped_encoder_are_its_own_encodings_with_the_mirror_image(
    people: Path, tmp_path: Path, vision: FacePipeline
) -> None:
    align_folder(people, tmp_path / "faces.npz")
    teacher = str(MODELS / "facenet.tflite")
    assert (
        main(["refer", str(tmp_path / "faces.npz"), str(tmp_path / "taught.npz"), "--teacher", teacher]) == 0
    )
    faces = read_faces([tmp_path / "taught.npz"])
    assert faces.references is not None
    assert faces.people is not None
    crop = faces.pictures[1][4:116, 4:116]
    both = vision.encode_crop(crop.copy()) + vision.encode_crop(crop[:, ::-1].copy())
    np.testing.assert_allclose(faces.references[1], both / np.linalg.norm(both), atol=2e-3)


def test_two_teachers_are_joined_on_128_directions_that_keep_distances() -> None:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (6, 120, 120, 3), dtype=np.uint8)
    one = Teacher(MODELS / "facenet.tflite")
    alone, joined = references([one], pictures), references([one, one], pictures)
    assert joined.shape == (6, 128)
    np.testing.assert_allclose(joined @ joined.T, alone @ alone.T, atol=1e-4)


def test_short_encodings_are_filled_with_zeros() -> None:
    assert project(np.ones((2, 5), np.float32)).sum(axis=1).tolist() == [5.0, 5.0]


def test_teacher_is_read_from_the_command_line() -> None:
    assert parse_teacher("a.onnx,size=160,order=BGR,mean=0,scale=255") == Teacher(
        Path("a.onnx"), 160, "BGR", 0.0, 255.0
    )
    with pytest.raises(ValueError, match="a teacher has no 'colour'"):
        parse_teacher("a.onnx,colour=BGR")
    with pytest.raises(ValueError, match="RGB or BGR"):
        parse_teacher("a.onnx,order=GBR")


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a protocol buffer: a small whole number, or text, or another message."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    content = value.encode() if isinstance(value, str) else value
    size = (
        bytes([len(content)]) if len(content) < 128 else bytes([len(content) & 127 | 128, len(content) >> 7])
    )
    return bytes([number << 3 | 2]) + size + content


def onnx_of_channel_means() -> bytes:
    """An ONNX file from 1 × 3 × 112 × 112 to the mean of each channel (field numbers of onnx.proto)."""

    def tensor(name: str, *sizes: int) -> bytes:
        shape = b"".join(field(1, field(1, size)) for size in sizes)
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))

    node = field(1, "x") + field(2, "y") + field(3, "mean") + field(4, "GlobalAveragePool")
    graph = field(1, node) + field(2, "g") + field(11, tensor("x", 1, 3, 112, 112))
    graph += field(12, tensor("y", 1, 3, 1, 1))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


@pytest.mark.parametrize(("order", "wanted"), [("RGB", (1.0, 0.2, 0.0)), ("BGR", (0.0, 0.2, 1.0))])
def test_onnx_teacher_sees_scaled_pixels_in_its_own_colour_order(
    order: str, wanted: tuple[float, ...], tmp_path: Path
) -> None:
    (tmp_path / "means.onnx").write_bytes(onnx_of_channel_means())
    teacher = Teacher(tmp_path / "means.onnx", order=order, mean=0.0, scale=255.0)
    found = references([teacher], flat(255, 51, 0)[None])[0]
    np.testing.assert_allclose(found[:3], np.array(wanted) / np.linalg.norm(wanted), atol=1e-4)
    assert not found[3:].any()
