"""The audit chain: each event's code depends on its content, its number and the code of the event before.

The code is HMAC-SHA256 (RFC 2104) under a key that only the store's owner has, so a row that is edited,
deleted, inserted or moved shows, unless whoever did it has the key as well. Nothing inside the chain can show
that its tail was cut off; a checkpoint kept elsewhere does. Pruning leaves a row in the chain that names the
last row removed and its code, from which the rows that stay are verified.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from doorguard.core.model import Event, EventKind, ResidentId
from doorguard.errors import UsageError

MAC_BYTES = 32
_DOMAIN = b"doorguard event 1\0"
_EDITED = "was edited, inserted or moved"


@dataclass(frozen=True, slots=True)
class Head:
    """The number and code of one row, usually the last; `START` stands before row 1."""

    event_id: int
    mac: bytes


START = Head(0, bytes(MAC_BYTES))


@dataclass(frozen=True, slots=True)
class Row:
    """One stored event as bytes."""

    event_id: int
    payload: bytes
    mac: bytes


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `verify` found.

    Parameters
    ----------
    ok : whether every row is in place.
    rows : how many rows were read.
    first_bad_id : number of the first row edited, missing, inserted or moved; None when `ok`.
    what : one line for people.
    head : the last row read, `START` for an empty log.

    """

    ok: bool
    rows: int
    first_bad_id: int | None
    what: str
    head: Head


def encode_event(event: Event) -> bytes:
    """Return the event as canonical JSON: sorted keys, no spaces, ASCII; a number that is not finite is null.

    Raises
    ------
    TypeError : `detail` holds something that is no JSON value.

    """
    fields = {
        "at_utc": event.at_utc.isoformat(),
        "boot_id": event.boot_id,
        "clock_synced": event.clock_synced,
        "detail": _finite(event.detail),
        "door": event.door,
        "kind": event.kind.value,
        "monotonic_s": _finite(event.monotonic_s),
        "resident_id": event.resident_id,
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def decode_event(payload: bytes) -> Event:
    """Read what `encode_event` wrote; raises `ValueError` for anything else."""
    try:
        fields = json.loads(payload)
        return Event(
            kind=EventKind(fields["kind"]),
            at_utc=datetime.fromisoformat(fields["at_utc"]),
            monotonic_s=math.nan if fields["monotonic_s"] is None else float(fields["monotonic_s"]),
            clock_synced=bool(fields["clock_synced"]),
            boot_id=str(fields["boot_id"]),
            door=str(fields["door"]),
            resident_id=None if fields["resident_id"] is None else ResidentId(fields["resident_id"]),
            detail=dict(fields["detail"]),
        )
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not an event: {error}") from error


def _finite(value: object) -> object:
    """Replace infinities and NaN, which JSON does not know, by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def link(key: bytes, previous_mac: bytes, event_id: int, payload: bytes) -> bytes:
    """Return a row's code: 32 bytes, HMAC-SHA256 over the previous code, the number and the content."""
    message = _DOMAIN + previous_mac + event_id.to_bytes(8, "big") + payload
    return hmac.new(key, message, hashlib.sha256).digest()


def pruning_detail(last: Head, removed: int, before_utc: datetime) -> dict[str, object]:
    """Return the detail of the row that stands for `removed` rows up to and including `last`."""
    return {
        "through_id": last.event_id,
        "through_mac": last.mac.hex(),
        "removed": removed,
        "before_utc": before_utc.isoformat(),
    }


def format_checkpoint(head: Head) -> str:
    """Return the head as text to keep elsewhere.

    >>> format_checkpoint(START)[:6]
    '0:0000'
    """
    return f"{head.event_id}:{head.mac.hex()}"


def parse_checkpoint(text: str) -> Head:
    """Read what `format_checkpoint` wrote; raises `UsageError`."""
    number, _, code = text.strip().partition(":")
    try:
        head = Head(int(number), bytes.fromhex(code))
    except ValueError:
        head = Head(-1, b"")
    if head.event_id < 0 or len(head.mac) != MAC_BYTES:
        raise UsageError(
            f"{text.strip()[:80]!r} is no checkpoint; give a line that `doorguard audit checkpoint` printed"
        )
    return head


def verify(rows: Iterable[Row], key: bytes, head: Head | None = None) -> AuditReport:
    """Walk the chain and name the first row that is not as it was written.

    Parameters
    ----------
    rows
        Every stored row by ascending number.
    key
        The chain's key.
    head
        A checkpoint kept elsewhere; with it a cut-off or rewritten tail shows.

    """
    walk = _Walk(key, head)
    for row in rows:
        walk.step(row)
    return walk.finish()


class _Walk:
    """One pass over the chain. It goes on after a fault, for the pruning row may come later."""

    def __init__(self, key: bytes, checkpoint: Head | None) -> None:
        self._key = key
        self._checkpoint = checkpoint
        self._first: Row | None = None
        self._last = START
        self._pruned = START
        self._count = 0
        self._fault: tuple[int, str] | None = None

    def step(self, row: Row) -> None:
        """Hold one row against the one before."""
        expected = self._last.event_id + 1
        if self._count == 0 and row.event_id > 1:
            self._first = row  # its predecessor is gone: held against the pruning row at the end
            self._note_pruning(row)
        elif row.event_id > expected:
            self._blame(expected, "is missing")
        elif row.event_id < expected:
            self._blame(row.event_id, "is out of order")
        elif not self._follows(self._last.mac, row):
            self._blame(row.event_id, _EDITED)
        else:
            self._note_pruning(row)
        if self._checkpoint and self._checkpoint.event_id == row.event_id:
            self._hold_to_checkpoint(row.event_id, row.mac)
        self._last = Head(row.event_id, row.mac)
        self._count += 1

    def finish(self) -> AuditReport:
        """Hold the start against the pruning row and the end against the checkpoint."""
        self._check_start()
        if self._checkpoint and self._checkpoint.event_id == self._pruned.event_id > 0:
            self._hold_to_checkpoint(self._pruned.event_id, self._pruned.mac)
        if self._checkpoint and self._checkpoint.event_id > self._last.event_id:
            self._blame(
                self._last.event_id + 1,
                f"is cut off, and every row after it: the checkpoint knows row {self._checkpoint.event_id}",
            )
        if self._fault is None:
            return AuditReport(True, self._count, None, "every row is in place", self._last)
        bad, what = self._fault
        return AuditReport(False, self._count, bad, f"row {bad} {what}", self._last)

    def _check_start(self) -> None:
        """Row 1, or the row after the last one that a signed row says was pruned, must come first."""
        start, through = self._first.event_id if self._first else 1, self._pruned.event_id
        if self._count and start <= through:
            self._blame(start, "had been pruned and was put back")
        elif self._first and start == through + 1:
            if not self._follows(self._pruned.mac, self._first):
                self._blame(start, _EDITED)
        elif self._first and self._fault is None:
            # Only without another fault: behind one, the pruning row itself may be what is lost.
            self._blame(through + 1, "is missing, and no signed row says that it was pruned")

    def _follows(self, previous_mac: bytes, row: Row) -> bool:
        return hmac.compare_digest(link(self._key, previous_mac, row.event_id, row.payload), row.mac)

    def _hold_to_checkpoint(self, event_id: int, mac: bytes) -> None:
        if self._checkpoint and not hmac.compare_digest(mac, self._checkpoint.mac):
            self._blame(event_id, "is not the row the checkpoint was made from")

    def _note_pruning(self, row: Row) -> None:
        """Remember the newest signed pruning; the text search spares parsing every row."""
        if b'"kind":"pruned"' not in row.payload:
            return
        try:
            event = decode_event(row.payload)
            if event.kind is EventKind.PRUNED:
                detail = event.detail
                self._pruned = Head(int(str(detail["through_id"])), bytes.fromhex(str(detail["through_mac"])))
        except (ValueError, KeyError):
            self._blame(row.event_id, _EDITED)

    def _blame(self, event_id: int, what: str) -> None:
        if self._fault is None or event_id < self._fault[0]:
            self._fault = (event_id, what)
