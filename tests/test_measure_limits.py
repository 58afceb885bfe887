"""The tool behind the figures on the limits: faces stay where it says, and its rates are rates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

DISC_PX = 94.0


@pytest.fixture
def tool(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(root / "tools"))
    import measure_limits

    yield measure_limits


@pytest.fixture
def looks(tool: ModuleType) -> ModuleType:
    import limit_looks

    return limit_looks


def shot_of_a_disc(looks: ModuleType) -> object:
    """A white disc, 94 px wide, on black, in the middle of 250×250."""
    y, x = np.mgrid[:250, :250]
    disc = np.hypot(x - 125, y - 125) <= DISC_PX / 2
    image = np.repeat((disc * 255).astype(np.uint8)[..., None], 3, axis=2)
    return looks.Shot(image, (125.0, 125.0), DISC_PX, seed=7)


@pytest.mark.parametrize(
    ("change", "amount"),
    [("shrink", 60), ("blur", 0.02), ("smear", 0.1), ("lean", 45), ("stand", 60), ("cut_off", 0.3)],
)
def test_change_keeps_account_of_where_the_face_is(looks: ModuleType, change: str, amount: float) -> None:
    shot = looks.CHANGES[change][0](shot_of_a_disc(looks), amount)
    rows, columns = np.nonzero(shot.image[..., 0] > 190)  # the surroundings of a frame are darker
    assert np.max(columns) - shot.centre[0] == pytest.approx(shot.face_px / 2, abs=4)
    assert (np.max(rows) + np.min(rows)) / 2 == pytest.approx(shot.centre[1], abs=1.5)
    missing = amount if change == "cut_off" else 0.0
    assert shot.centre[0] - np.min(columns) == pytest.approx((0.5 - missing) * shot.face_px, abs=4)


def test_frame_around_a_face_is_the_same_every_time(looks: ModuleType) -> None:
    frames = [looks.stand(shot_of_a_disc(looks), 50).image for _ in range(2)]
    assert frames[0].shape == (480, 640, 3)
    assert np.array_equal(*frames)


@pytest.fixture
def pictures(looks: ModuleType, tmp_path: Path) -> object:
    for person, count in (("Ann", 4), ("Ben", 2), ("Cas", 1)):
        folder = tmp_path / "images" / person
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"{person}_{number}.jpg").write_bytes(b"no picture")
    return looks.Pictures.below(tmp_path)


def test_pictures_make_probes_of_the_second_and_third_only(pictures: object) -> None:
    assert pictures.person.tolist() == [0, 0, 0, 0, 1, 1, 2]
    assert pictures.is_probe.tolist() == [False, True, True, False, False, True, False]


def test_fingerprint_changes_with_the_pictures(looks: ModuleType, pictures: object) -> None:
    before = looks.fingerprint(pictures)
    assert looks.fingerprint(pictures) == before
    pictures.paths[-1].write_bytes(b"another picture")
    assert looks.fingerprint(pictures) != before


def looks_along(looks: ModuleType, directions: list[int | None]) -> np.ndarray:
    """A look per number, its encoding along that axis; None: not seen."""
    made = np.zeros(len(directions), looks.LOOK)
    for look, axis in zip(made, directions, strict=True):
        if axis is not None:
            look["found"] = look["seen"] = look["believed"] = True
            look["encoding"][axis] = 1
    return made


def test_study_counts_lost_and_alike_among_what_is_seen(
    tool: ModuleType, looks: ModuleType, pictures: object
) -> None:
    """Ann's second probe looks like somebody else; blurred, Ann and Ben look the same."""
    clean = looks_along(looks, [0, 0, 5, 0, 1, 1, 2])
    blurred = looks_along(looks, [9, None, 9])
    study = tool.Study(pictures, {looks.AS_IT_IS: clean, "blur 0.04": blurred})
    assert study.probes.tolist() == [1, 2, 5]
    assert study.lost(study.looks[looks.AS_IT_IS], study.probes, study.first) == pytest.approx(1 / 3)
    assert study.lost(blurred, study.probes, study.first) == 1.0
    assert study.alike(study.looks[looks.AS_IT_IS]) == 0.0
    assert study.alike(blurred) == 1.0


def test_study_takes_a_persons_next_picture_where_the_first_shows_no_face(
    tool: ModuleType, looks: ModuleType, pictures: object
) -> None:
    study = tool.Study(pictures, {looks.AS_IT_IS: looks_along(looks, [None, 0, 0, 0, 1, 1, 2])})
    assert study.first.tolist() == [1, 4, 6]


def test_margin_costs_what_lies_between_the_person_and_the_next(
    tool: ModuleType, looks: ModuleType, pictures: object
) -> None:
    """Everybody is his own template to the digit; nobody else is near: nothing is refused."""
    clean = looks_along(looks, [0, 0, 0, 0, 1, 1, 2])
    for name, value in (("face_px", 90), ("sharpness", 99), ("luma", 99), ("inside", 1)):
        clean[name] = value
    study = tool.Study(pictures, {looks.AS_IT_IS: clean})
    assert list(tool.margins(study).columns[-1].cells) == ["0.000 %", "0.000 %"]
    clean["encoding"][4:6] = 0.0
    clean["encoding"][4:6, :2] = (1.0, 0.05) / np.hypot(1.0, 0.05)  # Ben, Ann's double
    study = tool.Study(pictures, {looks.AS_IT_IS: clean})
    assert all(float(cell.split()[0]) > 50 for cell in tool.margins(study).columns[-1].cells)
