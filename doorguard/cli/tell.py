"""Events in words: one line each for the list, a paragraph for `explain`, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from doorguard.core.model import EventKind, ResidentId, StoredEvent
from doorguard.core.words import EVENT_WORDS, REASON_WORDS


def event_as_json(stored: StoredEvent) -> dict[str, object]:
    """Everything in the row except its link of the chain."""
    event = stored.event
    return {
        "id": stored.event_id,
        "kind": event.kind,
        "at": event.at_utc.isoformat(timespec="milliseconds"),
        "clock_synced": event.clock_synced,
        "boot_id": event.boot_id,
        "monotonic_s": event.monotonic_s,
        "door": event.door,
        "resident": event.resident_id,
        "detail": dict(event.detail),
    }


def event_line(stored: StoredEvent) -> str:
    """One line of the list; times are local."""
    event, detail = stored.event, stored.event.detail
    local = event.at_utc.astimezone()
    if event.kind is EventKind.ATTEMPT:
        what = f"{detail.get('outcome')}: {REASON_WORDS.get(str(detail.get('reason')), detail.get('reason'))}"
        nearest = _distance(detail.get("nearest"))
        if nearest is not None:
            what += f" (D {nearest:.3f}, tau {_number(detail.get('tau'))})"
    else:
        what = EVENT_WORDS[event.kind]
    who = f"  resident {event.resident_id}" if event.resident_id else ""
    return f"{stored.event_id:>6}  {local:%Y-%m-%d %H:%M:%S}  {event.door}  {what}{who}"


def explain_event(stored: StoredEvent, names: Mapping[ResidentId, str]) -> str:
    """Say in plain words what happened and why; names are looked up now, they are not in the log."""
    event = stored.event
    local = event.at_utc.astimezone()
    lines = [f"Event {stored.event_id}, {local:%A %d %B %Y, %H:%M:%S}, {event.door} door."]
    if not event.clock_synced:
        lines.append("The clock was not synchronised then, so the time may be wrong.")
    if event.kind is EventKind.ATTEMPT:
        lines += _explain_attempt(event.detail, names)
    else:
        lines.append(f"{EVENT_WORDS[event.kind].capitalize()}.")
        if event.resident_id:
            lines.append(f"Resident: {_who(event.resident_id, names)}.")
        lines += [f"{key.replace('_', ' ')}: {value}" for key, value in event.detail.items()]
    return "\n".join(lines)


def _explain_attempt(detail: Mapping[str, Any], names: Mapping[ResidentId, str]) -> list[str]:
    granted = detail.get("outcome") == "granted"
    reason = str(detail.get("reason"))
    frames: Sequence[Mapping[str, Any]] = detail.get("frames") or ()
    matched = sum(bool(frame.get("matched")) for frame in frames)
    lines = [
        f"The door was {'released' if granted else 'kept locked'}: {REASON_WORDS.get(reason, reason)}.",
        f"{matched} of {len(frames)} frames matched at tau {_number(detail.get('tau'))} ({_origin(detail)}).",
    ]
    for word in ("nearest", "second"):
        found = detail.get(word)
        if isinstance(found, Mapping) and _distance(found) is not None:
            lines.append(
                f"{word.capitalize()}: {_who(found['resident'], names)} at D {_number(_distance(found))}."
            )
    for number, frame in enumerate(frames, 1):
        lines.append(f"  frame {number}: {_explain_frame(frame, names)}")
    stages: Mapping[str, float] = detail.get("stage_ms") or {}
    if stages:
        lines.append("Milliseconds: " + ", ".join(f"{stage} {ms:.1f}" for stage, ms in stages.items()) + ".")
    lines.append(f"Model {detail.get('model')}, profile {str(detail.get('profile'))[:12]}.")
    return lines


def _explain_frame(frame: Mapping[str, Any], names: Mapping[ResidentId, str]) -> str:
    quality: Mapping[str, Any] = frame.get("quality") or {}
    seen = (
        f"face {_number(quality.get('face_px'), 0)} px, yaw {_number(quality.get('yaw_deg'), 0)}°"
        if quality
        else ""
    )
    verdict = "match" if frame.get("matched") else str(frame.get("why", "no match")).replace("_", " ")
    return f"D {_number(frame.get('d'))} to {_who(frame.get('nearest'), names)}, {verdict}" + (
        f" ({seen})" if seen else ""
    )


def _origin(detail: Mapping[str, Any]) -> str:
    fmr = detail.get("fmr")
    rate = f"FMR {fmr:.1e} a comparison, " if isinstance(fmr, int | float) else ""
    count = detail.get("templates", "?")
    return f"{rate}{detail.get('tau_kind', 'unknown')}, {count} template{'' if count == 1 else 's'}"


def _distance(found: Any) -> float | None:
    """D of an event's `nearest` or `second`; None where there was nobody to compare with."""
    return found.get("distance_sq") if isinstance(found, Mapping) else None


def _who(resident_id: object, names: Mapping[ResidentId, str]) -> str:
    if not resident_id:
        return "nobody"
    return names.get(ResidentId(str(resident_id)), f"a resident no longer enrolled ({resident_id})")


def _number(value: object, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "unknown"
