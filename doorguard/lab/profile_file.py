"""Write a calibration down: a new profile beside its encoder, and never over anything that is there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from doorguard.errors import ModelMismatchError, UsageError
from doorguard.lab.calibrate import MEASURED_MIN, Calibration, entry_json
from doorguard.lab.people import People
from doorguard.lab.report import SEED
from doorguard.vision.profile import MODELS, ModelProfile, load_profile, verify_digest

SUFFIX = ".profile.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a calibration comes from.

    Parameters
    ----------
    data : the set's name.
    day : when it was measured.
    command : what was typed.

    """

    data: str
    day: date
    command: str


def check_place(out: Path) -> None:
    """Refuse a place where a profile may not go, before the work of a calibration is done.

    Raises `UsageError` when something is there already, when it is among the shipped models, which are never
    edited in place, or when the name is no profile's.
    """
    if not out.name.endswith(SUFFIX):
        raise UsageError(f"{out} is no name for a profile; give one that ends in {SUFFIX}")
    if out.resolve().parent == MODELS:
        raise UsageError(f"{out} lies among the shipped models, which stay as they are; write it elsewhere")
    if os.path.lexists(out):
        raise UsageError(f"{out} is there already; give another name or remove it first")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent} is no folder; make it first")


def write_profile(
    base: ModelProfile, found: Calibration, people: People, origin: Origin, out: Path
) -> ModelProfile:
    """Write the base profile with another tau table, and the encoder beside it unless it is there.

    Raises
    ------
    UsageError : the place is taken, or cannot be written to.
    ModelError : the base profile or the encoder cannot be read.
    ModelMismatchError : another file of the encoder's name is there.

    """
    check_place(out)
    document: dict[str, Any] = json.loads(base.source.read_bytes())
    document["tau"] = [entry_json(entry) for entry in found.entries]
    document["calibration"] = _calibration(found, people, origin)
    encoder = out.parent / base.path.name
    content = verify_digest(base.path, base.sha256)
    if is_there := encoder.exists():
        _check_same(encoder, base)
    try:
        with out.open("x", encoding="utf-8") as text:
            text.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        if not is_there:
            with encoder.open("xb") as stream:
                stream.write(content)
    except OSError as error:
        raise UsageError(f"cannot write {error.filename or out}: {error.strerror}") from error
    return load_profile(out)


def _check_same(encoder: Path, base: ModelProfile) -> None:
    try:
        verify_digest(encoder, base.sha256)
    except ModelMismatchError as error:
        raise ModelMismatchError(
            f"{encoder} is another encoder; write the profile where no such file lies"
        ) from error


def _calibration(found: Calibration, people: People, origin: Origin) -> Mapping[str, str]:
    impostors, tail = found.comparisons.impostors, found.tail
    failures = people.problems.failures
    failed = ", ".join(f"{count} {cause}" for cause, count in failures.items())
    return {
        "data": origin.data,
        "date": origin.day.isoformat(),
        "command": origin.command,
        "people": f"{len(impostors.compared)} with a usable picture; strangers compared by one each",
        "pictures": f"{people.pictures}, failed: {failed or 'none'}",
        "quality_gate": "not applied: every face that could be aligned counts",
        "measured": f"at least {MEASURED_MIN} false matches",
        "extrapolated": (
            f"generalised Pareto tail below D {tail.limit:.4f} (FMR {tail.share:.2e}),"
            f" shape {tail.shape:.4f}, scale {tail.scale:.5f}, {found.fitted} pairs;"
            f" the nearest {MEASURED_MIN} only counted"
        ),
        "fmr_high": f"upper 95 % bound, bootstrap over people, seed {SEED}",
        "suspects": f"{len(found.suspects)} pairs nearer than strangers are expected; counted as strangers",
    }
