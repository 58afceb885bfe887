"""A recording stand-in of picamera2 and libcamera, as strict as the real ones.

`SIGNATURES` was read off the source of picamera2 0.3.38 (its `picamera2.py` and `request.py`), and a test
holds this module's methods against it. What the real library refuses is refused here with the same kind of
exception: a control that the camera does not offer, a stream key it does not know, an odd size, a change of
configuration while running, a request used after its release, a number where a rectangle belongs. Where the
real library would wait for ever, the stand-in fails the test.

The camera looks at a `scene`, an RGB picture in sensor pixels; crop, channel order, buffers and exposure work
on it as the hardware's do, so that tests look at pixels and not only at calls.
"""

# ruff: noqa: B006, B008, TRY004  (the signatures and exceptions are the real ones)

from __future__ import annotations

import enum
import inspect
import sys
import types
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

SIGNATURES = {
    "Picamera2.__init__": "self, camera_num=0, verbose_console=None, tuning=None, allocator=None",
    "Picamera2.create_video_configuration": (
        "self, main={}, lores=None, raw={}, transform=Transform(), colour_space=None, buffer_count=6, "
        "controls={}, display='main', encode='main', queue=True, sensor={}, use_case='video'"
    ),
    "Picamera2.configure": "self, camera_config=None",
    "Picamera2.set_controls": "self, controls",
    "Picamera2.start": "self, config=None, show_preview=False",
    "Picamera2.capture_request": "self, wait=None, signal_function=None, flush=None",
    "Picamera2.cancel_all_and_flush": "self",
    "Picamera2.stop": "self",
    "Picamera2.close": "self",
    "CompletedRequest.make_array": "self, name",
    "CompletedRequest.get_metadata": "self",
    "CompletedRequest.release": "self",
}


class WouldHangError(BaseException):
    """The real library would not return from this call; not an Exception, so that no handler hides it."""


class AfModeEnum(enum.IntEnum):
    Manual, Auto, Continuous = range(3)


class AfMeteringEnum(enum.IntEnum):
    Auto, Windows = range(2)


class AfTriggerEnum(enum.IntEnum):
    Start, Cancel = range(2)


class Transform:
    """`libcamera.Transform`, of which doorguard uses the identity only."""

    def __repr__(self) -> str:
        return "Transform()"


@dataclass
class Module:
    """The camera module at the end of the ribbon cable, and what was asked of it."""

    clock: Any
    scene: Any
    attached: bool = True
    delivering: bool = True
    autofocus: bool = True
    pisp: bool = False
    brightness: float = 1.0
    stamp_offset_s: float = 0.0
    stamped: bool = True
    array: Any = None
    startup_error: Exception | None = None
    calls: list[tuple[str, Any]] = field(default_factory=list)
    in_force: dict[str, Any] = field(default_factory=dict)
    claimed: bool = False
    lent: int = 0
    waited_s: list[float] = field(default_factory=list)

    @property
    def offered(self) -> dict[str, tuple[Any, Any, Any]]:
        height, width = self.scene.shape[:2]
        whole = (0, 0, width, height)
        offered: dict[str, tuple[Any, Any, Any]] = {
            "FrameDurationLimits": (8333, 1_000_000, 33333),
            "ExposureValue": (-8.0, 8.0, 0.0),
            "ScalerCrop": ((0, 0, 64, 64), whole, whole),
        }
        if self.autofocus:
            offered |= {
                "AfMode": (0, 2, 0),
                "AfMetering": (0, 1, 0),
                "AfWindows": ((0, 0, 0, 0), (65535, 65535, 65535, 65535), (0, 0, 0, 0)),
                "AfTrigger": (0, 1, 0),
                "LensPosition": (0.0, 15.0, 1.0),
            }
        if self.pisp:
            offered["ScalerCrops"] = (whole, whole, whole)
        return offered

    def send(self, controls: dict[str, Any]) -> None:
        """What libcamera's binding accepts; a wrong type is a TypeError there."""
        for name, value in controls.items():
            if name in {"ScalerCrop", "ScalerCrops", "AfWindows"}:
                rectangles = value if isinstance(value, list) else [value]
                for rectangle in rectangles:
                    if len(rectangle) != 4 or not all(type(number) is int for number in rectangle):
                        raise TypeError("__init__(): incompatible constructor arguments for Rectangle")
            elif name == "FrameDurationLimits":
                if not all(type(number) is int for number in value):
                    raise TypeError(f"{name}: integers wanted")
            elif name in {"ExposureValue", "LensPosition"}:
                if not isinstance(value, float):
                    raise TypeError(f"{name}: a float wanted")
            elif not isinstance(value, int):
                raise TypeError(f"{name}: an integer wanted")
        self.in_force |= controls

    @property
    def view(self) -> tuple[int, int, int, int]:
        """The part of the sensor in the picture; the crops win over the crop, as in libcamera."""
        crops = self.in_force.get("ScalerCrops")
        return crops[0] if crops else self.in_force.get("ScalerCrop", self.offered["ScalerCrop"][1])

    def picture(self, size: tuple[int, int]) -> Any:
        """The scene as the ISP scales it: to the stream's size, its proportions notwithstanding."""
        left, top, width, height = self.view
        part = self.scene[top : top + height, left : left + width]
        scaled = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        light = self.brightness * 2.0 ** self.in_force.get("ExposureValue", 0.0)
        return np.clip(scaled * light ** (1 / 2.2), 0, 255).astype(np.uint8)


class CompletedRequest:
    def __init__(self, request: Any, picam2: Picamera2) -> None:
        self.picam2 = picam2
        self.array, self.metadata = request
        self.ref_count = 1

    def make_array(self, name):
        if self.ref_count <= 0 or name != "main":
            raise RuntimeError(f"Stream {name!r} is not defined")
        return self.array

    def get_metadata(self):
        assert self.ref_count > 0
        return self.metadata

    def release(self):
        self.ref_count -= 1
        if self.ref_count < 0:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        module = self.picam2.module
        module.lent -= 1
        module.send(self.picam2.pending)
        self.picam2.pending = {}


class Picamera2:
    module: Module

    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None):
        self.module.calls.append(("Picamera2", camera_num))
        self.is_open = self.started = self.stuck_job = False
        self.configuration: dict[str, Any] | None = None
        self.pending: dict[str, Any] = {}
        if camera_num >= (1 if self.module.attached else 0):
            raise RuntimeError(f"No camera number {camera_num} found")
        if self.module.claimed:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.module.claimed = self.is_open = True

    @property
    def camera_controls(self):
        return self.module.offered

    def create_video_configuration(
        self,
        main={},
        lores=None,
        raw={},
        transform=Transform(),
        colour_space=None,
        buffer_count=6,
        controls={},
        display="main",
        encode="main",
        queue=True,
        sensor={},
        use_case="video",
    ):
        if not self.is_open:
            raise RuntimeError("Camera not opened")
        stream = {"format": "XBGR8888", "size": (1280, 720), "preserve_ar": True}
        for key, value in main.items():
            if key not in {"format", "size", "stride", "preserve_ar"}:
                raise ValueError(f"Bad key {key!r}")
            stream[key] = value
        for name in (display, encode):
            if name not in {None, "main"}:
                raise RuntimeError(f"stream {name} was not defined")
        return {
            "main": stream,
            "transform": transform,
            "buffer_count": buffer_count,
            "queue": queue,
            "controls": self._default_controls() | controls,
        }

    def _default_controls(self) -> dict[str, Any]:
        known = "FrameDurationLimits" in self.module.offered
        return {"FrameDurationLimits": (33333, 33333)} if known else {}

    def configure(self, camera_config=None):
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        stream = camera_config["main"]
        if stream["format"] not in {"RGB888", "BGR888"}:
            raise RuntimeError(f"Bad format {stream['format']} in stream main")
        size = stream["size"]
        if type(size) is not tuple or len(size) != 2 or size[0] % 2 or size[1] % 2:
            raise RuntimeError("width and height should be even")
        self.module.calls.append(("configure", camera_config))
        self.configuration = camera_config
        self.pending = {}
        self.set_controls(camera_config["controls"])
        if self.module.pisp:
            self.set_controls({"ScalerCrops": [self.module.offered["ScalerCrop"][1]]})

    def set_controls(self, controls):
        if not isinstance(controls, dict):
            raise RuntimeError(f"Cannot update controls with {type(controls)} type")
        for name in controls:
            if name not in self.module.offered:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self.module.calls.append(("set_controls", dict(controls)))
        self.pending |= controls

    def start(self, config=None, show_preview=False):
        if self.configuration is None:
            raise RuntimeError("Camera has not been configured")
        if self.module.startup_error is not None:
            raise self.module.startup_error
        self.module.send(self.pending)
        self.pending = {}
        self.started = True
        self.module.calls.append(("start", None))

    def capture_request(self, wait=None, signal_function=None, flush=None):
        assert signal_function is None
        assert self.configuration is not None
        module = self.module
        starved = module.lent >= self.configuration["buffer_count"]
        if not (self.started and module.attached and module.delivering) or starved:
            if wait is None or wait is True:
                raise WouldHangError("capture_request() without a limit waits for ever")
            module.waited_s.append(wait)
            self.stuck_job = True
            raise TimeoutError
        module.lent += 1
        return CompletedRequest((self._array(), self._metadata()), self)

    def _array(self) -> Any:
        module, stream = self.module, self.configuration["main"]
        if module.array is not None:
            return module.array
        picture = module.picture(stream["size"])
        # "RGB888" is blue, green, red in memory; "BGR888" the other way round.
        return picture[:, :, ::-1].copy() if stream["format"] == "RGB888" else picture

    def _metadata(self) -> dict[str, Any]:
        module = self.module
        metadata: dict[str, Any] = {"ScalerCrop": module.view, "ExposureTime": 10_000}
        if module.stamped:
            metadata["SensorTimestamp"] = round((module.clock.monotonic() + module.stamp_offset_s) * 1e9)
        return metadata

    def cancel_all_and_flush(self):
        self.stuck_job = False

    def stop(self):
        if self.started and self.stuck_job:
            raise WouldHangError("stop() waits behind the capture that never came")
        self.started = False

    def close(self):
        if not self.is_open:
            return
        self.stop()
        self.is_open = self.module.claimed = False
        self.module.calls.append(("close", None))
        self.module.lent = 0
        self.module.in_force = {}


def signature_of(name: str) -> str:
    """The stand-in's own signature in the notation of `SIGNATURES`."""
    owner, method = name.split(".")
    parameters = inspect.signature(getattr(globals()[owner], method)).parameters.values()
    return ", ".join(
        parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"
        for parameter in parameters
    )


def install(monkeypatch: Any, module: Module) -> Module:
    """Make `import picamera2` and `import libcamera` find this camera module."""
    picamera2, libcamera = types.ModuleType("picamera2"), types.ModuleType("libcamera")
    picamera2.Picamera2 = type("Picamera2", (Picamera2,), {"module": module})  # type: ignore[attr-defined]
    controls = types.SimpleNamespace(
        AfModeEnum=AfModeEnum, AfMeteringEnum=AfMeteringEnum, AfTriggerEnum=AfTriggerEnum
    )
    libcamera.controls, libcamera.Transform = controls, Transform  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", picamera2)
    monkeypatch.setitem(sys.modules, "libcamera", libcamera)
    return module
