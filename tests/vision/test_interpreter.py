"""The seam to the interpreter: one behaviour, whichever make is behind it."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from doorguard.errors import ModelError
from doorguard.vision.detector import Detector
from doorguard.vision.encoder import Encoder
from doorguard.vision.interpreter import Interpreter, Runtime, open_interpreter
from doorguard.vision.landmarks import Landmarks
from doorguard.vision.profile import DETECTOR, LANDMARKS, MODELS, shipped_profile

PROFILE = shipped_profile("facenet-ir-128-int8-1")


@pytest.fixture(scope="module")
def detector(runtime: Runtime) -> Interpreter:
    return open_interpreter(DETECTOR.read(), runtime, 1)


def test_open_interpreter_says_what_goes_in_and_out(detector: Interpreter, runtime: Runtime) -> None:
    assert detector.input_shape == (1, 128, 128, 3)
    assert detector.input_dtype == np.float32
    assert sorted(detector.output_shapes) == [(1, 896, 1), (1, 896, 16)]
    assert detector.runtime_name == ("litert" if runtime == "auto" else runtime)


def test_open_interpreter_of_a_path_equals_that_of_its_content(
    detector: Interpreter, runtime: Runtime
) -> None:
    other = open_interpreter(MODELS / DETECTOR.file, runtime, 2)
    image = np.linspace(-1, 1, 128 * 128 * 3, dtype=np.float32).reshape(1, 128, 128, 3)
    for one, two in zip(detector.run(image), other.run(image), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-3)


def test_run_returns_copies(detector: Interpreter) -> None:
    first = detector.run(np.zeros((1, 128, 128, 3), np.float32))
    kept = [output.copy() for output in first]
    detector.run(np.ones((1, 128, 128, 3), np.float32))
    for one, two in zip(first, kept, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 64, 64, 3), np.float32), np.zeros((1, 128, 128, 3), np.uint8)]
)
def test_run_on_another_shape_or_type_raises(detector: Interpreter, wrong: np.ndarray) -> None:
    with pytest.raises(ModelError, match="refused an input"):
        detector.run(wrong)


@pytest.mark.parametrize("content", [b"x" * 100, b"TFL", b""])
def test_open_interpreter_of_no_model_raises_one_line(content: bytes, runtime: Runtime) -> None:
    with pytest.raises(ModelError) as caught:
        open_interpreter(content, runtime, 1)
    assert "\n" not in str(caught.value)


def test_litert_refuses_a_damaged_model() -> None:
    with pytest.raises(ModelError, match="litert cannot load the model"):
        open_interpreter(DETECTOR.read()[:1000], "litert", 1)


def test_open_interpreter_of_a_missing_file_raises(tmp_path: Path, runtime: Runtime) -> None:
    with pytest.raises(ModelError, match="No such file"):
        open_interpreter(tmp_path / "none.tflite", runtime, 1)


def test_open_interpreter_prints_nothing(capfd: pytest.CaptureFixture[str], runtime: Runtime) -> None:
    open_interpreter(DETECTOR.read(), runtime, 1)
    assert capfd.readouterr() == ("", "")


def test_open_interpreter_without_standard_error_works(
    monkeypatch: pytest.MonkeyPatch, runtime: Runtime
) -> None:
    def closed(_: int) -> int:
        raise OSError("bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    assert open_interpreter(DETECTOR.read(), runtime, 1).input_shape == (1, 128, 128, 3)


def broken(name: str) -> types.ModuleType:
    """A module whose compiled half was built for another NumPy: reading it raises what its C code raises."""

    class Broken(types.ModuleType):
        def __getattr__(self, attribute: str) -> object:
            raise AttributeError("_ARRAY_API not found\nA module compiled using NumPy 1.x")

    return Broken(name)


def test_open_interpreter_without_any_make_names_both_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", broken("tflite_runtime.interpreter"))
    with pytest.raises(ModelError) as caught:
        open_interpreter(DETECTOR.read(), "auto", 1)
    message = str(caught.value)
    assert "ai-edge-litert" in message
    assert "doorguard[tflite-runtime]" in message
    assert "\n" not in message


def test_open_interpreter_named_never_falls_back_to_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ModelError, match="litert cannot be imported"):
        open_interpreter(DETECTOR.read(), "litert", 1)


def test_a_model_in_anothers_place_is_refused(detector: Interpreter, runtime: Runtime) -> None:
    landmarks = open_interpreter(LANDMARKS.read(), runtime, 1)
    with pytest.raises(ModelError, match="Face Mesh"):
        Landmarks(detector)
    with pytest.raises(ModelError, match="BlazeFace"):
        Detector(landmarks, 0.5)
    with pytest.raises(ModelError, match="profile"):
        Encoder(landmarks, PROFILE)


def test_both_makes_encode_the_same_crop_alike() -> None:
    pytest.importorskip("tflite_runtime", reason="the older interpreter needs Python 3.11 and NumPy 1")
    crop = np.random.default_rng(3).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    model = MODELS / "facenet.tflite"
    one, two = (
        Encoder(open_interpreter(model, name, 1), PROFILE).encode(crop)
        for name in ("litert", "tflite-runtime")
    )
    assert float(((one - two) ** 2).sum()) <= 0.02
