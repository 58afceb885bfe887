"""verify and identify, on real photographs with the real models."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from standins.command_line import Run

from doorguard.photos import path


def test_verify_same_person_says_so(run: Run) -> None:
    ran = run("verify", path("obama-2009"), path("obama-2012"), "--json")
    assert ran.code == 0
    assert set(ran.json) == {"distance_sq", "tau", "same", "model"}
    assert ran.json["same"] is True
    assert ran.json["distance_sq"] < ran.json["tau"] == pytest.approx(1.1233)


def test_verify_other_person_is_denied(run: Run) -> None:
    ran = run("verify", path("obama-2012"), path("biden-2010"))
    assert ran.code == 20
    assert ran.out.startswith("not the same person: D ")


def test_verify_picture_shows_both(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert run("verify", path("obama-2009"), path("obama-2012"), "--picture", out).code == 0
    with Image.open(out) as picture:
        assert picture.width > 640 + 400


def test_verify_writes_nothing(run: Run, state: Path) -> None:
    run("verify", path("obama-2009"), path("obama-2012"))
    assert not state.exists()


def test_identify_empty_store_denies(run: Run) -> None:
    ran = run("identify", path("obama-2009"), "--json")
    assert ran.code == 20
    assert ran.json["resident"] is None
    assert ran.json["distance_sq"] is None
    assert ran.json["second_distance_sq"] is None
    assert ran.json["reason"] == "no_templates"


def test_identify_resident_and_stranger(run: Run, tmp_path: Path) -> None:
    assert run("enroll", "Barack", path("obama-2012")).code == 0
    out = tmp_path / "out.png"
    ran = run("identify", path("obama-2009"), "--json", "--picture", out)
    assert ran.code == 0
    assert ran.json["resident"] == "Barack"
    assert ran.json["reason"] == "match"
    assert out.stat().st_size > 1000
    stranger = run("identify", path("biden-2010"))
    assert stranger.code == 20
    assert stranger.out.startswith("nobody: the nearest resident is at D ")
    assert run("identify", path("obama-2009")).out.startswith("Barack: D ")


def test_identify_two_residents_alike_is_ambiguous(run: Run) -> None:
    run("enroll", "Barack", path("obama-2012"))
    run("enroll", "Double", path("obama-2012"), "--force")
    ran = run("identify", path("obama-2009"))
    assert ran.code == 20
    assert "too close to tell apart" in ran.out


BAD = ("truncated.jpg", "text.jpg", "empty.jpg", "folder.jpg", "missing.jpg")


@pytest.fixture
def bad_files(tmp_path: Path) -> Path:
    whole = path("obama-2012").read_bytes()
    (tmp_path / "truncated.jpg").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "text.jpg").write_text("a letter, not a picture\n")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", BAD)
def test_enroll_unreadable_file_is_one_line_and_stores_nothing(
    run: Run, bad_files: Path, state: Path, name: str
) -> None:
    ran = run("enroll", "Ada", bad_files / name)
    assert ran.code == 15
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert name in ran.err
    assert not state.exists()


def test_enroll_cat_has_no_face(run: Run, root: Path) -> None:
    ran = run("enroll", "Tom", root / "tests" / "data" / "cat.jpg")
    assert ran.code == 10
    assert ran.err.count("\n") == 1


def test_enroll_several_faces_needs_a_choice(run: Run, tmp_path: Path) -> None:
    both = Image.new("RGB", (1140, 800), "grey")
    for left, name in ((0, "obama-2012"), (640, "biden-2010")):
        with Image.open(path(name)) as photo:
            both.paste(photo, (left, 0))
    both.save(tmp_path / "both.png")
    assert run("enroll", "Barack", tmp_path / "both.png").code == 11
    assert run("enroll", "Barack", tmp_path / "both.png", "--largest").code == 0


def test_enroll_too_small_is_a_matter_of_quality(run: Run, tmp_path: Path) -> None:
    with Image.open(path("collins")) as photo:
        photo.resize((150, 150)).save(tmp_path / "small.png")
    ran = run("enroll", "Eileen", tmp_path / "small.png")
    assert ran.code == 12
    assert ran.err.count("\n") == 1
