"""The rendered scene: what stands where, and that the real pipeline sees the people in it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from doorguard.adapters.simulated import portrait as portraits
from doorguard.adapters.simulated.portrait import ANCHORS, load_portrait
from doorguard.adapters.simulated.scene import Scene
from doorguard.adapters.simulated.visits import (
    CHANGING_LIGHT,
    DEMO_SCRIPT,
    NOBODY,
    PASSER_BY,
    RESIDENT,
    Expected,
    Light,
    Script,
    Visit,
    Walker,
)
from doorguard.errors import CameraError
from doorguard.photos import NAMES
from doorguard.vision.pipeline import FacePipeline


def _standing(photo: str, x: float, face: float, *, mirrored: bool = False) -> Walker:
    place = (x, 0.4, face)
    return Walker(photo, ((0.0, *place), (9.0, *place)), sway_px=0.0, mirrored=mirrored)


def _scene(*walkers: Walker, size: tuple[int, int] = (640, 480)) -> Scene:
    visit = Visit("", walkers, 9.0, Expected.NOTHING, noise=0.0)
    return Scene(Script((visit,), pause_s=1.0), size)


def test_anchors_name_bundled_photographs() -> None:
    assert set(ANCHORS) <= set(NAMES)


@pytest.mark.parametrize("photo", sorted(ANCHORS))
def test_portrait_colours_never_exceed_their_opacity(photo: str) -> None:
    portrait = load_portrait(photo)

    for level in portrait.levels:
        assert np.all(level[..., :3] <= level[..., 3:].astype(int) + 1)
    shapes = [level.shape[:2] for level in portrait.levels]
    assert all(
        abs(big - 2 * small) <= 2 for a, b in pairwise(shapes) for big, small in zip(a, b, strict=True)
    )


def test_portrait_of_an_unreadable_file_is_a_fatal_camera_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portraits, "path", lambda name: tmp_path / f"{name}.jpg")
    load_portrait.cache_clear()

    with pytest.raises(CameraError, match="install doorguard again") as caught:
        load_portrait("collins")

    assert caught.value.fatal


@pytest.mark.parametrize("photo", sorted(ANCHORS))
@pytest.mark.parametrize("mirrored", [False, True])
def test_face_is_seen_where_and_as_large_as_the_way_says(
    vision: FacePipeline, photo: str, mirrored: bool
) -> None:
    frame = _scene(_standing(photo, -0.1, 0.22, mirrored=mirrored)).render(2.0, 0)

    (found,) = vision.detect(frame)
    observed = vision.observe(frame, found)

    assert observed.quality is not None
    assert observed.mesh is not None
    assert observed.quality.face_px == pytest.approx(0.22 * 480, rel=0.08)
    middle = observed.mesh.points[:, :2].mean(axis=0)
    assert middle == pytest.approx(np.array((320 - 48, 0.4 * 480)), abs=12)


def test_scene_at_another_size_shows_the_same_view(vision: FacePipeline) -> None:
    frame = _scene(_standing("collins", 0.1, 0.2), size=(1280, 720)).render(2.0, 0)

    (found,) = vision.detect(frame)

    assert frame.shape == (720, 1280, 3)
    assert found.box.centre[0] == pytest.approx(640 + 72, abs=20)


def test_scene_without_a_visitor_shows_no_face(vision: FacePipeline) -> None:
    scene = Scene(DEMO_SCRIPT, (640, 480))

    assert not any(vision.detect(scene.render(0.2, index)) for index in range(3))


def test_nearer_walker_stands_in_front() -> None:
    near, far = _standing("collins", 0.0, 0.2), _standing("biden-2010", 0.0, 0.1)

    assert np.array_equal(_scene(near, far).render(2.0, 0), _scene(far, near).render(2.0, 0))


def test_walker_beside_the_picture_changes_nothing() -> None:
    assert np.array_equal(_scene(_standing("collins", 5.0, 0.2)).render(2.0, 0), _scene().render(2.0, 0))


def test_light_falls_and_comes_back() -> None:
    light = Light(low=0.4, cycles=1.0)

    assert [light.gain(share) for share in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.4, 1.0])


def test_dim_frame_is_darker_by_its_gain() -> None:
    visit = Visit("", (), 2.0, Expected.NOTHING, light=Light(low=0.5), noise=0.0)
    scene = Scene(Script((visit,), pause_s=1.0), (160, 120))

    assert scene.render(2.0, 0).mean() == pytest.approx(0.5 * scene.render(1.0, 0).mean(), rel=0.02)


def test_blur_takes_detail_away() -> None:
    walker = _standing("collins", 0.0, 0.2)
    visits = [Visit("", (walker,), 9.0, Expected.NOTHING, noise=0.0, blur_px=px) for px in (0.0, 2.0)]
    sharp, soft = (Scene(Script((visit,)), (640, 480)).render(3.0, 0).astype(int) for visit in visits)

    assert np.abs(np.diff(soft, axis=1)).mean() < 0.8 * np.abs(np.diff(sharp, axis=1)).mean()


def test_script_finds_its_visits_and_the_pauses_between() -> None:
    script = Script((RESIDENT, PASSER_BY), pause_s=1.0)
    first, second = script.starts()

    assert script.at(0.99) is None
    assert script.at(first) == (0, 0.0)
    assert script.at(first + RESIDENT.duration_s) is None
    assert script.at(second + 0.5) == (1, pytest.approx(0.5))
    assert script.at(script.duration_s) is None
    assert script.duration_s == pytest.approx(3.0 + RESIDENT.duration_s + PASSER_BY.duration_s)


def test_demo_script_lasts_less_than_a_minute_and_has_every_kind_of_visit() -> None:
    assert DEMO_SCRIPT.duration_s < 60
    assert {visit.expected for visit in DEMO_SCRIPT.visits} == set(Expected)
    assert CHANGING_LIGHT in DEMO_SCRIPT.visits
    assert NOBODY not in DEMO_SCRIPT.visits
    for visit in DEMO_SCRIPT.visits:
        assert max(walker.way[-1][0] for walker in visit.walkers) <= visit.duration_s
        assert (visit.person is not None) == (visit.expected is Expected.GRANTED)
