"""The chain against every way of tampering, and as a property against any single one."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorguard.core import audit
from doorguard.core.audit import START, Head, Row
from doorguard.core.model import Event, EventKind, ResidentId
from doorguard.errors import UsageError

KEY = b"k" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(kind: EventKind = EventKind.ATTEMPT, **detail: object) -> Event:
    return Event(kind, NOW, 1.5, True, "boot", "front", ResidentId("ab" * 8), detail)


def chain(*payloads: bytes, after: Head = START) -> list[Row]:
    rows: list[Row] = []
    last = after
    for payload in payloads:
        event_id = last.event_id + 1
        rows.append(Row(event_id, payload, audit.link(KEY, last.mac, event_id, payload)))
        last = Head(event_id, rows[-1].mac)
    return rows


def ten() -> list[Row]:
    return chain(*(audit.encode_event(event(number=number)) for number in range(10)))


def pruned_ten() -> list[Row]:
    """Rows 5 to 10 and a signed row 11 that says rows 1 to 4 were removed."""
    rows = ten()
    detail = audit.pruning_detail(Head(4, rows[3].mac), 4, NOW)
    signed = chain(audit.encode_event(event(EventKind.PRUNED, **detail)), after=Head(10, rows[9].mac))
    return rows[4:] + signed


def test_verify_whole_chain_passes_and_returns_its_head() -> None:
    rows = ten()
    report = audit.verify(rows, KEY)
    assert (report.ok, report.rows, report.first_bad_id) == (True, 10, None)
    assert report.head == Head(10, rows[9].mac)


def test_verify_empty_log_passes() -> None:
    assert audit.verify([], KEY) == audit.AuditReport(True, 0, None, "every row is in place", START)


def test_verify_other_key_names_row_one() -> None:
    assert audit.verify(ten(), b"x" * 32).first_bad_id == 1


def test_verify_edited_row_is_named() -> None:
    rows = ten()
    rows[6] = Row(7, rows[6].payload.replace(b"front", b"other"), rows[6].mac)
    report = audit.verify(rows, KEY)
    assert (report.ok, report.first_bad_id, report.what) == (False, 7, "row 7 was edited, inserted or moved")


def test_verify_deleted_row_is_named() -> None:
    rows = ten()
    del rows[3]
    report = audit.verify(rows, KEY)
    assert (report.first_bad_id, report.what) == (4, "row 4 is missing")


def test_verify_deleted_row_with_the_rest_renumbered_is_named() -> None:
    rows = ten()
    moved = [Row(row.event_id - 1, row.payload, row.mac) for row in rows[4:]]
    assert audit.verify(rows[:3] + moved, KEY).first_bad_id == 4


def test_verify_inserted_row_is_named() -> None:
    rows = ten()
    forged = Row(6, rows[2].payload, rows[2].mac)
    moved = [Row(row.event_id + 1, row.payload, row.mac) for row in rows[5:]]
    assert audit.verify([*rows[:5], forged, *moved], KEY).first_bad_id == 6


def test_verify_swapped_content_names_the_first_of_the_two() -> None:
    rows = ten()
    rows[2], rows[7] = Row(3, rows[7].payload, rows[7].mac), Row(8, rows[2].payload, rows[2].mac)
    assert audit.verify(rows, KEY).first_bad_id == 3


def test_verify_rows_out_of_order_names_the_late_one() -> None:
    rows = ten()
    rows[2], rows[3] = rows[3], rows[2]
    report = audit.verify(rows, KEY)
    assert report.first_bad_id == 3


def test_verify_row_with_negative_number_is_out_of_order() -> None:
    report = audit.verify([Row(-5, b"{}", bytes(32)), *ten()], KEY)
    assert (report.first_bad_id, report.what) == (-5, "row -5 is out of order")


def test_verify_two_faults_names_the_first() -> None:
    rows = ten()
    del rows[8]
    rows[1] = Row(2, b"{}", rows[1].mac)
    assert audit.verify(rows, KEY).first_bad_id == 2


def test_verify_cut_tail_shows_only_with_a_checkpoint() -> None:
    rows = ten()
    checkpoint = Head(10, rows[9].mac)
    assert audit.verify(rows[:6], KEY).ok
    report = audit.verify(rows[:6], KEY, checkpoint)
    assert report.first_bad_id == 7
    assert report.what == "row 7 is cut off, and every row after it: the checkpoint knows row 10"


def test_verify_emptied_log_shows_with_a_checkpoint() -> None:
    assert audit.verify([], KEY, Head(3, ten()[2].mac)).first_bad_id == 1


def test_verify_checkpoint_of_a_row_that_grew_older_passes() -> None:
    rows = ten()
    assert audit.verify(rows, KEY, Head(4, rows[3].mac)).ok
    assert audit.verify(rows, KEY, START).ok


def test_verify_tail_rewritten_by_the_key_holder_shows_with_a_checkpoint() -> None:
    rows = ten()
    rewritten = rows[:8] + chain(b"{}", b"{}", after=Head(8, rows[7].mac))
    assert audit.verify(rewritten, KEY).ok
    report = audit.verify(rewritten, KEY, Head(10, rows[9].mac))
    assert (report.first_bad_id, report.what) == (10, "row 10 is not the row the checkpoint was made from")


def test_verify_after_pruning_passes() -> None:
    report = audit.verify(pruned_ten(), KEY)
    assert (report.ok, report.rows) == (True, 7)


def test_verify_after_pruning_everything_passes() -> None:
    rows = ten()
    detail = audit.pruning_detail(Head(10, rows[9].mac), 10, NOW)
    only = chain(audit.encode_event(event(EventKind.PRUNED, **detail)), after=Head(10, rows[9].mac))
    assert audit.verify(only, KEY).ok


def test_verify_front_deleted_without_a_signed_row_is_named() -> None:
    report = audit.verify(ten()[4:], KEY)
    assert report.first_bad_id == 1
    assert report.what == "row 1 is missing, and no signed row says that it was pruned"


def test_verify_more_deleted_than_pruned_is_named() -> None:
    assert audit.verify(pruned_ten()[1:], KEY).first_bad_id == 5


def test_verify_pruned_rows_put_back_are_named() -> None:
    rows = ten()
    assert audit.verify(rows[3:4] + pruned_ten(), KEY).first_bad_id == 4
    assert audit.verify(rows[:4] + pruned_ten(), KEY).first_bad_id == 1


def test_verify_first_row_after_pruning_edited_is_named() -> None:
    rows = pruned_ten()
    rows[0] = Row(5, b"{}", rows[0].mac)
    assert audit.verify(rows, KEY).first_bad_id == 5


def test_verify_row_lost_before_the_pruning_row_is_the_one_named() -> None:
    rows = pruned_ten()
    del rows[5]
    assert audit.verify(rows, KEY).first_bad_id == 10


def test_verify_checkpoint_of_the_last_pruned_row_is_held_against_the_signed_row() -> None:
    assert audit.verify(pruned_ten(), KEY, Head(4, ten()[3].mac)).ok
    assert audit.verify(pruned_ten(), KEY, Head(4, bytes(32))).first_bad_id == 4
    assert audit.verify(pruned_ten(), KEY, Head(3, bytes(32))).ok  # nothing is left to hold it against


def test_verify_unedited_row_that_only_speaks_of_pruning_is_no_pruning() -> None:
    rows = chain(audit.encode_event(event(note={"kind": "pruned", "through_id": 9})))
    assert audit.verify(rows, KEY).ok


def test_verify_pruning_row_without_its_detail_is_named() -> None:
    rows = chain(audit.encode_event(event(EventKind.PRUNED)))
    assert audit.verify(rows, KEY).first_bad_id == 1


@given(st.data())
def test_verify_any_single_byte_changed_names_that_row(data: st.DataObject) -> None:
    rows = ten()
    index = data.draw(st.integers(0, 9))
    row = rows[index]
    content = bytearray(row.payload + row.mac)
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    rows[index] = Row(row.event_id, bytes(content[:-32]), bytes(content[-32:]))
    assert audit.verify(rows, KEY).first_bad_id == index + 1


@given(st.integers(0, 10), st.integers(0, 10))
def test_verify_any_stretch_deleted_names_its_first_row(start: int, length: int) -> None:
    rows = ten()
    kept = rows[:start] + rows[start + length :]
    report = audit.verify(kept, KEY, Head(10, rows[9].mac))
    assert report.ok == (len(kept) == 10)
    assert report.first_bad_id == (None if report.ok else start + 1)


def test_event_encoded_and_decoded_is_the_same() -> None:
    original = event(frames=[{"d": 0.25, "matched": True}], tau=0.5, who=None)
    assert audit.decode_event(audit.encode_event(original)) == original


def test_event_without_resident_decodes_without() -> None:
    original = Event(EventKind.STARTED, NOW, 1.0, False, "", "front", None, {})
    assert audit.decode_event(audit.encode_event(original)) == original


def test_event_number_that_is_not_finite_becomes_null() -> None:
    odd = Event(EventKind.STARTED, NOW, math.nan, False, "", "", None, {"second": (math.inf, [math.nan])})
    decoded = audit.decode_event(audit.encode_event(odd))
    assert decoded.detail == {"second": [None, [None]]}
    assert math.isnan(decoded.monotonic_s)


def test_event_detail_that_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        audit.encode_event(event(picture=b"\0"))


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b"\xff", b'{"kind":"nonsense"}', b"[" * 100_000, b"null"]
)
def test_decode_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError):
        audit.decode_event(payload)


def test_checkpoint_printed_and_read_is_the_same() -> None:
    head = Head(77, bytes(range(32)))
    assert audit.parse_checkpoint(f" {audit.format_checkpoint(head)}\n") == head


@pytest.mark.parametrize(
    "text", ["", "7", "7:", "7:abcd", "x:" + "00" * 32, "-1:" + "00" * 32, "7:" + "zz" * 32]
)
def test_checkpoint_malformed_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no checkpoint"):
        audit.parse_checkpoint(text)


def test_link_depends_on_each_of_its_parts() -> None:
    base = audit.link(KEY, bytes(32), 1, b"{}")
    others = [
        audit.link(b"x" * 32, bytes(32), 1, b"{}"),
        audit.link(KEY, b"\1" * 32, 1, b"{}"),
        audit.link(KEY, bytes(32), 2, b"{}"),
        audit.link(KEY, bytes(32), 1, b"[]"),
    ]
    assert len({base, *others}) == 5
    assert len(base) == audit.MAC_BYTES
