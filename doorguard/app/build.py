"""Build each part from the settings. Libraries that are heavy or hardware's are loaded only by their part."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from doorguard.adapters.clock import SystemClock
from doorguard.config import Settings
from doorguard.control.sockets import prepare_folder
from doorguard.core.model import ModelId
from doorguard.core.threshold import ThresholdTable
from doorguard.errors import ConfigError, ModelError, NotAllowedError
from doorguard.places import Places
from doorguard.ports import Clock, FrameSource
from doorguard.settings_file import load_settings
from doorguard.strike.controller import StrikeController

if TYPE_CHECKING:
    from doorguard.adapters.store import Store
    from doorguard.vision.pipeline import FacePipeline
    from doorguard.vision.profile import ModelProfile


def load_settings_at(places: Places) -> Settings:
    """Read the installation's settings.

    Raises
    ------
    NotAllowedError : they are the machine's and may not be read by whoever asks.
    ConfigError : they cannot be used, or any user may write to them; lists every problem.

    """
    if places.system and places.config is not None and not os.access(places.config, os.R_OK):
        raise NotAllowedError(
            f"{places.config} may not be read by you; this machine has doorguard: run with sudo"
        )
    settings = load_settings(places.config)
    if places.config is not None and places.config.stat().st_mode & stat.S_IWOTH:
        raise ConfigError(f"any user may write to {places.config}; run `chmod o-w {places.config}`")
    return settings


def encoder_in_use(settings: Settings, places: Places) -> ModelProfile:
    """Return the profile of the encoder the store names, else of the one new installations begin with.

    Raises `ModelError`, `StoreError`.
    """
    from doorguard.adapters.store import model_named_by

    return encoder_named(settings, places, model_named_by(places.store))


def encoder_named(settings: Settings, places: Places, model_id: ModelId | None) -> ModelProfile:
    """Return the profile of a model a store names; None stands for the one of the settings."""
    from doorguard.vision.library import Library

    library = Library(places.models)
    try:
        return library.find(model_id or settings.vision.encoder)
    except ModelError as error:
        whose = "the residents' templates were made by it" if model_id else "vision.encoder names it"
        raise ModelError(f"{error} ({whose})") from error


def build_vision(settings: Settings, places: Places) -> FacePipeline:
    """Load the models, the encoder the installation uses among them; raises `ModelError`, `StoreError`."""
    from doorguard.vision.pipeline import FacePipeline

    return FacePipeline.open(settings, encoder_in_use(settings, places))


def threshold_table(vision: FacePipeline) -> ThresholdTable:
    """Return the encoder's tau table; raises `ModelError`."""
    return ThresholdTable(vision.profile.tau)


def build_camera(settings: Settings, clock: Clock) -> FrameSource:
    """Make the camera the settings name, without opening it; raises `CameraError`."""
    camera = settings.camera
    if camera.kind == "simulated":
        from doorguard.adapters.simulated.camera import make_simulated_camera

        return make_simulated_camera(camera, clock)
    from doorguard.adapters.camera import FolderSource, OpenCvSource, Picamera2Source

    if camera.kind == "picamera2":
        return Picamera2Source(camera, clock)
    return OpenCvSource(camera, clock) if camera.kind == "opencv" else FolderSource(camera, clock)


def build_strike(settings: Settings, clock: Clock, places: Places | None = None) -> StrikeController:
    """Claim the strike's line, inactive; raises `StrikeError`.

    With `places` the GPIO library keeps its pipe in the sockets' folder (made if need be; raises
    `ControlError`), else in the working directory.
    """
    if settings.strike.kind == "gpio":
        from doorguard.adapters.gpio import GpioLine

        if places is not None:
            prepare_folder(places.runtime, shared=places.system)
        line = GpioLine(settings.strike, work_dir=None if places is None else places.runtime)
        return StrikeController(line, clock)
    from doorguard.adapters.simulated.line import SimulatedLine

    return StrikeController(SimulatedLine(clock), clock)


def open_store(places: Places, *, write: bool, clock: Clock | None = None) -> Store:
    """Open the installation's store; raises `StoreError`, `NotAllowedError`."""
    from doorguard.adapters.keys import FileKeys
    from doorguard.adapters.store import Store

    keys = FileKeys.from_environ(places.key, os.environ)
    return Store.open(places.store, keys, clock=clock or SystemClock(), write=write)
