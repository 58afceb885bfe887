"""evaluate on the bundled portraits, as a user types it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image
from standins.command_line import Run

from doorguard.photos import path

WHO = {
    "barack": ("obama-2009", "obama-2010", "obama-2012"),
    "joe": ("biden-2010",),
    "eileen": ("collins",),
}


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    root = tmp_path / "faces"
    for name, pictures in WHO.items():
        (root / name).mkdir(parents=True)
        for number, picture in enumerate(pictures, 1):
            shutil.copyfile(path(picture), root / name / f"{name}_{number:04d}.jpg")
    (root / "joe" / "joe_0002.jpg").write_text("no picture")
    (root / "nobody").mkdir()
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite3"


def test_gallery_tells_rates_and_problems(run: Run, faces: Path, cache: Path) -> None:
    ran = run("evaluate", "gallery", "--root", faces, "--gallery-size", "2", "--cache", cache, "--json")
    assert ran.code == 0, ran.err
    told = ran.json
    assert told["counts"]["genuine"] == 3 + 1  # the unreadable picture's comparison is a miss
    assert told["counts"]["genuine_without_encoding"] == 1
    assert told["counts"]["impostor"] == 3
    assert told["problems"]["failures"] == {"unreadable": 1}
    assert told["problems"]["people_without_a_picture"] == ["nobody"]
    assert told["tau_shipped"]["fnmr"] == pytest.approx(1 / 4)
    assert told["tau_shipped"]["fmr"] == 0.0
    text = run("evaluate", "gallery", "--root", faces, "--gallery-size", "2", "--cache", cache)
    assert "5 pictures" not in text.out
    assert "6 pictures of 3 people; 1 failed {'unreadable': 1}" in text.out


def test_gallery_mirror_changes_the_distances(run: Run, faces: Path, cache: Path) -> None:
    plain, fused = (
        run("evaluate", "gallery", "--root", faces, "--cache", cache, "--json", *more).json["det"]
        for more in ((), ("--mirror",))
    )
    assert plain[0]["tau"] != fused[0]["tau"]


def test_gallery_plots_curves_and_sheets(run: Run, faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "plots"
    config = ("--no-cache", "--processes", "1")
    assert run("evaluate", "gallery", "--root", faces, "--plot", out, *config).code == 0
    names = {file.name for file in out.iterdir()}
    assert {"det.png", "histograms.png", "false-matches.png"} <= names
    for file in out.iterdir():
        with Image.open(file) as picture:
            assert picture.width > 400


def test_plot_that_cannot_be_written_is_one_line(run: Run, faces: Path, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "file").touch()
    ran = run("evaluate", "gallery", "--root", faces, "--cache", cache, "--plot", tmp_path / "file")
    assert ran.code == 2
    assert "cannot write" in ran.err


def test_plot_without_matplotlib_says_what_to_install(
    run: Run, faces: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = run("evaluate", "gallery", "--root", faces, "--cache", cache, "--plot", tmp_path / "plots")
    assert ran.code == 2
    assert "pip install 'doorguard[lab]'" in ran.err


def test_pairs_with_a_missing_picture(run: Run, faces: Path, tmp_path: Path, cache: Path) -> None:
    pairs = tmp_path / "pairs.txt"
    pairs.write_text(
        "2 2\nbarack 1 2\nbarack 1 3\nbarack 1 joe 1\nbarack 2 eileen 1\n"
        "barack 2 3\nbarack 2 9\njoe 1 eileen 1\nbarack 3 joe 1\n"
    )
    base = ("evaluate", "pairs", "--root", faces, "--pairs", pairs, "--cache", cache)
    ran = run(*base, "--json", "--plot", tmp_path / "plots")
    assert ran.code == 0, ran.err
    assert ran.json["counts"]["pairs_without_answer"] == 1
    assert ran.json["accuracy"] == pytest.approx((1 + 3 / 4) / 2)
    assert ran.json["accuracy_of_answered"] == 1.0
    assert (tmp_path / "plots" / "det.png").exists()
    assert "missing: barack/barack_0009" in run(*base).out


def test_groups_of_the_bundled_portraits(run: Run, faces: Path, tmp_path: Path, cache: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("name,office\nbarack,president\njoe,president\n")
    base = ("evaluate", "groups", "--root", faces, "--labels", labels, "--cache", cache)
    ran = run(*base, "--json")
    assert ran.code == 0, ran.err
    assert [group["people"] for group in ran.json["groups"]] == [3, 2]
    assert "office: president" in run(*base).out


def test_robustness_of_the_bundled_portraits(run: Run, faces: Path, cache: Path) -> None:
    base = ("evaluate", "robustness", "--root", faces, "--cache", cache)
    ran = run(*base, "--json")
    assert ran.code in (0, 1), ran.err
    assert len(ran.json["conditions"]) == 22
    assert ran.code == (0 if ran.json["gate_holds"] else 1)
    assert "low_resolution" in run(*base).out


@pytest.mark.parametrize("command", ["gallery", "robustness"])
def test_folder_that_is_not_there_is_one_line(run: Run, tmp_path: Path, command: str) -> None:
    ran = run("evaluate", command, "--root", tmp_path / "none")
    assert ran.code == 2
    assert ran.err.count("\n") == 1


def test_evaluation_leaves_no_store_behind(run: Run, faces: Path, state: Path, cache: Path) -> None:
    run("evaluate", "gallery", "--root", faces, "--cache", cache)
    assert not state.exists()
