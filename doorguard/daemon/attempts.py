"""What an attempt's event says: everything needed to explain the decision later, and no name or encoding."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import median

from doorguard.core.model import ModelId, Quality, ResidentId
from doorguard.core.policy import Decision, FrameVerdict


@dataclass(frozen=True, slots=True)
class Models:
    """What the distances were made by: the encoder, and the SHA-256 of its profile."""

    model_id: ModelId
    profile: str


def attempt_detail(decision: Decision, models: Models) -> dict[str, object]:
    """Return the event's detail: JSON values, numbers finite, distances to six decimals."""
    threshold, best = decision.threshold, decision.best
    return {
        "outcome": decision.outcome.value,
        "reason": decision.reason.value,
        "attempt": decision.attempt,
        "track": decision.track_id,
        "nearest": _distance(best.nearest_id, best.distance_sq),
        "second": _distance(best.second_id, best.second_distance_sq),
        "tau": None if threshold is None else _number(threshold.tau, 6),
        "tau_kind": None if threshold is None else threshold.kind,
        "fmr": None if threshold is None else threshold.fmr,
        "templates": 0 if threshold is None else threshold.templates,
        "frames": [_frame(frame, decision.started_s) for frame in decision.frames],
        "skipped": dict(decision.skipped),
        "stage_ms": stage_medians(frame.stage_ms for frame in decision.frames),
        "duration_ms": _number((decision.ended_s - decision.started_s) * 1e3, 1),
        "model": models.model_id,
        "profile": models.profile,
    }


def stage_medians(frames: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the median milliseconds of each stage over the frames that have it."""
    by_stage: dict[str, list[float]] = {}
    for stages in frames:
        for stage, spent_ms in stages.items():
            by_stage.setdefault(stage, []).append(spent_ms)
    return {stage: round(median(spent), 3) for stage, spent in by_stage.items()}


def _frame(frame: FrameVerdict, started_s: float) -> dict[str, object]:
    return {
        "sequence": frame.sequence,
        "t_ms": _number((frame.captured_s - started_s) * 1e3, 1),
        "d": _number(frame.distance_sq, 6),
        "d2": _number(frame.second_distance_sq, 6),
        "nearest": frame.nearest_id,
        "matched": frame.matched,
        "why": frame.why.value,
        "quality": _quality(frame.quality),
    }


def _quality(quality: Quality | None) -> dict[str, float | None] | None:
    return None if quality is None else {key: _number(value, 1) for key, value in asdict(quality).items()}


def _distance(resident_id: ResidentId | None, distance_sq: float) -> dict[str, object]:
    return {"resident": resident_id, "distance_sq": _number(distance_sq, 6)}


def _number(value: float, digits: int) -> float | None:
    """Round; None for infinity (nobody to compare with), which JSON has no word for."""
    return round(value, digits) if math.isfinite(value) else None
