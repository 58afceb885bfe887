"""Look through the camera for a few seconds and say what it sees and what to change."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

import cv2
import numpy as np

from doorguard.config import CameraSettings, Settings
from doorguard.core.model import Frame, Image, Observation
from doorguard.errors import CameraError
from doorguard.ports import Clock, FrameSource, Vision
from doorguard.vision.draw import FaceMark, draw_faces
from doorguard.vision.quality import distance_m, explain_fault

CHECK_S = 4.0
"""Long enough for exposure and focus to settle on somebody who stands there."""

RATE_SHARE_MIN = 0.7
LATE_SHARE_MAX = 0.5
"""Frames older than this share of `decision.frame_age_max_s` leave too little time for looking at them."""

DARK_LUMA = 40.0
BURNT_LUMA = 250
BURNT_SHARE_MAX = 0.2

SURER = 0.08
"""By how much the detector's score must rise when the picture is turned, see `_advise_rotation`."""

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True, slots=True, eq=False)
class CameraReport:
    """What a look through the camera found.

    Parameters
    ----------
    image : the frame with the largest face seen, else the last one; upright RGB.
    rate_hz : frames delivered per second; 0 when there was only one.
    age_s : median time from exposure to the hand-over of a frame.
    luma : mean brightness of `image`, 0 to 255.
    burnt : share of its pixels at white, 0 to 1.
    sharpness : variance of the Laplacian over `image`, grey levels squared; compare it before and after
        turning the lens, it has no meaning of its own.
    faces : faces in `image`.
    face : the largest of them, None without any.
    distance_m : how far away that face stands, metres; None without a measured face.
    reach_m : how far away a face may stand to be large enough, metres.
    advice : what to change, most important first; empty when all is well.

    """

    image: Image = field(repr=False)
    rate_hz: float
    age_s: float
    luma: float
    burnt: float
    sharpness: float
    faces: int
    face: Observation | None
    distance_m: float | None
    reach_m: float
    advice: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The report as lines of text, what to change at its end."""
        height, width = self.image.shape[:2]
        text = [
            f"picture    {width} × {height}, {self.rate_hz:.1f} frames a second, "
            f"{self.age_s * 1000:.0f} ms old",
            f"light      brightness {self.luma:.0f} of 255, {self.burnt:.0%} burnt out",
            f"focus      sharpness {self.sharpness:.0f} over the whole picture",
            f"reach      a face is large enough up to about {self.reach_m:.1f} m",
        ]
        return (*text, *self._face_lines(), *(f"change     {line}" for line in self.advice or ("nothing",)))

    def _face_lines(self) -> tuple[str, ...]:
        quality = self.face.quality if self.face is not None else None
        if quality is None or self.distance_m is None:
            return (f"faces      {self.faces}",)
        return (
            f"faces      {self.faces}; the largest {quality.face_px:.0f} px wide, "
            f"about {self.distance_m:.1f} m away",
            f"face       brightness {quality.luma:.0f}, sharpness {quality.sharpness:.0f}, turned "
            f"{quality.yaw_deg:+.0f}°, tilted {quality.pitch_deg:+.0f}°, leaning {quality.roll_deg:+.0f}°",
        )

    def picture(self) -> Image:
        """Return the frame with the face's box, mesh and faults drawn in."""
        if self.face is None:
            return self.image
        words = tuple(fault.value.replace("_", " ") for fault in self.face.faults) or ("good",)
        return draw_faces(self.image, [FaceMark(self.face, words, not self.face.faults)])


def check_camera(
    source: FrameSource, vision: Vision, settings: Settings, clock: Clock, *, duration_s: float = CHECK_S
) -> CameraReport:
    """Read from a closed source for a while, metering on the largest face as the daemon would; close it.

    Raises
    ------
    CameraError : the camera cannot be opened, fails, or gives no frame at all.

    """
    ages, times = [], []
    best: tuple[float, Frame] | None = None
    source.open()
    try:
        until_s = clock.monotonic() + duration_s
        while clock.monotonic() < until_s and (frame := source.read()) is not None:
            times.append(frame.captured_s)
            ages.append(clock.monotonic() - frame.captured_s)
            box = next((face.box for face in vision.detect(frame.image)), None)
            source.meter(box, frame.image)
            size = 0.0 if box is None else box.area
            # On a tie the newer one: exposure and focus have settled further.
            if best is None or size >= best[0]:
                best = size, frame
    finally:
        source.close()
    if best is None:
        raise CameraError("the camera ended without giving a single frame")
    span_s = times[-1] - times[0]
    rate_hz = (len(times) - 1) / span_s if span_s > 0 else 0.0
    return _report(best[1].image, (rate_hz, median(ages)), vision, settings)


def _report(image: Image, timing: tuple[float, float], vision: Vision, settings: Settings) -> CameraReport:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    spread = float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1].item())
    detections = vision.detect(image)
    face = vision.observe(image, detections[0]) if detections else None
    view_deg, width = settings.camera.horizontal_view_deg, view_width_px(image, settings.camera)
    quality = face.quality if face is not None else None
    luma, burnt = float(grey.mean()), float(np.mean(grey >= BURNT_LUMA))
    score = max((found.score for found in detections), default=0.0)
    advice = [
        *_advise_timing(timing, settings),
        *_advise_light(luma, burnt),
        *_advise_rotation(image, score, vision, settings.camera),
    ]
    if face is not None:
        limits = settings.quality
        advice += [explain_fault(fault, quality, limits, view_deg, width) for fault in face.faults]
    return CameraReport(
        image=image,
        rate_hz=timing[0],
        age_s=timing[1],
        luma=luma,
        burnt=burnt,
        sharpness=spread * spread,
        faces=len(detections),
        face=face,
        distance_m=None if quality is None else distance_m(quality.face_px, view_deg, width),
        reach_m=distance_m(settings.quality.face_px_min, view_deg, width),
        advice=tuple(advice),
    )


def view_width_px(image: Image, camera: CameraSettings) -> int:
    """Return how many pixels of this frame's scale the camera's whole horizontal view would span.

    `camera.horizontal_view_deg` belongs to the camera's own width, before it was turned and before a region
    was cut out: a region half as wide shows half the view with the same number of pixels.
    """
    _, _, wide, high = camera.region_of_interest
    if camera.rotation_deg in {90, 270}:
        return round(int(image.shape[0]) / high)
    return round(int(image.shape[1]) / wide)


def _advise_timing(timing: tuple[float, float], settings: Settings) -> list[str]:
    rate_hz, age_s = timing
    advice = []
    if rate_hz < RATE_SHARE_MIN * settings.camera.rate_hz:
        advice.append(
            f"only {rate_hz:.1f} frames a second of {settings.camera.rate_hz:g} asked for: more light, a "
            "smaller camera.width and height, or a lower camera.rate_hz"
        )
    if age_s > LATE_SHARE_MAX * settings.decision.frame_age_max_s:
        advice.append(
            f"frames arrive {age_s * 1000:.0f} ms late and older ones than "
            f"{settings.decision.frame_age_max_s * 1000:.0f} ms do not count: use a cable instead of radio, "
            "or a smaller picture"
        )
    return advice


def _advise_light(luma: float, burnt: float) -> list[str]:
    if burnt > BURNT_SHARE_MAX:
        return [f"{burnt:.0%} of the picture is burnt out: turn the camera away from the light, or shade it"]
    if luma < DARK_LUMA:
        return [f"the picture is dark (brightness {luma:.0f} of 255): more light in front of the door"]
    return []


def _advise_rotation(image: Image, score: float, vision: Vision, camera: CameraSettings) -> list[str]:
    """Find out whether the camera hangs as set: the detector is surest of a face that stands upright.

    A face upside down is often found too, and the mesh then fits an upright face into it, so neither its lean
    nor its presence tells (measured on the bundled portraits: upright 0.87 to 0.96, otherwise 0.85 at most
    and at least 0.1 less than the same portrait upright).
    """
    scores = {turn: _best_score(_turned(image, turn), vision) for turn in _TURNS}
    turn_deg = max(scores, key=scores.__getitem__)
    if max(score, scores[turn_deg]) == 0.0:
        return ["no face seen: stand in front of the camera, look at it, and check again"]
    if scores[turn_deg] < score + SURER:
        return []
    # A turn after the mirror is the opposite turn before it.
    wanted = (camera.rotation_deg + (-turn_deg if camera.mirror else turn_deg)) % 360
    return [f"the camera hangs otherwise than set: set camera.rotation_deg to {wanted}"]


def _turned(image: Image, turn_deg: int) -> Image:
    return np.asarray(cv2.rotate(image, _TURNS[turn_deg]), np.uint8)


def _best_score(image: Image, vision: Vision) -> float:
    return max((face.score for face in vision.detect(image)), default=0.0)
