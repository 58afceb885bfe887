"""Each part is built as the settings say, and what the commands need beside the daemon."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from standins.gpio_fixtures import lgpio_fixture  # noqa: F401
from standins.lgpio_standin import LgpioStandin

from doorguard.adapters.camera import FolderSource, OpenCvSource, Picamera2Source
from doorguard.adapters.clock import SystemClock
from doorguard.adapters.simulated.camera import SimulatedCamera
from doorguard.app import build_camera, build_strike, open_store, restore_backup, run_daemon, write_backup
from doorguard.app.service import _Closing
from doorguard.config import Settings
from doorguard.errors import ModelError, StoreError
from doorguard.places import Places

Enroll = Callable[[str, str], str]


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("simulated", SimulatedCamera),
        ("picamera2", Picamera2Source),
        ("opencv", OpenCvSource),
        ("folder", FolderSource),
    ],
)
def test_build_camera_makes_the_kind_that_is_set(kind: str, made: type) -> None:
    settings = Settings.model_validate({"camera": kind})
    assert type(build_camera(settings, SystemClock())) is made


def test_build_strike_of_kind_gpio_claims_the_pin_inactive(lgpio: LgpioStandin) -> None:
    strike = build_strike(Settings.model_validate({"strike": "gpio"}), SystemClock())
    try:
        assert not strike.released
    finally:
        strike.close()


def test_build_strike_with_places_keeps_the_library_s_pipe_out_of_the_working_directory(
    lgpio: LgpioStandin, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LG_WD")
    build_strike(Settings.model_validate({"strike": "gpio"}), SystemClock(), places).close()
    assert os.environ["LG_WD"] == str(places.runtime)
    assert places.runtime.stat().st_mode & 0o777 == 0o700


def test_backup_is_restored_and_self_tested(
    places: Places, settings: Settings, enroll: Enroll, tmp_path: Path
) -> None:
    enroll("Barack Obama", "obama-2010.jpg")
    write_backup(places, tmp_path / "safe", "correct horse")
    elsewhere = Places(None, tmp_path / "other", tmp_path / "run2", system=False)
    assert restore_backup(elsewhere, settings, tmp_path / "safe", "correct horse").residents == 1
    with open_store(elsewhere, write=False) as store:
        assert [resident.name for resident in store.residents()] == ["Barack Obama"]


def test_restore_backup_for_which_no_tau_is_known_leaves_the_store_alone(
    places: Places, settings: Settings, enroll: Enroll, tmp_path: Path
) -> None:
    enroll("Barack Obama", "obama-2010.jpg")
    write_backup(places, tmp_path / "safe", "correct horse")
    before = places.store.read_bytes()
    strict = Settings.model_validate(settings.model_dump() | {"match": {"target_false_accepts": 1e-12}})
    with pytest.raises(ModelError, match="not restored"):
        restore_backup(places, strict, tmp_path / "safe", "correct horse")
    assert places.store.read_bytes() == before


def test_closing_store_in_which_a_write_hangs_is_left_alone(places: Places) -> None:
    with open_store(places, write=True) as store:
        closing = _Closing(store)
        closing.expect(False)
        closing.close()
        assert store.residents() == ()
        closing.expect(True)
        closing.close()
    with pytest.raises(StoreError):
        store.residents()


def test_run_daemon_off_the_main_thread_leaves_signals_alone(places: Places, settings: Settings) -> None:
    from doorguard.adapters.simulated.visits import Script

    camera = SimulatedCamera(Script((), pause_s=0.2), SystemClock(), settings.camera)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run_daemon(settings, places, source=camera)))
    thread.start()
    thread.join(30)
    assert codes == [0]
