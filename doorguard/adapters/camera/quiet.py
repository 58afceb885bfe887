"""Keep OpenCV's and FFmpeg's own words off standard error while something is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2


@contextmanager
def silent_opencv() -> Iterator[None]:
    """Log nothing from inside OpenCV and FFmpeg; what went wrong is told by a `CameraError` instead.

    With its debugging switched on OpenCV logs the file name it tries, and that is a URL with its password;
    FFmpeg's log goes wherever its level says. FFmpeg's level is read once, when OpenCV first uses it, hence
    from the environment; OpenCV's is put back afterwards. And a camera that is gone would fill the journal:
    each attempt to open it costs three lines.
    """
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
    os.environ.pop("OPENCV_FFMPEG_DEBUG", None)
    levels: Any = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging  # OpenCV 4, OpenCV 5
    before = levels.getLogLevel()
    levels.setLogLevel(0)
    try:
        yield
    finally:
        levels.setLogLevel(before)
