"""Real cameras behind `ports.FrameSource`: a Raspberry Pi's own, whatever OpenCV opens, a folder."""

from doorguard.adapters.camera.folder import FolderSource
from doorguard.adapters.camera.picamera import Picamera2Source
from doorguard.adapters.camera.video import OpenCvSource

__all__ = ["FolderSource", "OpenCvSource", "Picamera2Source"]
