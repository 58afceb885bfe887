"""Turn a trained checkpoint into the encoder doorguard ships: one command, everything measured.

    python tools/build_model.py CHECKPOINT --out DIR [--check ../shared/lfw-dev/images]

Needs the extra `[build]`. Writes to DIR: NAME.tflite (full-integer), NAME-float.tflite, NAME.profile.json,
NAME.card.md, golden.json, and NAME.build.json with every figure. With --check it fails when quantisation
costs more than 0.3 points of FNMR at FMR 1e-4.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from quantise import check, faces, measure, package
from quantise.checkpoint import BuildError, Network, load_network
from quantise.network import multiply_adds, parameters

from doorguard.errors import DoorguardError
from doorguard.vision.interpreter import open_interpreter
from doorguard.vision.profile import MODELS

JUDGED_FMR = 1e-4
LOSS_MAX = 0.3
"""Percentage points of FNMR at that FMR that plain calibration may cost."""
SIZE_MAX = 3_000_000
"""Bytes of the int8 file."""
FMRS = (1e-3, JUDGED_FMR, 1e-5)
VALIDATION_FACES = 2000

_SHARED = Path(__file__).resolve().parents[2] / "shared"


def main(arguments: Sequence[str]) -> int:
    """Build one model; returns the exit code."""
    options = _parser().parse_args(arguments)
    command = shlex.join(["python", "tools/build_model.py", *arguments])
    try:
        report = build(options, command)
        judge(report)
    except (BuildError, DoorguardError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    return 0


def build(options: argparse.Namespace, command: str) -> dict[str, Any]:
    """Build, package and measure; returns the report. Raises `BuildError`, `DoorguardError`."""
    network = load_network(options.checkpoint)
    options.out.mkdir(parents=True, exist_ok=True)
    files = _write_models(network, options)
    int8 = files["int8"]
    encoder_id = options.id or f"facenet-ir-128-int8-{_sha256(int8)[:8]}"
    made = package.profile(
        options.profile,
        encoder_id=encoder_id,
        file=int8.name,
        sha256=_sha256(int8),
        tau_from=options.tau,
    )
    profile_path = options.out / f"{options.name}.profile.json"
    _write_json(profile_path, made)
    _write_json(options.out / "golden.json", package.golden(profile_path))
    report = {
        "id": encoder_id,
        "command": command,
        "checkpoint": {"name": options.checkpoint.name, "sha256": _sha256(options.checkpoint)},
        "tensorflow": version("tensorflow"),
        "files": {form: _described(path) for form, path in files.items()},
        "multiply_adds": multiply_adds(network),
        "parameters": parameters(network),
        "ranges": {"faces": options.samples, "seed": options.seed},
        **_measured(files, options),
    }
    _write_json(options.out / f"{options.name}.build.json", report)
    text = package.card(report)
    (options.out / f"{options.name}.card.md").write_text(text, encoding="utf-8")
    print(text)
    return report


def _write_models(network: Network, options: argparse.Namespace) -> dict[str, Path]:
    """Write both forms; returns their paths."""
    chosen = faces.sample_for_ranges(options.faces, options.samples, options.seed)
    try:
        from quantise import convert
    except ImportError as error:
        raise BuildError(f"TensorFlow cannot be imported ({error}); pip install -e '.[build]'") from error
    print(f"· quantising with the ranges of {len(chosen.crops)} faces", flush=True)
    paths = {
        "float": options.out / f"{options.name}-float.tflite",
        "int8": options.out / f"{options.name}.tflite",
    }
    paths["float"].write_bytes(convert.to_float(network))
    paths["int8"].write_bytes(convert.to_int8(network, chosen.crops))
    return paths


def _measured(files: dict[str, Path], options: argparse.Namespace) -> dict[str, Any]:
    """Return what the two forms do, side by side with the shipped file."""
    exact, rounded = files["float"].read_bytes(), files["int8"].read_bytes()
    unseen = faces.sample_for_validation(options.faces, VALIDATION_FACES, options.seed)
    print(f"· comparing float and int8 on {len(unseen.crops)} unseen faces", flush=True)
    compared = measure.agreement(exact, rounded, unseen)
    models = {"float": exact, "int8": rounded, "shipped": options.against.read_bytes()}
    checked = None
    if options.check:
        print(f"· measuring both on {options.check}", flush=True)
        forms = check.Forms(exact, rounded, options.profile)
        found = check.check(forms, options.check, FMRS)
        checked = {"data": options.check_name or options.check.name, **asdict(found)}
    return {
        "runtime": open_interpreter(rounded, "auto", 1).runtime_name,
        "agreement": asdict(compared),
        "speed_ms": measure.milliseconds(models, unseen.crops[0]),
        "check": checked,
    }


def judge(report: dict[str, Any]) -> None:
    """Raise `BuildError` when the file must not be shipped."""
    size = report["files"]["int8"]["bytes"]
    if size > SIZE_MAX:
        raise BuildError(f"the int8 file has {size} bytes, more than {SIZE_MAX}")
    if not report["check"]:
        return
    loss = next((one for one in report["check"]["losses"] if one["fmr"] == JUDGED_FMR), None)
    if loss is None:
        raise BuildError(f"{report['check']['data']} is too small to tell the FNMR at FMR {JUDGED_FMR:g}")
    points = 100 * (loss["fnmr_int8"] - loss["fnmr_float"])
    if points > LOSS_MAX:
        raise BuildError(
            f"quantisation costs {points:.2f} points of FNMR at FMR {JUDGED_FMR:g}, more than {LOSS_MAX}: "
            "the encoder needs quantisation-aware fine-tuning"
        )


def _described(path: Path) -> dict[str, Any]:
    return {"name": path.name, "sha256": _sha256(path), "bytes": path.stat().st_size}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools/build_model.py", description="Build the encoder's file.")
    parser.add_argument("checkpoint", type=Path, help="the trainer's .npz, float32 or float16")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--name", default="facenet", help="of the files, without their endings")
    parser.add_argument("--id", help="of the profile; by default made from the file's digest")
    parser.add_argument("--faces", type=Path, default=_SHARED / "train", help="folder of faces-*.npz")
    parser.add_argument("--samples", type=int, default=200, help="faces to take ranges from")
    parser.add_argument("--seed", type=int, default=1, help="of both samples of faces")
    parser.add_argument("--profile", type=Path, default=MODELS / "facenet.profile.json", help="pattern")
    parser.add_argument("--tau", type=Path, help="a profile calibrated for exactly this file")
    parser.add_argument("--against", type=Path, default=MODELS / "facenet.tflite", help="to time beside it")
    parser.add_argument("--check", type=Path, help="a folder per person, to measure error rates on")
    parser.add_argument("--check-name", help="what the card calls that folder")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
