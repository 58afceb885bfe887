"""The scripted source keeps the contract of every frame source."""

from __future__ import annotations

import pytest
from contract.frame_source import FrameSourceContract, Make

from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.source import ScriptedSource
from doorguard.errors import CameraError


class TestScriptedSource(FrameSourceContract):
    @pytest.fixture
    def make(self, clock: ManualClock) -> Make:
        def tick() -> None:
            clock.advance(1 / 15)

        return lambda: ScriptedSource(clock, reads=[tick] * 100)


def test_read_before_open_is_an_error(clock: ManualClock) -> None:
    with pytest.raises(CameraError, match="not open"):
        ScriptedSource(clock).read()
