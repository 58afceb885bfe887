"""What goes with the file: its profile, its golden answer and its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from make_golden import answer

from doorguard.config import Settings
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.profile import MODELS, load_profile
from doorguard.vision.selftest import golden_frame
from quantise.checkpoint import BuildError

_NOBODY = 1e-9
"""A tau nothing but a copy of the very encoding passes."""
UNCALIBRATED = {
    "data": "none: this table lets nobody in",
    "command": "doorguard calibrate --root DIR --out PROFILE",
}


def profile(
    pattern: Path, *, encoder_id: str, file: str, sha256: str, tau_from: Path | None
) -> dict[str, Any]:
    """Return the profile of a new encoder.

    Parameters
    ----------
    pattern : a profile whose input and alignment the encoder shares.
    encoder_id, file, sha256 : name, file name and digest of the new encoder.
    tau_from : a profile calibrated for exactly this file. Without one the table lets nobody in: thresholds
        do not travel between models, and a borrowed one would be a promise nobody has checked.

    Raises
    ------
    BuildError : `tau_from` belongs to another file.

    """
    made = {**_read(pattern), "id": encoder_id, "file": file, "sha256": sha256}
    if tau_from is None:
        return {**made, "tau": [_closed(fmr) for fmr in (1e-2, 1e-7)], "calibration": UNCALIBRATED}
    calibrated = _read(tau_from)
    if calibrated.get("sha256") != sha256:
        raise BuildError(
            f"{tau_from} was calibrated for another file ({str(calibrated.get('sha256'))[:12]}…, this one is "
            f"{sha256[:12]}…); leave --tau out and run doorguard calibrate"
        )
    return {**made, "tau": calibrated["tau"], "calibration": calibrated["calibration"]}


def _closed(fmr: float) -> dict[str, Any]:
    counts = {"impostor_comparisons": 0, "genuine_comparisons": 0}
    return {"fmr": fmr, "tau": _NOBODY, "kind": "extrapolated", "fnmr": 1.0, **counts}


def _read(path: Path) -> dict[str, Any]:
    load_profile(path)  # says in one line what is wrong with it
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def golden(profile_path: Path) -> dict[str, Any]:
    """Return the shipped models' golden answers and this one's; raises `ModelError`."""
    settings = Settings()
    own = load_profile(profile_path)
    vision = FacePipeline(own, settings.quality, settings.vision, settings.runtime)
    known: dict[str, Any] = json.loads((MODELS / "golden.json").read_bytes())
    return {**known, vision.model_id: answer(vision, golden_frame())}


def card(report: Mapping[str, Any]) -> str:
    """Return the model card: every figure of the report, and the command that made them."""
    files, agreement, speed = report["files"], report["agreement"], report["speed_ms"]
    lines = [
        f"## {files['int8']['name']} — the encoder ({report['id']})",
        "",
        f"sha256 {files['int8']['sha256']} · {files['int8']['bytes'] / 1e6:.2f} MB · from the checkpoint "
        f"{report['checkpoint']['name']} (sha256 {report['checkpoint']['sha256']}).",
        "",
        "FaceNet (Schroff et al. 2015) with Inception-ResNet blocks (Szegedy et al. 2016): uint8 RGB of "
        "112 × 112 pixels in, 128 float values out, to be normalised. Full-integer TFLite, weights quantised "
        f"per channel, batch normalisation folded in. {report['multiply_adds'] / 1e6:.0f} M multiply-adds, "
        f"{report['parameters'] / 1e6:.2f} M parameters.",
        "",
        f"Made by `{report['command']}` with TensorFlow {report['tensorflow']}; ranges from "
        f"{report['ranges']['faces']} training faces (seed {report['ranges']['seed']}).",
        "",
        "| measured | float | int8 |",
        "|---|---:|---:|",
        f"| mean cosine to the reference, {agreement['faces']} unseen faces "
        f"| {agreement['cosine_float']:.4f} | {agreement['cosine_int8']:.4f} |",
        f"| milliseconds, one thread, {report['runtime']} | {speed['float']:.2f} | {speed['int8']:.2f} |",
        *(_check_rows(report["check"]) if report["check"] else []),
        "",
        f"D between float and int8 on the same face: median {agreement['d_p50']:.4f}, "
        f"p99 {agreement['d_p99']:.4f}, largest {agreement['d_max']:.4f}. "
        f"The shipped encoder in the same run: {speed['shipped']:.2f} ms.",
    ]
    if report["check"]:
        lines += ["", _check_text(report["check"])]
    return "\n".join(lines) + "\n"


def _check_rows(check: Mapping[str, Any]) -> list[str]:
    return [
        f"| FNMR at FMR {loss['fmr']:.0e}, {check['data']} "
        f"| {loss['fnmr_float']:.2%} | {loss['fnmr_int8']:.2%} |"
        for loss in check["losses"]
    ]


def _check_text(check: Mapping[str, Any]) -> str:
    return (
        f"{check['data']}: {check['people']} people, {check['pictures']} pictures (at most 8 of a person), "
        f"{check['without_face']} of them without a face, which miss in all their pairs; {check['genuine']} "
        f"genuine and {check['impostor']} impostor pairs; tau taken on these pairs, for float and int8 each."
    )
