"""The contract of `ports.FrameSource` on every source there is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from contract.frame_source import FrameSourceContract, Make
from PIL import Image as Pillow
from standins import picamera2_standin as standin

from doorguard.adapters.camera import FolderSource, OpenCvSource, Picamera2Source
from doorguard.adapters.simulated.camera import make_simulated_camera
from doorguard.adapters.simulated.clock import ManualClock
from doorguard.config import CameraSettings


class TestSimulatedCamera(FrameSourceContract):
    @pytest.fixture
    def make(self, clock: ManualClock) -> Make:
        return lambda: make_simulated_camera(CameraSettings(kind="simulated", source="still"), clock)


class TestPicamera2Source(FrameSourceContract):
    @pytest.fixture
    def make(self, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Make:
        scene = np.random.default_rng(1).integers(0, 255, (600, 800, 3), np.uint8)
        standin.install(monkeypatch, standin.Module(clock=clock, scene=scene))
        settings = CameraSettings(kind="picamera2", rotation_deg=90, mirror=True)
        return lambda: Picamera2Source(settings, clock)


class TestOpenCvSource(FrameSourceContract):
    @pytest.fixture
    def make(self, clock: ManualClock, tmp_path: Path) -> Make:
        path = tmp_path / "film.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15.0, (160, 120))
        for number in range(12):
            writer.write(np.full((120, 160, 3), number * 20, np.uint8))
        writer.release()
        return lambda: OpenCvSource(CameraSettings(kind="opencv", source=str(path)), clock)


class TestFolderSource(FrameSourceContract):
    @pytest.fixture
    def make(self, clock: ManualClock, tmp_path: Path) -> Make:
        for number in range(7):
            Pillow.new("RGB", (40 + number, 30), (number * 30, 0, 0)).save(tmp_path / f"{number}.png")
        return lambda: FolderSource(CameraSettings(kind="folder", source=str(tmp_path)), clock)
