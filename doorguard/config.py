"""The settings as frozen, validated values; `settings_file` reads them from YAML.

Every default of doorguard stands in this module and nowhere else; `config/doorguard.yaml` repeats each one
with its unit, range and reason, and a test holds the two together. Units live in the key names. An unknown
key is an error, never ignored: a misspelt rule must not vanish.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Whole = Annotated[int, Field(strict=True)]
"""`yes` is not 1: `agree: yes` would let in on a single frame."""

PASSWORD_IN_URL = re.compile(r"[\w+.-]+://[^/@:\[]*:(?!\d+(?:/|$)).*@")
"""scheme://user:anything@host; `host:554/path@home` is a port and a path."""

HARD_CAP_S = 30.0
"""Longest pulse of the strike in seconds, whatever any file or request says (also `core.door`)."""


class Section(BaseModel):
    """A group of settings: frozen, no unknown keys, no infinities, no silent coercion from text."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        str_strip_whitespace=True,
        hide_input_in_errors=True,  # a traceback must not print a section that holds a password
    )


class _KindSection(Section):
    """A section that may be written as its `kind` alone: `camera: picamera2`."""

    @model_validator(mode="before")
    @classmethod
    def _expand_shorthand(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


class CameraSettings(_KindSection):
    """Where frames come from."""

    kind: Literal["picamera2", "opencv", "folder", "simulated"] = "simulated"
    source: str = "0"
    width: Whole = Field(default=640, ge=160, le=4608)
    height: Whole = Field(default=480, ge=120, le=2592)
    rate_hz: float = Field(default=15.0, ge=1.0, le=120.0)
    rotation_deg: Literal[0, 90, 180, 270] = 0
    mirror: bool = False
    region_of_interest: tuple[Fraction, Fraction, Fraction, Fraction] = (0.0, 0.0, 1.0, 1.0)
    autofocus: Literal["continuous", "auto", "fixed"] = "continuous"
    focus_distance_m: float = Field(default=1.0, ge=0.05, le=100.0)
    meter_on_face: bool = True
    horizontal_view_deg: float = Field(default=66.0, ge=10.0, le=180.0)
    password_file: Path | None = None
    lost_after_s: float = Field(default=5.0, ge=1.0, le=60.0)
    retry_first_s: float = Field(default=0.5, ge=0.1, le=10.0)
    retry_max_s: float = Field(default=10.0, ge=0.5, le=300.0)

    @field_validator("region_of_interest")
    @classmethod
    def _inside_the_picture(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        left, top, width, height = value
        if width <= 0 or height <= 0 or left + width > 1 + 1e-9 or top + height > 1 + 1e-9:
            raise ValueError("give left, top, width, height as fractions that stay inside the picture")
        return value

    @model_validator(mode="after")
    def _password_in_its_file(self) -> CameraSettings:
        # A check of the whole section: one of the field would repeat the value, password and all.
        if PASSWORD_IN_URL.match(self.source):
            raise ValueError(
                "source holds a password; leave only the user name there and name a file that holds the "
                "password in password_file"
            )
        return self


class StrikeSettings(_KindSection):
    """The lock's line and its pulse."""

    kind: Literal["simulated", "gpio"] = "simulated"
    pin: Whole = Field(default=17, ge=0, le=27)
    active_high: bool = True
    external_pull: Literal["none", "confirmed"] = "none"
    release_s: float = Field(default=5.0, ge=0.2, le=HARD_CAP_S)


class MatchSettings(Section):
    """When a face is a resident's."""

    target_false_accepts: float = Field(default=1e-4, gt=0.0, le=0.05)
    tau: float | None = Field(default=None, gt=0.0, le=4.0)
    margin: float = Field(default=0.2, ge=0.0, le=2.0)


class DecisionSettings(Section):
    """How many frames make a decision, and how often one may be tried."""

    frames: Whole = Field(default=5, ge=1, le=50)
    agree: Whole = Field(default=3, ge=1, le=50)
    window_s: float = Field(default=2.0, ge=0.2, le=10.0)
    attempts_per_visit: Whole = Field(default=3, ge=1, le=20)
    attempt_gap_s: float = Field(default=3.0, ge=0.0, le=60.0)
    regrant_s: float = Field(default=15.0, ge=0.0, le=600.0)
    frame_age_max_s: float = Field(default=0.5, ge=0.05, le=5.0)
    track_gap_s: float = Field(default=0.5, ge=0.05, le=5.0)

    @model_validator(mode="after")
    def _agree_within_frames(self) -> DecisionSettings:
        if self.agree > self.frames:
            raise ValueError(f"agree ({self.agree}) is more than frames ({self.frames}); lower it")
        return self


class QualitySettings(Section):
    """What a face must show before it is encoded."""

    face_px_min: float = Field(default=50.0, ge=20.0, le=1000.0)
    sharpness_min: float = Field(default=20.0, ge=0.0, le=10000.0)
    luma_min: float = Field(default=30.0, ge=0.0, le=255.0)
    luma_max: float = Field(default=200.0, ge=0.0, le=255.0)
    yaw_max_deg: float = Field(default=35.0, ge=5.0, le=90.0)
    pitch_max_deg: float = Field(default=30.0, ge=5.0, le=90.0)
    roll_max_deg: float = Field(default=40.0, ge=5.0, le=180.0)
    inside_min: Fraction = 0.9

    @model_validator(mode="after")
    def _dark_below_bright(self) -> QualitySettings:
        if self.luma_min >= self.luma_max:
            raise ValueError(f"luma_min ({self.luma_min}) must be below luma_max ({self.luma_max})")
        return self


class VisionSettings(Section):
    """Interpreter, models and detector."""

    encoder: str = Field(default="facenet-ir-128-int8-1", pattern=r"^[A-Za-z0-9._-]+$")
    threads: Whole = Field(default=1, ge=1, le=16)
    detector_score_min: float = Field(default=0.5, ge=0.1, le=0.99)
    mesh_presence_min: float = Field(default=0.95, ge=0.0, le=0.99)


class MotionSettings(Section):
    """When a frame is worth looking at."""

    enabled: bool = True
    change_min: float = Field(default=6.0, ge=0.5, le=100.0)
    area_min: Fraction = 0.002
    look_every_s: float = Field(default=1.0, ge=0.1, le=60.0)


class EnrollmentSettings(Section):
    """How residents are made."""

    live_templates: Whole = Field(default=5, ge=1, le=20)
    lookalike_fmr: float = Field(default=1e-3, gt=0.0, le=0.1)
    one_person_fmr: float = Field(default=1e-2, gt=0.0, le=0.1)
    keep_crop: bool = False


class EventSettings(Section):
    """The audit log."""

    keep_days: Whole = Field(default=30, ge=1, le=3650)
    queue_max: Whole = Field(default=1000, ge=10, le=100000)


class DoorSettings(Section):
    """Which door this is."""

    name: str = Field(default="front", min_length=1, max_length=40, pattern=r"^\P{C}+$")


class Settings(Section):
    """All settings in force."""

    runtime: Literal["auto", "litert", "tflite-runtime"] = "auto"
    door: DoorSettings = DoorSettings()
    camera: CameraSettings = CameraSettings()
    strike: StrikeSettings = StrikeSettings()
    match: MatchSettings = MatchSettings()
    decision: DecisionSettings = DecisionSettings()
    quality: QualitySettings = QualitySettings()
    vision: VisionSettings = VisionSettings()
    motion: MotionSettings = MotionSettings()
    enrollment: EnrollmentSettings = EnrollmentSettings()
    events: EventSettings = EventSettings()

    @model_validator(mode="after")
    def _frames_come_fast_enough(self) -> Settings:
        """Refuse a camera so slow that no visitor could be followed, or none agreed upon in time."""
        frame_s = 1.0 / self.camera.rate_hz
        if self.decision.track_gap_s < 1.5 * frame_s:
            raise ValueError(
                f"decision.track_gap_s ({self.decision.track_gap_s}) is shorter than 1.5 frames at "
                f"camera.rate_hz {self.camera.rate_hz}: nobody could be followed; raise one of them"
            )
        if self.decision.window_s < (self.decision.agree - 1) * frame_s:
            raise ValueError(
                f"decision.window_s ({self.decision.window_s}) is too short for {self.decision.agree} at "
                f"camera.rate_hz {self.camera.rate_hz}: nobody could get in; raise one of them"
            )
        return self


def flatten(settings: Section, prefix: str = "") -> dict[str, object]:
    """Return every setting under its dotted key, in the order of the classes."""
    flat: dict[str, object] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, Section) else {prefix + name: value}
    return flat
