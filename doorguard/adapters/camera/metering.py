"""Focus and exposure of a camera module on the visitor's face, as libcamera controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doorguard.adapters.camera.pixels import Rectangle, mean_luma, pixels_of
from doorguard.config import CameraSettings
from doorguard.core.exposure import FaceExposure
from doorguard.core.model import Box, Image
from doorguard.core.orientation import as_fraction, native_box

WINDOW_IOU_MIN = 0.6
"""The focus window follows the face only when it moved this much; every change may start a new search."""


def focus_controls(settings: CameraSettings, offered: Mapping[str, Any], enums: Any) -> dict[str, Any]:
    """Return the autofocus controls to start with; none for a module with a fixed lens.

    Parameters
    ----------
    offered : `Picamera2.camera_controls`.
    enums : `libcamera.controls`.

    """
    if "AfMode" not in offered:
        return {}
    if settings.autofocus == "fixed":
        return {"AfMode": enums.AfModeEnum.Manual, "LensPosition": 1.0 / settings.focus_distance_m}
    if settings.autofocus == "auto":
        return {"AfMode": enums.AfModeEnum.Auto, "AfTrigger": enums.AfTriggerEnum.Start}
    return {"AfMode": enums.AfModeEnum.Continuous}


class FaceMeter:
    """Turns looks at a face into controls. `look` may be called from any thread, the rest from the reader's.

    Parameters
    ----------
    settings : rotation and mirror say where an upright face lies on the sensor.

    """

    def __init__(self, settings: CameraSettings) -> None:
        self._settings = settings
        self._offered: Mapping[str, Any] = {}
        self._enums: Any = None
        self._exposure: FaceExposure | None = None
        self._look: tuple[Box | None, float | None] | None = None
        self._window: Box | None = None

    def restart(self, offered: Mapping[str, Any], enums: Any) -> None:
        """Begin anew with a camera that was just configured; it exposes for the scene."""
        self._offered, self._enums = offered, enums
        self._look = self._window = None
        self._exposure = None
        if "ExposureValue" in offered:
            lowest, highest, _ = offered["ExposureValue"]
            self._exposure = FaceExposure(float(lowest), float(highest))

    def look(self, face: Box | None, image: Image) -> None:
        """Remember the newest face of the upright picture (None: there is none)."""
        inside = None if face is None else as_fraction(face, image.shape[1], image.shape[0])
        if inside is None or inside.area <= 0.0:
            self._look = None, None
            return
        native = native_box(inside, rotation_deg=self._settings.rotation_deg, mirror=self._settings.mirror)
        self._look = native, mean_luma(image, inside)

    def controls(self, crop: Rectangle | None, now_s: float) -> dict[str, Any]:
        """Return what to set for the newest look, once; often nothing.

        Parameters
        ----------
        crop : the part of the sensor in the picture (`ScalerCrop` of the frame's metadata), None if unknown.
        now_s : monotonic seconds.

        """
        look, self._look = self._look, None
        if look is None:
            return {}
        face, luma = look
        controls: dict[str, Any] = {}
        stops = self._exposure.update(luma, now_s) if self._exposure is not None else None
        if stops is not None:
            controls["ExposureValue"] = stops
        if face is not None and crop is not None:
            controls |= self._focus_on(face, crop)
        return controls

    def _focus_on(self, face: Box, crop: Rectangle) -> dict[str, Any]:
        """Move the focus window; `AfWindows` counts in sensor pixels, as `ScalerCrop` does."""
        if self._settings.autofocus == "fixed" or "AfWindows" not in self._offered:
            return {}
        if self._window is not None and self._window.iou(face) >= WINDOW_IOU_MIN:
            return {}
        self._window = face
        controls = {
            "AfMetering": self._enums.AfMeteringEnum.Windows,
            "AfWindows": [pixels_of(face, crop)],
        }
        if self._settings.autofocus == "auto":
            controls["AfTrigger"] = self._enums.AfTriggerEnum.Start
        return controls
