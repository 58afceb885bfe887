"""Events in words: one line each for the list, a paragraph for `explain`, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from doorguard.core.model import EventKind, ResidentId, StoredEvent

REASONS: Mapping[str, str] = {
    "match": "enough frames matched the same resident",
    "no_match": "no frame came within tau of any resident",
    "disagreement": "some frames matched, but too few agreed on the same resident",
    "ambiguous": "the nearest two residents were too close to tell apart",
    "too_few_frames": "too few frames were good enough before the time was up",
    "track_broken": "the face was lost before enough frames had been seen",
    "no_templates": "nobody is enrolled and enabled",
    "no_threshold": "there is no threshold for this many templates at the promised target",
    "resident_removed": "the resident was removed or disabled during the visit",
    "strike_failed": "the strike could not be driven",
    "camera_lost": "the camera was lost during the attempt",
}

HAPPENINGS: Mapping[EventKind, str] = {
    EventKind.MANUAL_RELEASE: "the strike was released by hand",
    EventKind.ENROLLED: "a resident was enrolled",
    EventKind.TEMPLATE_ADDED: "templates were added to a resident",
    EventKind.RENAMED: "a resident was renamed",
    EventKind.DISABLED: "a resident was disabled",
    EventKind.ENABLED: "a resident was enabled",
    EventKind.REMOVED: "a resident was erased",
    EventKind.TEMPLATE_REFUSED: "a template could not be used; its resident is shut out until enrolled again",
    EventKind.STARTED: "the daemon started",
    EventKind.STOPPED: "the daemon stopped",
    EventKind.CAMERA_LOST: "the camera was lost; the door stays locked for faces",
    EventKind.CAMERA_BACK: "the camera came back",
    EventKind.STORE_FULL: "events could not be stored; they wait in memory",
    EventKind.STORE_BACK: "the store takes events again",
    EventKind.STRIKE_FAULT: "the strike could not be driven",
    EventKind.PRUNED: "old events were pruned, as events.keep_days asks",
    EventKind.RESTORED: "the store was restored from a backup",
}


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
        what = f"{detail.get('outcome')}: {REASONS.get(str(detail.get('reason')), detail.get('reason'))}"
        nearest = detail.get("nearest")
        if isinstance(nearest, int | float):
            what += f" (D {nearest:.3f}, tau {_number(detail.get('tau'))})"
    else:
        what = HAPPENINGS.get(event.kind, event.kind)
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
        lines.append(f"{HAPPENINGS.get(event.kind, event.kind).capitalize()}.")
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
        f"The door was {'released' if granted else 'kept locked'}: {REASONS.get(reason, reason)}.",
        f"{matched} of {len(frames)} frames matched at tau {_number(detail.get('tau'))} ({_origin(detail)}).",
    ]
    if detail.get("nearest") is not None:
        lines.append(
            f"Nearest: {_who(detail.get('nearest_id'), names)} at D {_number(detail['nearest'])}; "
            f"second: {_who(detail.get('second_id'), names)} at D {_number(detail.get('second'))}."
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
    return f"{rate}{detail.get('tau_kind', 'unknown')}, {detail.get('templates', '?')} templates"


def _who(resident_id: object, names: Mapping[ResidentId, str]) -> str:
    if not resident_id:
        return "nobody"
    return names.get(ResidentId(str(resident_id)), f"a resident no longer enrolled ({resident_id})")


def _number(value: object, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "unknown"
