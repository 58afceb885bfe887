"""The whole build on a small encoder, through TensorFlow where it is installed, and what a build refuses."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import build_model
import numpy as np
import pytest
from quantise import measure
from quantise.checkpoint import fold
from quantise.faces import sample_for_validation
from standins.face_files import write_faces
from standins.plain_network import plain_encoding, small_tensors

from doorguard.vision.profile import load_profile

needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="needs the extra [build]"
)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    for index in range(2):
        write_faces(folder / f"faces-{index}.npz", 12, 90 * index)
    return folder


def run(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # A process of its own: TensorFlow's import warns, and warnings are errors in here.
    command = [sys.executable, root / "tools" / "build_model.py", *arguments]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def built(root: Path, faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    np.savez(folder / "small.npz", **small_tensors())
    for out in ("one", "two"):
        done = run(root, folder / "small.npz", "--out", folder / out, "--faces", faces, "--samples", "10")
        assert done.returncode == 0, done.stderr[-2000:]
    return folder


@needs_tensorflow
def test_float_file_computes_what_the_checkpoint_says(built: Path, faces: Path) -> None:
    network = fold(small_tensors())
    crops = np.random.default_rng(8).integers(0, 256, (4, 112, 112, 3), np.uint8)
    found = measure.encode((built / "one" / "facenet-float.tflite").read_bytes(), crops)
    wanted = np.stack([plain_encoding(network, crop) for crop in crops])
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@needs_tensorflow
def test_int8_file_stays_near_its_float_form_and_apart_from_other_faces(built: Path, faces: Path) -> None:
    crops = sample_for_validation(faces, 12, 1).crops[[0, 11]]
    exact, rounded = (
        measure.encode((built / "one" / name).read_bytes(), crops)
        for name in ("facenet-float.tflite", "facenet.tflite")
    )
    own = ((exact - rounded) ** 2).sum(axis=1).max()
    assert own < 0.01
    assert ((exact[0] - exact[1]) ** 2).sum() > 2 * own


@needs_tensorflow
def test_int8_file_computes_in_integers_only_with_a_scale_for_each_channel(built: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(built / "one" / "facenet.tflite"))
    (entry,), (leaving,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (entry["dtype"], leaving["dtype"]) == (np.uint8, np.float32)
    scale, zero = entry["quantization"]
    assert scale == pytest.approx(1 / 127.5, rel=1e-3)
    assert zero in (127, 128)
    tensors = [one for one in interpreter.get_tensor_details() if one["index"] != leaving["index"]]
    assert {one["dtype"] for one in tensors} <= {np.uint8, np.int8, np.int32}
    weights = [
        one
        for one in tensors
        if one["dtype"] == np.int8 and len(one["quantization_parameters"]["scales"]) > 1
    ]
    assert len(weights) == len(fold(small_tensors()).layers)


@needs_tensorflow
def test_same_checkpoint_gives_the_same_bytes(built: Path) -> None:
    one, two = ((built / name / "facenet.tflite").read_bytes() for name in ("one", "two"))
    assert one == two


@needs_tensorflow
def test_profile_golden_answer_card_and_figures_lie_beside_the_file(built: Path) -> None:
    folder = built / "one"
    profile = load_profile(folder / "facenet.profile.json")
    figures = json.loads((folder / "facenet.build.json").read_text())
    assert figures["files"]["int8"]["sha256"] == profile.sha256
    assert figures["id"] == profile.encoder_id == f"facenet-ir-128-int8-{profile.sha256[:8]}"
    assert profile.model_id in json.loads((folder / "golden.json").read_text())
    assert profile.sha256 in (folder / "facenet.card.md").read_text()
    assert set(figures["speed_ms"]) == {"float", "int8", "shipped"}
    assert figures["agreement"]["faces"] == 12


def judged(points: float, size: int = 2_000_000, fmr: float = 1e-4) -> dict[str, Any]:
    losses = [{"fmr": fmr, "fnmr_float": 0.10, "fnmr_int8": 0.10 + points / 100}]
    losses += [{"fmr": 1e-5, "fnmr_float": 0.10, "fnmr_int8": 0.50}]
    return {"files": {"int8": {"bytes": size}}, "check": {"data": "toys", "losses": losses}}


def test_loss_within_the_limit_passes() -> None:
    build_model.judge(judged(0.29))
    build_model.judge({**judged(5.0), "check": None})


def test_loss_beyond_the_limit_fails_with_the_figure() -> None:
    with pytest.raises(build_model.BuildError, match=r"0\.31 points"):
        build_model.judge(judged(0.31))


def test_folder_too_small_to_judge_by_fails() -> None:
    with pytest.raises(build_model.BuildError, match="toys is too small"):
        build_model.judge(judged(0.0, fmr=1e-3))


def test_file_beyond_three_megabytes_fails() -> None:
    build_model.judge(judged(0.0, size=3_000_000))
    with pytest.raises(build_model.BuildError, match="3000001 bytes"):
        build_model.judge(judged(0.0, size=3_000_001))


def test_missing_checkpoint_ends_with_one_line_and_exit_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_model.main([str(tmp_path / "none.npz"), "--out", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("✗ cannot read the checkpoint")
    assert not (tmp_path / "out").exists()
