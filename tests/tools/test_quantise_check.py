"""Error rates of the two forms: pairs as counted by hand, on the bundled photographs and on toy encodings."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from quantise import check

from doorguard.core.metrics import Scores
from doorguard.errors import UsageError
from doorguard.vision.profile import MODELS


@pytest.fixture(scope="module")
def forms() -> check.Forms:
    shipped = (MODELS / "facenet.tflite").read_bytes()
    return check.Forms(shipped, shipped, MODELS / "facenet.profile.json")


def _people(root: Path, photos: Path, people: dict[str, list[str]]) -> Path:
    for person, names in people.items():
        (root / person).mkdir()
        for name in names:
            shutil.copy(photos / name, root / person)
    return root


def test_check_counts_people_pictures_pairs_and_those_without_a_face(
    tmp_path: Path, photos: Path, root: Path, forms: check.Forms
) -> None:
    obama = ["obama-2009.jpg", "obama-2010.jpg", "obama-2012.jpg"]
    people = {"biden": ["biden-2010.jpg"], "collins": ["collins.jpg"], "obama": obama}
    folder = _people(tmp_path, photos, people)
    shutil.copy(root / "tests" / "data" / "cat.jpg", folder / "collins")
    (folder / "obama" / "text.jpg").write_text("no picture")
    found = check.check(forms, folder, [0.5, 1e-2])
    assert (found.people, found.pictures, found.without_face) == (3, 7, 2)
    assert (found.genuine, found.impostor) == (1 + 6, 3)
    assert [loss.fmr for loss in found.losses] == [0.5], "three impostors say nothing of an FMR of 1e-2"
    assert found.losses[0].fnmr_int8 == pytest.approx(4 / 7), "the cat, and the text with each of three"


def test_check_of_people_with_one_picture_each_is_refused(
    tmp_path: Path, photos: Path, forms: check.Forms
) -> None:
    folder = _people(tmp_path, photos, {"biden": ["biden-2010.jpg"], "collins": ["collins.jpg"]})
    with pytest.raises(UsageError, match="two usable pictures"):
        check.check(forms, folder, [1e-2])


def test_each_form_is_judged_at_its_own_tau() -> None:
    impostor = np.array([1.0, 1.4, 2.0, 3.0])
    exact = Scores.of(np.array([0.5, 1.0, 1.2, 1.5]), impostor)
    rounded = Scores.of(np.array([0.5, 1.0, 1.2, 1.5]), impostor + 0.2)
    (loss,) = check._losses(exact, rounded, [0.25])
    assert (loss.fnmr_float, loss.fnmr_int8) == (0.5, 0.25)
