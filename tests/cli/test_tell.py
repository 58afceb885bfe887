"""Attempts in words."""

from __future__ import annotations

from datetime import UTC, datetime

from doorguard.cli.tell import event_line, explain_event
from doorguard.core.model import Event, EventKind, ResidentId, StoredEvent

ADA = ResidentId("a" * 16)
GONE = ResidentId("b" * 16)


def _attempt(**detail: object) -> StoredEvent:
    facts: dict[str, object] = {
        "outcome": "denied",
        "reason": "no_match",
        "attempt": 1,
        "nearest": {"resident": ADA, "distance_sq": 1.5},
        "second": {"resident": GONE, "distance_sq": 1.7},
        "tau": 1.0936,
        "tau_kind": "measured",
        "fmr": 6e-5,
        "templates": 1,
        "frames": [
            {"d": 1.5, "nearest": ADA, "matched": False, "why": "no_match", "quality": None},
            {
                "d": 1.0,
                "nearest": ADA,
                "matched": True,
                "why": "match",
                "quality": {"face_px": 88.0, "yaw_deg": -3.0},
            },
        ],
        "stage_ms": {"detect": 1.25},
        "model": "m@1",
        "profile": "f" * 64,
    } | detail
    event = Event(
        EventKind.ATTEMPT, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), 1.0, False, "boot", "front", None, facts
    )
    return StoredEvent(7, event, bytes(32))


def test_event_line_gives_distance_and_tau() -> None:
    assert "denied: no resident within tau (D 1.500, tau 1.094)" in event_line(_attempt())


def test_event_line_without_anybody_to_compare_with_gives_none() -> None:
    line = event_line(_attempt(reason="no_templates", nearest={"resident": None, "distance_sq": None}))
    assert line.endswith("denied: nobody is enrolled and enabled")


def test_explain_attempt_says_everything() -> None:
    text = explain_event(_attempt(), {ADA: "Ada"})
    assert "The clock was not synchronised" in text
    assert "kept locked: no resident within tau" in text
    assert "1 of 2 frames matched at tau 1.094 (FMR 6.0e-05 a comparison, measured, 1 template)." in text
    assert "Nearest: Ada at D 1.500." in text
    assert f"Second: a resident no longer enrolled ({GONE}) at D 1.700." in text
    assert "frame 2: D 1.000 to Ada, match (face 88 px, yaw -3°)" in text
    assert "detect 1.2" in text


def test_explain_granted_attempt_without_a_table_still_reads_well() -> None:
    text = explain_event(
        _attempt(outcome="granted", reason="match", fmr=None, second=None, stage_ms={}, tau=None), {}
    )
    assert "The door was released" in text
    assert "Second" not in text
    assert "tau unknown" in text
