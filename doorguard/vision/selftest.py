"""The golden self-test: one known face through the whole path, at every start, before the door may open.

A camera whose red and blue are swapped, a conversion that changed with a library, a damaged model: each still
finds faces and still yields encodings, only not the ones the templates were made of. So a bundled frame goes
in as the configured camera's device would deliver it, through the adapter's own conversion, and must come out
as the encoding stored beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from doorguard.core.alignment import alignment_points
from doorguard.core.model import Encoding, Image
from doorguard.errors import ModelError, UnreadableImageError
from doorguard.ports import FrameSource
from doorguard.vision.images import load_image
from doorguard.vision.pipeline import FacePipeline
from doorguard.vision.profile import GOLDEN, MODELS, ModelProfile

DISTANCE_MAX = 0.02
"""Largest D to the stored encoding. The two interpreters and OpenCV 4.6 to 5.0 stay below 0.01; swapped
channels and shifts by 5 px exceed it (tests)."""
SHIFT_MAX_PX = 2.0
"""Furthest an alignment point may lie from its stored place: alignment would hide a shifted picture."""

_TO_DO = "reinstall doorguard, or add the model again (doorguard models add)"

_BGR_KINDS = frozenset({"picamera2", "opencv"})
"""picamera2's "RGB888" lies in memory as B, G, R (its manual, appendix A); so does all that OpenCV reads."""


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """What the golden frame must give: `(n, 2)` alignment points in frame pixels, and the encoding."""

    points: NDArray[np.float64] = field(repr=False)
    encoding: Encoding = field(repr=False)


def golden_frame() -> Image:
    """Return the bundled frame, upright RGB; raises `ModelError`."""
    try:
        return load_image(MODELS / "golden.png")
    except UnreadableImageError as error:
        raise ModelError(f"the self-test's frame: {error}; reinstall doorguard") from error


def golden_native(kind: str) -> Image:
    """Return the golden frame as the device behind a camera of this kind delivers it, hanging upright.

    Independent of the adapters on purpose: a mistake in one must not cancel out here.
    """
    frame = golden_frame()
    return np.ascontiguousarray(frame[..., ::-1]) if kind in _BGR_KINDS else frame


def golden_answer(profile: ModelProfile) -> Golden:
    """Return what an encoder must answer to the golden frame, stored beside it; raises `ModelError`."""
    path, model_id = profile.path.parent / GOLDEN, profile.model_id
    try:
        answer = json.loads(path.read_bytes())[model_id]
        points = np.array(answer["points"], np.float64).reshape(profile.template_points.shape)
        return Golden(points, np.array(answer["encoding"], np.float32).reshape(profile.dim))
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}; {_TO_DO}") from error
    except KeyError as error:
        raise ModelError(f"{path} holds no answer of {model_id}: {_TO_DO}") from error
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path} is damaged: {error}; {_TO_DO}") from error


def golden_json(vision: FacePipeline) -> dict[str, dict[str, list[object]]]:
    """Return what `golden.json` keeps of the models in force; raises `ModelError`."""
    points, encoding = see_golden(vision, golden_frame())
    answer: dict[str, list[object]] = {
        "points": [[round(float(value), 2) for value in point] for point in points],
        "encoding": [round(float(value), 6) for value in encoding],
    }
    return {vision.model_id: answer}


def check_golden(vision: FacePipeline) -> float:
    """Send the golden frame through the models alone; returns and raises as `self_test`."""
    return _hold(vision, golden_frame())


def self_test(vision: FacePipeline, source: FrameSource, kind: str) -> float:
    """Send the golden frame through a camera's conversion and the models.

    Parameters
    ----------
    vision : the models in force.
    source : the camera, open or not; only its `to_rgb` is used.
    kind : `camera.kind` of the settings, which says in which order the device delivers its bytes.

    Returns
    -------
    D to the stored encoding, at most `DISTANCE_MAX` (included).

    Raises
    ------
    ModelError : the path does not do what it did when the templates' model was calibrated.

    """
    return _hold(vision, _delivered(source.to_rgb, golden_native(kind)))


def _hold(vision: FacePipeline, frame: Image) -> float:
    """Hold what the models make of a frame against the stored answer."""
    golden = golden_answer(vision.profile)
    points, encoding = see_golden(vision, frame)
    shift_px = float(np.sqrt(((points - golden.points) ** 2).sum(axis=1).max()))
    if not shift_px <= SHIFT_MAX_PX:
        raise _failed(f"the known face was seen {shift_px:.1f} px from its place")
    difference = encoding.astype(np.float64) - golden.encoding
    distance_sq = float(difference @ difference)
    if not distance_sq <= DISTANCE_MAX:
        raise _failed(f"the known face was encoded at D {distance_sq:.3f} from its stored encoding")
    return distance_sq


def see_golden(vision: FacePipeline, frame: Image) -> tuple[NDArray[np.float64], Encoding]:
    """Return alignment points and encoding of the largest face, whatever the quality gate's settings say."""
    faces = vision.detect(frame)
    seen = vision.observe(frame, faces[0]) if faces else None
    if seen is None or seen.mesh is None or seen.crop is None:
        raise _failed("the known face was not found")
    return alignment_points(seen.mesh.points, vision.profile.mesh_indices), vision.encode_crop(seen.crop)


def _delivered(to_rgb: Callable[[Image], Image], native: Image) -> Image:
    """Return what the conversion makes of the golden frame, hung as this camera hangs.

    The conversion also turns and mirrors as the settings say. Of the eight ways a picture can hang, the one
    is taken that comes out most like the golden frame; colours play no part in that choice.
    """
    wanted = golden_frame().mean(axis=2)
    best, least = None, np.inf
    for hung in _hangings(native):
        frame = to_rgb(hung)
        if frame.shape != native.shape or frame.dtype != np.uint8:
            continue
        difference = float(np.abs(frame.mean(axis=2) - wanted).mean())
        if difference < least:
            best, least = frame, difference
    if best is None:
        raise _failed("the camera's conversion changes size or type of a frame")
    return best


def _hangings(native: Image) -> Iterator[Image]:
    """Yield the square picture turned by quarter turns, and each of them mirrored."""
    for turns in range(4):
        turned = np.rot90(native, turns)
        yield np.ascontiguousarray(turned)
        yield np.ascontiguousarray(turned[:, ::-1])


def _failed(what: str) -> ModelError:
    return ModelError(
        f"self-test failed: {what}. Faces would not be recognised; the door stays locked. Check that OpenCV, "
        "the interpreter and the camera's driver are the versions doorguard supports"
    )
