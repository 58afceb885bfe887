"""Plain words for what the event log says, one table for the command line, the demo and the journal."""

from __future__ import annotations

from collections.abc import Mapping

from doorguard.core.decision import Reason
from doorguard.core.model import EventKind

REASON_WORDS: Mapping[str, str] = {
    Reason.MATCH: "enough frames match one resident",
    Reason.NO_MATCH: "no resident within tau",
    Reason.AMBIGUOUS: "two residents are nearly as close",
    Reason.COOLING_DOWN: "let in a moment ago",
    Reason.DISAGREEMENT: "the frames do not agree on one",
    Reason.TOO_FEW_FRAMES: "too few good frames in time",
    Reason.TRACK_BROKEN: "the visitor left too early",
    Reason.NO_TEMPLATES: "nobody is enrolled and enabled",
    Reason.NO_THRESHOLD: "no tau is known for the promise",
    Reason.RESIDENT_REMOVED: "removed or disabled in mid-visit",
    Reason.STRIKE_FAILED: "the strike did not obey",
    Reason.CAMERA_LOST: "the camera was lost",
    Reason.STOPPING: "the daemon was stopping",
}
"""Why an attempt ended as it did, each in at most 34 characters; every `Reason` is here (a test)."""

EVENT_WORDS: Mapping[EventKind, str] = {
    EventKind.ATTEMPT: "somebody tried",
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
    EventKind.STORE_FULL: "events could not be stored and waited in memory",
    EventKind.STORE_BACK: "the store takes events again",
    EventKind.STRIKE_FAULT: "the strike could not be driven",
    EventKind.PRUNED: "old events were pruned, as events.keep_days asks",
    EventKind.RESTORED: "the store was restored from a backup",
    EventKind.MODEL_CHANGED: "the encoder was changed",
}
"""What an event row tells; every `EventKind` is here (a test)."""
