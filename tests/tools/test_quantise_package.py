"""What goes with a new file: a profile that lets nobody in until it is calibrated, golden answer, card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quantise import package
from quantise.checkpoint import BuildError

from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.profile import MODELS, load_profile
from doorguard.vision.selftest import DISTANCE_MAX

SHIPPED = MODELS / "facenet.profile.json"
DIGEST = json.loads(SHIPPED.read_bytes())["sha256"]


def made(folder: Path, *, sha256: str = "0" * 64, tau_from: Path | None = None) -> Path:
    content = package.profile(
        SHIPPED, encoder_id="facenet-new", file="facenet.tflite", sha256=sha256, tau_from=tau_from
    )
    path = folder / "facenet.profile.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_uncalibrated_profile_is_valid_and_lets_nobody_in(tmp_path: Path) -> None:
    profile = load_profile(made(tmp_path))
    assert (profile.encoder_id, profile.sha256) == ("facenet-new", "0" * 64)
    assert {entry.kind for entry in profile.tau} == {"extrapolated"}
    assert max(entry.tau for entry in profile.tau) < 1e-6
    assert "lets nobody in" in profile.calibration


def test_profile_keeps_input_and_alignment_of_its_pattern(tmp_path: Path) -> None:
    profile, pattern = load_profile(made(tmp_path)), load_profile(SHIPPED)
    assert profile.mesh_indices == pattern.mesh_indices
    np.testing.assert_array_equal(profile.template_points, pattern.template_points)


def test_tau_table_of_the_same_file_is_taken(tmp_path: Path) -> None:
    profile = load_profile(made(tmp_path, sha256=DIGEST, tau_from=SHIPPED))
    assert profile.tau == load_profile(SHIPPED).tau


def test_tau_table_of_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="calibrated for another file"):
        made(tmp_path, sha256="1" * 64, tau_from=SHIPPED)


def test_golden_answer_is_the_shipped_one_for_the_shipped_file_under_a_new_name(
    tmp_path: Path, vision: FacePipeline
) -> None:
    shutil.copy(MODELS / "facenet.tflite", tmp_path)
    answers = package.golden(made(tmp_path, sha256=DIGEST))
    old, new = answers[vision.model_id], answers[f"facenet-new@{DIGEST[:12]}"]
    difference = np.subtract(new["encoding"], old["encoding"])
    assert difference @ difference <= DISTANCE_MAX
    np.testing.assert_allclose(new["points"], old["points"], atol=0.5)


def report(check: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": "facenet-new",
        "command": "python tools/build_model.py old.npz --out new",
        "checkpoint": {"name": "old.npz", "sha256": "c" * 64},
        "tensorflow": "2.21.0",
        "files": {"int8": {"name": "facenet.tflite", "sha256": "d" * 64, "bytes": 2_134_840}},
        "multiply_adds": 251_999_232,
        "parameters": 1_895_544,
        "ranges": {"faces": 512, "seed": 1},
        "runtime": "litert",
        "agreement": {
            "faces": 2000,
            "d_p50": 0.00312,
            "d_p99": 0.0063,
            "d_max": 0.0088,
            "cosine_float": 0.8902,
            "cosine_int8": 0.8891,
        },
        "speed_ms": {"float": 3.3, "int8": 1.1, "shipped": 1.2},
        "check": check,
    }


def test_card_tells_every_figure_and_the_command() -> None:
    loss = {"fmr": 1e-4, "fnmr_float": 0.1145, "fnmr_int8": 0.1132}
    counts = {"people": 2882, "pictures": 5139, "without_face": 5, "genuine": 5963, "impostor": 4151521}
    text = package.card(report({"data": "lfw-dev", **counts, "losses": [loss]}))
    for words in (
        *("python tools/build_model.py old.npz --out new", "d" * 64, "2.13 MB", "252 M", "1.90 M"),
        *("median 0.0031", "p99 0.0063", "0.8902 | 0.8891", "3.30 | 1.10", "1.20 ms"),
        *("FMR 1e-04, lfw-dev | 11.45% | 11.32%", "2882 people", "4151521", "512 training faces"),
    ):
        assert words in text


def test_card_without_a_check_says_nothing_of_error_rates() -> None:
    assert "FNMR" not in package.card(report(None))
