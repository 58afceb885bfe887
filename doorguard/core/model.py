"""The words of the method as types: boxes, frames, faces, observations, comparisons, residents.

Pixels are (x, y), x to the right and y down from the frame's top-left corner, float. Colour images are
`(height, width, 3)` uint8 **RGB**; a camera's adapter converts. Seconds ending in `_s` are monotonic unless
the name says `utc`. `distance_sq` is `D(x1, x2) = ||f(x1) - f(x2)||²`, 0 to 4, lower is closer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType, TypeAlias

import numpy as np
from numpy.typing import NDArray

ResidentId = NewType("ResidentId", str)
"""16 lower-case hexadecimal digits, random; stands for the resident in events and logs."""

ModelId = NewType("ModelId", str)
"""The profile's `id` and the first 12 digits of the encoder file's SHA-256, joined by `@`."""

Image: TypeAlias = NDArray[np.uint8]
"""Shape `(height, width, 3)`, uint8, RGB."""

Encoding: TypeAlias = NDArray[np.float32]
"""Shape `(dim,)`, float32, unit length; `dim` is the model's, 128 for the shipped one."""

Points: TypeAlias = NDArray[np.float32]
"""Shape `(n, 2)` or `(n, 3)`, float32, frame pixels (z in the same scale)."""


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in frame pixels; may reach outside the frame."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Square pixels; 0 for an empty or inverted box."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    @property
    def centre(self) -> tuple[float, float]:
        """Centre point `(x, y)`."""
        return self.x + self.width / 2, self.y + self.height / 2

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1; 0 when both are empty."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        shared = max(right - left, 0.0) * max(bottom - top, 0.0)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a camera.

    Parameters
    ----------
    image : RGB, uint8, `(height, width, 3)`.
    captured_s : monotonic seconds at which the frame was exposed, or read where that is unknown.
    sequence : counts up by one per frame of one source; never reused while the source is open.
    """

    image: Image = field(repr=False)
    captured_s: float
    sequence: int


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face found by the detector.

    Parameters
    ----------
    box : the detector's box, frame pixels.
    score : 0 to 1, after weighted non-maximum suppression.
    keypoints : `(6, 2)` float32 frame pixels: image-left eye, image-right eye, nose tip, mouth centre,
        image-left ear, image-right ear.
    """

    box: Box
    score: float
    keypoints: Points = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """The 468-point face mesh in frame pixels.

    Parameters
    ----------
    points : `(468, 3)` float32; z grows away from the camera, in pixels of the same scale.
    presence : 0 to 1, sigmoid of the network's "there is a face".
    """

    points: Points = field(repr=False)
    presence: float


class QualityFault(StrEnum):
    """Why a face is not worth encoding; the value is the word used in events and messages."""

    NO_MESH = "no_mesh"
    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    TURNED = "turned"
    TILTED = "tilted"
    ROLLED = "rolled"
    OUT_OF_FRAME = "out_of_frame"


@dataclass(frozen=True, slots=True)
class Quality:
    """What the quality gate measured on one face.

    Parameters
    ----------
    face_px : width of the face in pixels, between the mesh's outermost cheek points (234 and 454).
    sharpness : fine detail of the aligned crop's luma in the direction that has least of it, relative to its
        contrast; no unit, 0 upwards (`vision.quality.sharpness`).
    luma : mean luma of the aligned crop, 0 to 255.
    yaw_deg, pitch_deg, roll_deg : head pose from the mesh; 0 is frontal. Positive yaw: the nose points
        to the image's right. Positive pitch: up. Positive roll: clockwise in the image.
    inside : share of the mesh's points that lie inside the frame, 0 to 1.
    """

    face_px: float
    sharpness: float
    luma: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    inside: float


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """Everything the pipeline learned about one face in one frame.

    `encoding` is there exactly when `faults` is empty. `crop` is the aligned RGB uint8 picture of the face,
    None when there was no mesh. `stage_ms`: of `detect`, `landmarks`, `align`, `quality`, `encode`.
    """

    detection: Detection
    mesh: Mesh | None
    quality: Quality | None
    faults: tuple[QualityFault, ...]
    encoding: Encoding | None = field(repr=False)
    crop: Image | None = field(repr=False)
    stage_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Resident:
    """Who may enter. `name` is unique without regard to case; ids, not names, go into events."""

    resident_id: ResidentId
    name: str
    enabled: bool
    created_utc: datetime
    consent: str | None = None
    consent_utc: datetime | None = None
    templates: int = 0
    crops: int = 0

    def as_json(self) -> dict[str, object]:
        """Everything held on one resident but the templates' numbers and the pictures; times are UTC."""
        return {
            "id": self.resident_id,
            "name": self.name,
            "enabled": self.enabled,
            "templates": self.templates,
            "crops": self.crops,
            "created": self.created_utc.isoformat(timespec="seconds"),
            "consent": self.consent,
            "consent_at": self.consent_utc and self.consent_utc.isoformat(timespec="seconds"),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One stored encoding of one resident, made by one model."""

    template_id: int
    resident_id: ResidentId
    model_id: ModelId
    encoding: Encoding = field(repr=False)
    created_utc: datetime


@dataclass(frozen=True, slots=True)
class Comparison:
    """A probe against the gallery: the nearest resident and the second nearest *resident*.

    With one resident `second_id` is None and `second_distance_sq` is infinity; with an empty gallery both
    ids are None and both distances are infinity.
    """

    nearest_id: ResidentId | None
    distance_sq: float
    second_id: ResidentId | None
    second_distance_sq: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """The tau in force and where it comes from.

    Parameters
    ----------
    tau : `D <= tau` is a match; the boundary counts.
    fmr : false matches per comparison that tau stands for; None for a fixed tau outside the table.
    fnmr : share of genuine comparisons above tau in the calibration data; None when unknown.
    kind : `measured`, `extrapolated` (from the profile's table) or `fixed` (set by hand).
    templates : enabled templates T it was derived for.
    """

    tau: float
    fmr: float | None
    fnmr: float | None
    kind: str
    templates: int


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to release the strike once. Only `core.policy` makes one; a test holds that.

    Parameters
    ----------
    resident_id : whom the face matched; None for a manual release.
    reason : `face`, or what the person who released by hand gave as reason.
    actor : `door` for a face, else who released by hand (`uid 1000 pid 77`).
    issued_s : monotonic seconds; a strike refuses a grant older than two seconds.
    """

    resident_id: ResidentId | None
    reason: str
    actor: str
    issued_s: float


class EventKind(StrEnum):
    """What an event row tells; the value stands in the store."""

    ATTEMPT = "attempt"
    MANUAL_RELEASE = "manual_release"
    ENROLLED = "enrolled"
    TEMPLATE_ADDED = "template_added"
    RENAMED = "renamed"
    DISABLED = "disabled"
    ENABLED = "enabled"
    REMOVED = "removed"
    TEMPLATE_REFUSED = "template_refused"
    STARTED = "started"
    STOPPED = "stopped"
    CAMERA_LOST = "camera_lost"
    CAMERA_BACK = "camera_back"
    STORE_FULL = "store_full"
    STORE_BACK = "store_back"
    STRIKE_FAULT = "strike_fault"
    PRUNED = "pruned"
    RESTORED = "restored"
    MODEL_CHANGED = "model_changed"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `detail` holds JSON values only: no name, no encoding, no picture."""

    kind: EventKind
    at_utc: datetime
    monotonic_s: float
    clock_synced: bool
    boot_id: str
    door: str
    resident_id: ResidentId | None
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its row number and its link of the HMAC chain (32 bytes)."""

    event_id: int
    event: Event
    mac: bytes = field(repr=False)
