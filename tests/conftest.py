"""What every test may ask for: the runtime under test, the settings, the photographs, the real pipeline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from doorguard.adapters.simulated.clock import ManualClock
from doorguard.config import Settings
from doorguard.places import Places

if TYPE_CHECKING:
    from doorguard.vision.pipeline import FacePipeline

ROOT = Path(__file__).parent.parent

# The same examples on every machine, and no verdict by the clock: a loaded runner is not a defect.
hypothesis.settings.register_profile(
    "doorguard", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("doorguard")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def untraced() -> dict[str, str]:
    """An environment for processes that coverage must not follow: it would load modules and take time."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


@pytest.fixture(scope="session")
def runtime() -> str:
    """The interpreter's make the suite runs on; `tools/dev.py` sets it for the oldest dependency set."""
    return os.environ.get("DOORGUARD_TEST_RUNTIME", "auto")


@pytest.fixture(scope="session")
def settings(runtime: str) -> Settings:
    """The defaults, on the runtime under test."""
    return Settings.model_validate({"runtime": runtime})


@pytest.fixture(scope="session")
def vision(settings: Settings) -> FacePipeline:
    """The real detector, mesh and encoder, opened once: they keep no state from one frame to the next."""
    from doorguard.vision.pipeline import FacePipeline

    return FacePipeline.open(settings)


@pytest.fixture(scope="session")
def photos(root: Path) -> Path:
    """The folder of the bundled portraits."""
    return root / "doorguard" / "photos"


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still until it is told to move."""
    return ManualClock()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """An installation of its own, with no settings file."""
    return Places(config=None, state=tmp_path / "state", runtime=tmp_path / "run", system=False)


@pytest.fixture(autouse=True)
def _no_installation_of_mine(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep every test away from the files of whoever runs the suite."""
    for name in [name for name in os.environ if name.startswith("DOORGUARD_") and "_TEST_" not in name]:
        monkeypatch.delenv(name)
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.getbasetemp() / "home"
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
