"""Model profiles: which file, which digest, what goes in, how faces are aligned, what its distances mean."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from doorguard.core.gallery import Space
from doorguard.core.model import ModelId
from doorguard.core.threshold import TableEntry
from doorguard.errors import ModelError, ModelMismatchError
from doorguard.vision.pixels import Normalise, PixelRules

MODELS = Path(__file__).resolve().parent.parent / "models"
GOLDEN = "golden.json"
"""Beside each profile: what its encoder answers to the golden frame (`vision.selftest`)."""
MESH_POINTS = 468
POINTS_MIN, POINTS_MAX = 2, 16
"""Alignment points: two fix place, size and turn."""
DIM_MIN, DIM_MAX = 16, 2048
"""Numbers of an encoding; those in use have 64 to 1024."""

_PROFILE_MAX_BYTES = 256 * 1024
_MODEL_MAX_BYTES = 256 * 1024 * 1024

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_MeshGroup = Annotated[list[Annotated[int, Field(ge=0, lt=MESH_POINTS)]], Field(min_length=1, max_length=16)]
_Pixel = Annotated[list[float], Field(min_length=2, max_length=2)]
_Channels = Annotated[list[Annotated[float, Field(ge=-1e4, le=1e4)]], Field(min_length=3, max_length=3)]
_Rate = Annotated[float, Field(gt=0.0, lt=1.0)]


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """A model file that belongs to this release: its name in `doorguard/models` and its SHA-256."""

    file: str
    sha256: str

    def read(self) -> bytes:
        """Return the file's content; raises `ModelError`, `ModelMismatchError`."""
        return verify_digest(MODELS / self.file, self.sha256)


DETECTOR = PinnedModel(
    "face_detector.tflite", "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"
)
LANDMARKS = PinnedModel(
    "face_landmarks.tflite", "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"
)


@dataclass(frozen=True, slots=True, eq=False)
class ModelProfile:
    """What doorguard must know to use one encoder.

    Parameters
    ----------
    encoder_id : the profile's `id`.
    path, sha256 : the encoder's file and the digest it must have.
    input_size : side of the square crop in pixels.
    pixels : how the crop's RGB uint8 pixels become what the encoder wants.
    dim : how many numbers an encoding has.
    mesh_indices : n groups of mesh points, each the mean of which is an alignment point (`core.alignment`).
    template_points : `(n, 2)` float64, where those points lie in the crop, pixels.
    tau : the calibration table, largest FMR first; empty until the encoder is calibrated.
    calibration : where the table comes from, in words.
    source, digest : the profile file itself, and its SHA-256, hexadecimal.

    """

    encoder_id: str
    path: Path
    sha256: str
    input_size: int
    pixels: PixelRules
    dim: int
    mesh_indices: tuple[tuple[int, ...], ...]
    template_points: NDArray[np.float64] = field(repr=False)
    tau: tuple[TableEntry, ...] = field(repr=False)
    calibration: str
    source: Path
    digest: str

    @property
    def model_id(self) -> ModelId:
        """Name of the encoder as templates carry it: `id@` and 12 digits of its file's digest."""
        return ModelId(f"{self.encoder_id}@{self.sha256[:12]}")

    @property
    def space(self) -> Space:
        """Where its encodings lie."""
        return Space(self.model_id, self.dim)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class _Fixed(_Part):
    """`(pixel - mean) / std`, per channel in the encoder's order."""

    kind: Literal["fixed"]
    mean: _Channels
    std: _Channels

    @model_validator(mode="after")
    def _divisible(self) -> _Fixed:
        if min(self.std) <= 0.0:
            raise ValueError("std must be above 0")
        return self


class _PerImage(_Part):
    """Each picture to mean 0 and deviation 1, as FaceNet's "prewhitening" does."""

    kind: Literal["per_image"]


class _Input(_Part):
    height: Annotated[int, Field(ge=32, le=512)]
    width: Annotated[int, Field(ge=32, le=512)]
    channels: Literal["RGB", "BGR"]
    dtype: Literal["uint8", "int8", "float32"]
    normalise: Annotated[_Fixed | _PerImage, Field(discriminator="kind")] | None = None
    note: str = ""

    def pixels(self) -> PixelRules:
        """The same for the encoder."""
        rules = self.normalise
        if isinstance(rules, _Fixed):
            return PixelRules(self.channels, self.dtype, Normalise(tuple(rules.mean), tuple(rules.std)))
        return PixelRules(self.channels, self.dtype, None if rules is None else "per_image")

    @model_validator(mode="after")
    def _square(self) -> _Input:
        if self.height != self.width:
            raise ValueError("the crop must be square")
        return self


class _Output(_Part):
    dim: Annotated[int, Field(ge=DIM_MIN, le=DIM_MAX)]
    dtype: Literal["float32", "uint8", "int8"]
    l2_normalise: Literal[True]


class _Alignment(_Part):
    kind: Literal["similarity"]
    points: Annotated[list[str], Field(min_length=POINTS_MIN, max_length=POINTS_MAX)]
    mesh_indices: Annotated[list[_MeshGroup], Field(min_length=POINTS_MIN, max_length=POINTS_MAX)]
    template_points: Annotated[list[_Pixel], Field(min_length=POINTS_MIN, max_length=POINTS_MAX)]

    @model_validator(mode="after")
    def _paired(self) -> _Alignment:
        if not len(self.points) == len(self.mesh_indices) == len(self.template_points):
            raise ValueError("points, mesh_indices and template_points must be equally many")
        return self


class _Tau(_Part):
    fmr: _Rate
    tau: Annotated[float, Field(gt=0.0, lt=4.0)]
    kind: Literal["measured", "extrapolated"]
    impostor_comparisons: Annotated[int, Field(ge=0)]
    fnmr: Annotated[float, Field(ge=0.0, le=1.0)]
    genuine_comparisons: Annotated[int, Field(ge=0)]
    fmr_high: _Rate | None = None


class _ProfileFile(_Part):
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,100}\.tflite$")]
    sha256: _Sha256
    input: _Input
    output: _Output
    alignment: _Alignment
    distance: Literal["squared_l2"]
    tau: Annotated[list[_Tau], Field(max_length=100)]
    calibration: dict[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> _ProfileFile:
        if len(self.tau) == 1:
            raise ValueError("a tau table has two entries at least, or none before the encoder is calibrated")
        pairs = [(entry.fmr, entry.tau) for entry in self.tau]
        if any(b[0] >= a[0] or b[1] > a[1] for a, b in pairwise(pairs)):
            raise ValueError("tau entries must run from the largest fmr to the smallest, tau falling with it")
        flat = [value for point in self.alignment.template_points for value in point]
        if not all(0.0 <= value < self.input.width for value in flat):
            raise ValueError("template_points must lie inside the crop")
        return self


def load_profile(path: Path) -> ModelProfile:
    """Read and check a profile; the encoder's file is named in it and lies beside it.

    Raises `ModelError` when it cannot be read, is larger than 256 KiB or breaks a rule.
    """
    raw = _read_bounded(path, _PROFILE_MAX_BYTES)
    try:
        parsed = _ProfileFile.model_validate(json.loads(raw, object_pairs_hook=_unique))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "profile"
        raise ModelError(f"model profile {path}: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"model profile {path} is not valid JSON: {error}") from error
    points = np.array(parsed.alignment.template_points, dtype=np.float64)
    points.setflags(write=False)
    return ModelProfile(
        encoder_id=parsed.id,
        path=path.parent / parsed.file,
        sha256=parsed.sha256,
        input_size=parsed.input.width,
        pixels=parsed.input.pixels(),
        dim=parsed.output.dim,
        mesh_indices=tuple(tuple(group) for group in parsed.alignment.mesh_indices),
        template_points=points,
        tau=tuple(TableEntry(**entry.model_dump()) for entry in parsed.tau),
        calibration="; ".join(f"{key}: {value}" for key, value in parsed.calibration.items()),
        source=path,
        digest=hashlib.sha256(raw).hexdigest(),
    )


def shipped_profile(encoder_id: str) -> ModelProfile:
    """Return the profile of an encoder that came with this release; raises `ModelError`."""
    known = []
    for path in sorted(MODELS.glob("*.profile.json")):
        profile = load_profile(path)
        if profile.encoder_id == encoder_id:
            return profile
        known.append(profile.encoder_id)
    raise ModelError(f"no encoder {encoder_id!r} here; set vision.encoder to one of: {', '.join(known)}")


def verify_digest(path: Path, sha256: str) -> bytes:
    """Return a model file's content after checking that it is the one expected.

    The bytes returned are the bytes hashed, so nobody can exchange the file in between.

    Raises
    ------
    ModelError : it cannot be read.
    ModelMismatchError : its SHA-256 differs.

    """
    content = _read_bounded(path, _MODEL_MAX_BYTES)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelMismatchError(
            f"{path} has SHA-256 {found[:12]}…, expected {sha256[:12]}…: reinstall doorguard or its model"
        )
    return content


def _read_bounded(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > limit:
        raise ModelError(f"{path} is larger than {limit // 1024} KiB")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object, refusing a key given twice."""
    built = dict(pairs)
    if len(built) != len(pairs):
        raise ValueError("a key stands twice")
    return built
