"""Whatever OpenCV opens: a USB camera by its number, a video file, a network camera by its URL."""

from __future__ import annotations

import math
import os
from pathlib import Path

import cv2

from doorguard.adapters.camera.network import Address, open_stream
from doorguard.adapters.camera.pixels import check_native, crop, native_region, shrink_to_fit, upright_rgb
from doorguard.adapters.camera.quiet import silent_opencv
from doorguard.config import CameraSettings
from doorguard.core.model import Box, Frame, Image
from doorguard.errors import CameraError
from doorguard.ports import Clock

EARLY_SHARE = 0.25
"""A frame may come this share of a period early and still count as due: cameras jitter."""

_V4L2_LIMITS = {"OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "2", "OPENCV_VIDEOIO_V4L_READ_ATTEMPTS": "1"}
"""Two seconds and one attempt. OpenCV's own limits, three times ten seconds, outlast the watchdog."""


class OpenCvSource:
    """`ports.FrameSource` on `cv2.VideoCapture`.

    `camera.source` decides: digits or `/dev/…` name a device, `rtsp://` and `http://` a network camera,
    anything else is a file. A device or network camera is read as fast as it delivers, so that no old frame
    waits in a buffer, and frames beyond `rate_hz` are thrown away; a file is played in its own time. A
    picture larger than `width` × `height` is scaled down with its proportions kept, after the region of
    interest was cut. OpenCV delivers blue, green, red.
    """

    def __init__(self, settings: CameraSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._region = native_region(settings)
        self._capture: cv2.VideoCapture | None = None
        self._is_file = False
        self._period_s = 1.0 / settings.rate_hz
        self._step = 1.0
        self._due_s = -math.inf
        self._position = 0.0
        self._sequence = 0

    def open(self) -> None:
        """Open the device, file or stream; raises `CameraError`."""
        if self._capture is not None:
            raise CameraError("the camera is open already", fatal=True)
        source = self._settings.source
        self._is_file = False
        if "://" in source:
            self._capture = open_stream(Address.parse(source, self._settings.password_file))
        elif source.isdigit() or source.startswith("/dev/"):
            self._capture = _open_device(self._settings)
        else:
            self._is_file = True
            self._capture = _open_file(Path(source))
        self._due_s, self._position = -math.inf, 0.0
        self._period_s, self._step = self._pace(self._capture)

    def _pace(self, capture: cv2.VideoCapture) -> tuple[float, float]:
        """Return seconds between delivered frames and, for a file, how many of its frames that spans."""
        rate_hz = self._settings.rate_hz
        own_hz = capture.get(cv2.CAP_PROP_FPS) if self._is_file else rate_hz
        if not math.isfinite(own_hz) or own_hz <= 0.0:
            own_hz = rate_hz
        delivered_hz = min(own_hz, rate_hz)
        return 1.0 / delivered_hz, own_hz / delivered_hz

    def read(self) -> Frame | None:
        """Return the next due frame; None at the end of a file. Raises `CameraError`, closed then."""
        capture = self._capture
        if capture is None:
            raise CameraError("the camera is not open", fatal=True)
        try:
            captured_s = self._next_of_file(capture) if self._is_file else self._next_live(capture)
            if captured_s is None:
                return None
            image = self._decode(capture)
        except cv2.error:
            # The message is OpenCV's and may hold the URL; what went wrong is said without it.
            self.close()
            raise CameraError(f"OpenCV failed while reading from {self._name()}") from None
        except CameraError:
            self.close()
            raise
        frame = Frame(image, captured_s, self._sequence)
        self._sequence += 1
        return frame

    def _next_of_file(self, capture: cv2.VideoCapture) -> float | None:
        """Skip to the next frame in the file's own time and wait until it is due."""
        self._position += self._step
        while self._position >= 1.0:
            if not capture.grab():
                return None
            self._position -= 1.0
        self._clock.wait(self._due_s - self._clock.monotonic() if math.isfinite(self._due_s) else 0.0)
        now_s = self._clock.monotonic()
        self._due_s = now_s + self._period_s
        return now_s

    def _next_live(self, capture: cv2.VideoCapture) -> float:
        """Take frames as they come until one is due."""
        while True:
            if not capture.grab():
                raise CameraError(f"{self._name()} stopped delivering; check its cable or network")
            now_s = self._clock.monotonic()
            if now_s >= self._due_s - EARLY_SHARE * self._period_s:
                self._due_s = max(self._due_s, now_s) + self._period_s
                return now_s

    def _decode(self, capture: cv2.VideoCapture) -> Image:
        decoded, native = capture.retrieve()
        if not decoded:
            raise CameraError(f"a frame from {self._name()} could not be decoded")
        part = crop(check_native(native), self._region)
        return self.to_rgb(shrink_to_fit(part, self._settings.width, self._settings.height))

    def _name(self) -> str:
        """Name the source as messages may: without user, password and query."""
        source = self._settings.source
        return str(Address.parse(source, None)) if "://" in source else f"camera {source}"

    def to_rgb(self, native: Image) -> Image:
        """Convert OpenCV's BGR array to upright RGB; see `pixels.upright_rgb`."""
        return upright_rgb(native, self._settings, bgr=True)

    def meter(self, face: Box | None, image: Image) -> None:
        """Do nothing: what `cv2.VideoCapture` offers for exposure differs from one driver to the next."""

    def close(self) -> None:
        """Give the device, file or connection back."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()


def _open_device(settings: CameraSettings) -> cv2.VideoCapture:
    source = settings.source
    for name, value in _V4L2_LIMITS.items():
        os.environ.setdefault(name, value)
    target = int(source) if source.isdigit() else source
    backend = cv2.CAP_V4L2 if Path("/sys/class/video4linux").exists() or "/dev/" in source else cv2.CAP_ANY
    with silent_opencv():
        capture = cv2.VideoCapture(target, backend)
    if not capture.isOpened():
        capture.release()
        raise CameraError(
            f"camera {source} cannot be opened: not plugged in, in use by another program, or not allowed "
            "(the user must be in group video)"
        )
    if settings.width * settings.height > 640 * 480:
        # Uncompressed, USB 2 carries little more than VGA at a usable rate.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
    capture.set(cv2.CAP_PROP_FPS, settings.rate_hz)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def _open_file(path: Path) -> cv2.VideoCapture:
    if not path.is_file():
        raise CameraError(
            f"there is no video file {path}; camera.source names a camera number, a URL or a file"
        )
    with silent_opencv():
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        capture.release()
        raise CameraError(f"{path} is no video file that OpenCV can read")
    return capture
