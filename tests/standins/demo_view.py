"""A daemon that has just let somebody in, as the demo is shown it."""

from __future__ import annotations

from doorguard.core.model import ModelId, ResidentId, Threshold
from doorguard.core.policy import State
from doorguard.daemon.capture import CameraState
from doorguard.daemon.events import RecorderHealth
from doorguard.daemon.view import GuardView, LastLook

VIEW = GuardView(
    door="front",
    state=State.GRANTED,
    strike_released=True,
    decision=None,
    decisions=1,
    look=LastLook(1, ResidentId("a"), 0.731, 1.9),
    threshold=Threshold(1.053, 1e-5, 0.15, "measured", 2),
    residents=1,
    templates=1,
    stage_ms={"detect": 1.3, "landmarks": 1.5, "align": 0.1, "encode": 1.1, "compare": 0.1},
    frame_ms=4.2,
    rate_hz=15.0,
    disposals={},
    camera=CameraState.OK,
    recorder=RecorderHealth(0, 0, ""),
    live="",
    model_id=ModelId("m"),
)
