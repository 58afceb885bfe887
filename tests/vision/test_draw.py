"""Pictures with what was seen in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from doorguard.core.model import Box, Detection, Image
from doorguard.errors import UsageError
from doorguard.vision import draw
from doorguard.vision.draw import FaceMark, draw_faces, save_png
from doorguard.vision.images import load_image
from doorguard.vision.pipeline import FacePipeline

GREEN, RED, BLUE = (46, 204, 64), (255, 80, 60), (90, 220, 255)


@pytest.fixture(scope="module")
def portrait(photos: Path) -> Image:
    return load_image(photos / "obama-2012.jpg")


def count(image: Image, colour: tuple[int, int, int]) -> int:
    return int((image == np.array(colour, np.uint8)).all(axis=2).sum())


@pytest.mark.parametrize(("good", "colour", "other"), [(True, GREEN, RED), (False, RED, GREEN)])
def test_draw_faces_draws_box_mesh_and_words(
    vision: FacePipeline, portrait: Image, good: bool, colour: tuple[int, int, int], other: tuple[int, ...]
) -> None:
    before = portrait.copy()
    seen = vision.observe(portrait, vision.detect(portrait)[0])
    drawn = draw_faces(portrait, [FaceMark(seen, ("D 0.701  tau 1.123", "Zoë Müller"), good)])
    assert drawn.shape == portrait.shape
    assert drawn.dtype == np.uint8
    assert drawn.flags.writeable
    assert count(drawn, colour) > 500
    assert count(drawn, (other[0], other[1], other[2])) == 0
    assert count(drawn, BLUE) > 400
    assert count(drawn, (255, 255, 255)) > count(portrait, (255, 255, 255)) + 100
    np.testing.assert_array_equal(portrait, before)


def test_draw_faces_with_no_mark_changes_nothing(portrait: Image) -> None:
    np.testing.assert_array_equal(draw_faces(portrait, []), portrait)


@pytest.mark.parametrize("size", [(1, 1), (9, 2000), (3000, 4000)])
def test_draw_faces_in_any_picture_does_not_fail(
    vision: FacePipeline, portrait: Image, size: tuple[int, int]
) -> None:
    seen = vision.observe(portrait, vision.detect(portrait)[0])
    canvas = np.zeros((*size, 3), np.uint8)
    drawn = draw_faces(canvas, [FaceMark(seen, ("one", "two"), True), FaceMark(seen, (), False)])
    assert drawn.shape == canvas.shape


def test_draw_faces_without_a_mesh_draws_the_box(vision: FacePipeline) -> None:
    canvas = np.zeros((480, 640, 3), np.uint8)
    detection = Detection(Box(100.0, 100.0, 90.0, 90.0), 0.9, np.zeros((6, 2), np.float32))
    nobody = vision.observe(canvas, detection)
    assert nobody.mesh is None
    assert count(draw_faces(canvas, [FaceMark(nobody, (), False)]), RED) > 100


def test_words_are_set_in_the_font_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ImageFont.load_default(size=14)
    monkeypatch.setattr(ImageFont, "truetype", lambda name, size: wanted)
    assert draw._typeset("Zoë", 14) == (wanted, "Zoë")


def test_words_without_a_font_for_them_lose_their_accents(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, size: int) -> object:
        raise OSError("cannot open resource")

    small = ImageFont.load_default(size=14)
    monkeypatch.setattr(ImageFont, "truetype", missing)
    monkeypatch.setattr(ImageFont, "load_default", lambda size: small)
    assert draw._typeset("Zoë Øyvind 李", 14) == (small, "Zoe ?yvind ?")


def test_save_png_writes_what_load_image_reads(tmp_path: Path, portrait: Image) -> None:
    save_png(tmp_path / "out.png", portrait)
    np.testing.assert_array_equal(load_image(tmp_path / "out.png"), portrait)


def test_save_png_where_nothing_can_be_written_raises(tmp_path: Path, portrait: Image) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*none.*No such file"):
        save_png(tmp_path / "none" / "out.png", portrait)
    with pytest.raises(UsageError, match="cannot write"):
        save_png(tmp_path, portrait)
