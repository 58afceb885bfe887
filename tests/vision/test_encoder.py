"""Encoders of other kinds: sides, colours, types, normalisations, numbers; NumPy says what must come out."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from doorguard.core.model import Image
from doorguard.errors import ModelError
from doorguard.vision.encoder import Encoder
from doorguard.vision.interpreter import Quantisation, Runtime, count_multiply_adds, open_interpreter
from doorguard.vision.pixels import Normalise, PixelRules, make_feed
from doorguard.vision.profile import MODELS, ModelProfile, load_profile

DATA = Path(__file__).parents[1] / "data"
KINDS = sorted(path.name.removesuffix(".profile.json") for path in (DATA / "encoders").glob("*.json"))


def _maker() -> ModuleType:
    """The script that made the files; it holds their weights."""
    spec = importlib.util.spec_from_file_location("make_encoders", DATA / "make_encoders.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKER = _maker()


def profile_of(kind: str) -> ModelProfile:
    return load_profile(DATA / "encoders" / f"{kind}.profile.json")


def some_crop(side: int) -> Image:
    """Colours that change across the picture and differ from each other."""
    across, down = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side))
    planes = (40 + 200 * across, 220 - 150 * down, 128 + 100 * np.sin(9 * across * down))
    return np.stack(planes, axis=2).astype(np.uint8)


def expected(kind: str, crop: Image) -> NDArray[np.float64]:
    """What the encoder must answer, from its weights."""
    told: dict[str, Any] = MAKER.KINDS[kind]
    values = (crop if told["channels"] == "RGB" else crop[..., ::-1]).astype(np.float64)
    if told["normalise"]["kind"] == "per_image":
        values = (values - values.mean()) / values.std()
    else:
        values = (values - np.array(told["normalise"]["mean"])) / np.array(told["normalise"]["std"])
    mixed = values @ MAKER.WEIGHTS[: told["filters"]].T.astype(np.float64)
    square = told["side"] // 8
    pooled = mixed.reshape(8, square, 8, square, -1).mean(axis=(1, 3)).ravel()
    found: NDArray[np.float64] = pooled / np.linalg.norm(pooled)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_encode_of_any_kind_is_what_its_weights_say(kind: str, runtime: Runtime) -> None:
    profile = profile_of(kind)
    encoder = Encoder(open_interpreter(profile.path, runtime, 1), profile)
    crop = some_crop(profile.input_size)
    encoding = encoder.encode(crop)
    assert encoding.shape == (profile.dim,)
    assert float(np.linalg.norm(encoding)) == pytest.approx(1.0, abs=1e-5)
    off = float(((encoding - expected(kind, crop)) ** 2).sum())
    assert off < (1e-9 if profile.pixels.dtype == "float32" else 2e-3)
    swapped = float(((encoder.encode(crop[..., ::-1].copy()) - encoding) ** 2).sum())
    assert swapped > 0.1


@pytest.mark.parametrize(
    "change", [{"dim": 64}, {"input_size": 96}, {"pixels": PixelRules("RGB", "uint8", None)}], ids=str
)
def test_an_encoder_that_is_not_as_its_profile_says_is_refused(
    change: dict[str, Any], runtime: Runtime
) -> None:
    profile = profile_of("mobile112-float-128")
    with pytest.raises(ModelError, match="1×112×112×3 float32 in and 1×128 out, not"):
        Encoder(open_interpreter(profile.path, runtime, 1), replace(profile, **change))


def test_feed_without_normalisation_passes_pixels_on() -> None:
    crop = some_crop(8)
    plain = make_feed(PixelRules("RGB", "uint8", None), Quantisation(0.1, 7))
    np.testing.assert_array_equal(plain(crop), crop)
    swapped = make_feed(PixelRules("BGR", "uint8", None), Quantisation())
    np.testing.assert_array_equal(swapped(crop), crop[..., ::-1])
    below = make_feed(PixelRules("RGB", "int8", None), Quantisation(0.1, 7))(crop)
    assert below.dtype == np.int8
    np.testing.assert_array_equal(below.astype(int), crop.astype(int) - 128)
    floats = make_feed(PixelRules("RGB", "float32", None), Quantisation())(crop)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, crop)


def test_feed_normalises_in_the_encoders_order_of_channels() -> None:
    rules = PixelRules("BGR", "float32", Normalise((1.0, 2.0, 3.0), (1.0, 10.0, 100.0)))
    crop = np.full((4, 4, 3), (103, 22, 11), np.uint8)
    np.testing.assert_allclose(make_feed(rules, Quantisation())(crop)[0, 0], [10.0, 2.0, 1.0])


def test_feed_quantises_as_the_tensor_says_and_clips() -> None:
    rules = PixelRules("RGB", "int8", Normalise((0.0,) * 3, (1.0,) * 3))
    fed = make_feed(rules, Quantisation(1.5, -10))(np.full((2, 2, 3), (0, 15, 255), np.uint8))
    np.testing.assert_array_equal(fed[0, 0], [-10, 0, 127])


def test_feed_of_an_integer_input_without_a_scale_cannot_normalise() -> None:
    with pytest.raises(ModelError, match="scale"):
        make_feed(PixelRules("RGB", "int8", "per_image"), Quantisation())


def test_feed_whitens_a_flat_picture_without_dividing_by_zero() -> None:
    flat = make_feed(PixelRules("RGB", "float32", "per_image"), Quantisation())(
        np.full((9, 9, 3), 80, np.uint8)
    )
    np.testing.assert_array_equal(flat, np.zeros((9, 9, 3), np.float32))


def test_multiply_adds_are_those_the_card_names(runtime: Runtime) -> None:
    assert count_multiply_adds((MODELS / "facenet.tflite").read_bytes(), runtime) == 251_999_232
    tiny = profile_of("facenet160-float-512")
    assert count_multiply_adds(tiny.path.read_bytes(), runtime) == 160 * 160 * 3 * 8


def test_multiply_adds_of_no_model_raises(runtime: Runtime) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        count_multiply_adds(b"not a model" * 100, runtime)
