"""The machine's clock: what it says about being synchronised."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from doorguard.adapters import clock as module
from doorguard.adapters.clock import SystemClock, kernel_synced


class _Library:
    """A C library whose `adjtimex` answers as told."""

    def __init__(self, answer: int) -> None:
        self.adjtimex = lambda buffer: answer


@pytest.mark.parametrize(("answer", "synced"), [(0, True), (1, True), (5, False), (-1, False)])
def test_kernel_synced_follows_the_state_adjtimex_returns(
    monkeypatch: pytest.MonkeyPatch, answer: int, synced: bool
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: _Library(answer))
    assert kernel_synced() is synced


def test_kernel_synced_without_such_a_call_is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert kernel_synced() is False


def test_kernel_synced_of_this_machine_is_an_answer() -> None:
    assert kernel_synced() in (True, False)


@pytest.mark.parametrize("marked", [True, False])
def test_synced_believes_the_time_service_s_mark(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, marked: bool
) -> None:
    monkeypatch.setattr(module, "kernel_synced", lambda: False)
    mark = tmp_path / "synchronized"
    if marked:
        mark.touch()
    monkeypatch.setattr(module, "TIMESYNC_MARK", mark)
    assert SystemClock().synced() is marked


def test_wait_of_a_negative_time_returns_at_once() -> None:
    SystemClock().wait(-1.0)
