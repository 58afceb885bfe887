"""A Raspberry Pi's own camera through picamera2 (0.3.25 or newer, from apt)."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from doorguard.adapters.camera.metering import FaceMeter, focus_controls
from doorguard.adapters.camera.pixels import (
    check_native,
    largest_inside,
    native_region,
    pixels_of,
    upright_rgb,
)
from doorguard.config import CameraSettings
from doorguard.core.model import Box, Frame, Image
from doorguard.errors import CameraError
from doorguard.ports import Clock

log = logging.getLogger(__name__)

FIRST_FRAME_S = 3.0
"""Sensor start and the frames libcamera throws away while exposure settles take up to about a second."""

STAMP_ERROR_MAX_S = 5.0
"""A frame's time may lie this far from now before the camera is said to run on another clock."""

_PICAMERA2_MISSING = (
    "picamera2 cannot be used: {}; on a Raspberry Pi run 'sudo apt install python3-picamera2' and make the "
    "virtual environment with --system-site-packages and apt's NumPy"
)


class Picamera2Source:
    """`ports.FrameSource` on a camera module; one thread opens, reads and closes, any thread may `meter`.

    The stream is asked for as "RGB888", which libcamera names after a little-endian word: in memory, and so
    in the array, the order is blue, green, red. Rotation and mirror are done in `to_rgb`, not by the ISP: it
    cannot turn by 90°, and one path for all angles is one path to prove with the golden frame. The region of
    interest is cut by the ISP (`ScalerCrop`), so a smaller region means more sensor pixels on the face.

    Parameters
    ----------
    settings : `source` is the camera's number as `rpicam-hello --list-cameras` counts. `width` × `height` is
        the native picture before rotation; a region of interest keeps its own proportions inside that size.
    clock : where the sensor gives no time stamp, and what the stamps are held against.

    """

    def __init__(self, settings: CameraSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._region = native_region(settings)
        self._camera: Any = None
        self._enums: Any = None
        self._sequence = 0
        self._wait_s = FIRST_FRAME_S
        self._meter = FaceMeter(settings)

    def open(self) -> None:
        """Claim, configure and start the camera; raises `CameraError`."""
        if self._camera is not None:
            raise CameraError("the camera is open already", fatal=True)
        library = self._load()
        try:
            with _translated("opening the camera"):
                self._camera = library.Picamera2(_camera_number(self._settings.source))
                if not hasattr(self._camera, "cancel_all_and_flush"):
                    raise CameraError("picamera2 is older than 0.3.25; run 'sudo apt upgrade'", fatal=True)
                self._start(self._camera)
        except CameraError:
            self.close()
            raise

    def _load(self) -> Any:
        try:
            self._enums = importlib.import_module("libcamera").controls
            return importlib.import_module("picamera2")
        except (ImportError, AttributeError, ValueError) as error:
            # A NumPy that pip put over apt's shows as ValueError: "numpy.dtype size changed".
            raise CameraError(_PICAMERA2_MISSING.format(_one_line(error)), fatal=True) from error

    def _start(self, camera: Any) -> None:
        offered = camera.camera_controls
        controls = focus_controls(self._settings, offered, self._enums)
        if "FrameDurationLimits" in offered:
            frame_us = round(1e6 / self._settings.rate_hz)
            controls["FrameDurationLimits"] = (frame_us, frame_us)
        configuration = camera.create_video_configuration(
            main={"size": self._stream_size(), "format": "RGB888"},
            controls=controls,
            display=None,
            encode=None,
        )
        camera.configure(configuration)
        self._cut_region(camera)
        self._meter.restart(camera.camera_controls, self._enums)
        camera.start()
        self._wait_s = FIRST_FRAME_S

    def _stream_size(self) -> tuple[int, int]:
        """Even width and height with the region's proportions, inside the size asked for."""
        width, height = float(self._settings.width), float(self._settings.height)
        if self._region is not None:
            wide, high = self._region.width * width, self._region.height * height
            scale = min(width / wide, height / high)
            width, height = wide * scale, high * scale
        return max(round(width) // 2 * 2, 2), max(round(height) // 2 * 2, 2)

    def _cut_region(self, camera: Any) -> None:
        """Let the ISP deliver the region of interest only; rectangles are in sensor pixels."""
        if self._region is None:
            return
        offered = camera.camera_controls
        if "ScalerCrop" not in offered:
            raise CameraError("this camera cannot crop; remove camera.region_of_interest", fatal=True)
        aspect = self._settings.width / self._settings.height
        view = largest_inside(offered["ScalerCrop"][1], aspect)
        rectangle = pixels_of(self._region, view)
        # Where `ScalerCrops` exists picamera2 has just set it for itself, and it wins over `ScalerCrop`.
        name, value = ("ScalerCrops", [rectangle]) if "ScalerCrops" in offered else ("ScalerCrop", rectangle)
        camera.set_controls({name: value})

    def read(self) -> Frame | None:
        """Wait for the next frame; raises `CameraError` (closed then) when none comes in time.

        The wait is `FIRST_FRAME_S` after a start, later one second or three frames, whichever is longer: well
        under the five seconds after which the watchdog calls the daemon hung.
        """
        camera = self._camera
        if camera is None:
            raise CameraError("the camera is not open", fatal=True)
        try:
            with _translated("waiting for a frame"):
                frame = self._capture(camera)
        except CameraError:
            self.close()
            raise
        self._wait_s = max(1.0, 3.0 / self._settings.rate_hz)
        return frame

    def _capture(self, camera: Any) -> Frame:
        try:
            request = camera.capture_request(wait=self._wait_s)
        except TimeoutError:
            raise CameraError(
                f"no frame from the camera within {self._wait_s:g} s; check its ribbon cable at both ends"
            ) from None
        try:
            native = check_native(request.make_array("main"))
            metadata = request.get_metadata()
            controls = self._meter.controls(metadata.get("ScalerCrop"), self._clock.monotonic())
            if controls:
                camera.set_controls(controls)  # travels with the request that is released next
        finally:
            request.release()
        captured_s = self._stamp(metadata.get("SensorTimestamp"))
        image = self.to_rgb(native)
        frame = Frame(image, captured_s, self._sequence)
        self._sequence += 1
        return frame

    def _stamp(self, stamp_ns: int | None) -> float:
        """Turn the sensor's time stamp into monotonic seconds.

        libcamera documents `SensorTimestamp` as nanoseconds since boot, CLOCK_BOOTTIME; the Pi's drivers
        stamp with CLOCK_MONOTONIC. The two are the same on a machine that never sleeps, as a Pi does not.
        """
        now_s = self._clock.monotonic()
        if not stamp_ns:
            return now_s
        captured_s = stamp_ns * 1e-9
        if abs(now_s - captured_s) > STAMP_ERROR_MAX_S:
            raise CameraError(
                f"the camera's clock is {now_s - captured_s:+.1f} s off the system's, and only "
                f"{STAMP_ERROR_MAX_S:g} s are allowed: a frame's age cannot be told"
            )
        return captured_s

    def to_rgb(self, native: Image) -> Image:
        """Convert picamera2's BGR array to upright RGB; see `pixels.upright_rgb`."""
        return upright_rgb(native, self._settings, bgr=True)

    def meter(self, face: Box | None, image: Image) -> None:
        """Ask for exposure and focus on this face; applied with the next `read`, so any thread may call."""
        if self._settings.meter_on_face:
            self._meter.look(face, image)

    def close(self) -> None:
        """Stop and give the camera back.

        A capture that timed out is still queued inside picamera2, and `stop` would wait behind it for ever
        (raspberrypi/picamera2#1264): the queue is emptied first.
        """
        camera, self._camera = self._camera, None
        if camera is None:
            return
        for step in (getattr(camera, "cancel_all_and_flush", None), camera.close):
            try:
                if step is not None:
                    step()
            except Exception as error:  # noqa: BLE001  closing goes on whatever the library says
                log.warning("closing the camera: %s", _one_line(error))


def _camera_number(source: str) -> int:
    if not source.isascii() or not source.isdigit():
        raise CameraError(
            f"camera.source is {source!r}; picamera2 wants the camera's number, 0 for the first", fatal=True
        )
    return int(source)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Turn whatever picamera2 raises (RuntimeError, IndexError, OSError and more) into `CameraError`."""
    try:
        yield
    except CameraError:
        raise
    except Exception as error:
        raise CameraError(f"the camera failed while {doing}: {_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
