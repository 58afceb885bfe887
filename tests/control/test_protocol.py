"""The sockets' language: what goes through, what is refused, and errors that keep their class."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorguard import errors
from doorguard.control.protocol import (
    MAX_LINE_BYTES,
    MAX_MESSAGE_CHARS,
    decode_reply,
    decode_request,
    encode_error,
    encode_request,
    encode_result,
)
from doorguard.errors import ControlError, DoorguardError, NameTakenError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), JSON, max_size=5)
EVERY_ERROR = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, DoorguardError)
]


@settings(max_examples=30)
@given(OBJECTS)
def test_request_of_any_json_comes_back_as_it_was(args: dict[str, object]) -> None:
    line = encode_request("rename", args)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_request(line.rstrip(b"\n")) == ("rename", args)


@settings(max_examples=30)
@given(OBJECTS)
def test_result_of_any_json_comes_back_as_it_was(result: dict[str, object]) -> None:
    line = encode_result(result)
    assert line.count(b"\n") == 1
    assert decode_reply(line) == result


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_error_of_every_class_keeps_class_and_words(kind: type[DoorguardError]) -> None:
    with pytest.raises(kind) as caught:
        decode_reply(encode_error(kind("Zoë is enrolled already")))
    assert type(caught.value) is kind
    assert str(caught.value) == "Zoë is enrolled already"


class HomeMadeError(DoorguardError):
    """Not in `doorguard.errors`."""


def test_error_of_a_class_nobody_knows_becomes_a_control_error() -> None:
    with pytest.raises(ControlError, match="odd"):
        decode_reply(encode_error(HomeMadeError("odd")))


@pytest.mark.parametrize(
    "text", ["x" * 10_000, "\U0001f600" * 5000, "line\nline\r\n\x1b[2J", "half \ud83d", ""], ids=len
)
def test_error_of_any_text_is_one_short_line(text: str) -> None:
    line = encode_error(NameTakenError(text))
    assert len(line) <= MAX_LINE_BYTES
    assert line.count(b"\n") == 1
    with pytest.raises(NameTakenError) as caught:
        decode_reply(line)
    assert len(str(caught.value)) <= MAX_MESSAGE_CHARS
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null",
        b"7",
        b'"status"',
        b"[]",
        b"{",
        b"{}",
        b'{"verb":1}',
        b'{"verb":null}',
        b'{"verb":"status","args":[]}',
        b'{"verb":"status","args":null}',
        b'{"verb":"status","extra":1}',
        b'{"verb":"status","verb":"unlock"}',
        b'{"verb":"status","args":{"a":1,"a":2}}',
        b'{"verb":"status"} {"verb":"status"}',
        b'{"verb":"status","args":{"a":NaN}}',
        b'{"verb":"status","args":{"a":Infinity}}',
        b'{"verb":"status","args":{"a":-Infinity}}',
        b'{"verb":"status","args":{"a":"\\ud83d"}}',
        b'{"verb":"\\udc00"}',
        b'{"verb":"status","args":{"\\udc00":1}}',
        b'{"verb":"\xff"}',
        b"\x00\x01\x02",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"verb":"status","args":{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}}",
        b'{"verb":"status","args":{"a":' + b"9" * 60_000 + b"}}",
        b'{"verb":"' + b"x" * MAX_LINE_BYTES + b'"}',
        b"GET / HTTP/1.1\r",
    ],
    ids=lambda line: repr(line[:40]),
)
def test_request_that_is_not_one_is_refused(line: bytes) -> None:
    with pytest.raises(ControlError) as caught:
        decode_request(line)
    assert len(str(caught.value)) < 200


def test_request_without_args_has_none() -> None:
    assert decode_request(b'{"verb":"status"}') == ("status", {})


def test_request_with_a_number_beyond_floats_never_carries_it_on() -> None:
    """1e999 is legal JSON and infinity in Python; the argument models refuse it (see the verbs' tests)."""
    assert decode_request(b'{"verb":"x","args":{"a":1e999}}')[1] == {"a": float("inf")}


@given(st.binary(max_size=300))
def test_request_of_any_bytes_is_understood_or_refused(line: bytes) -> None:
    try:
        verb, args = decode_request(line)
    except ControlError:
        return
    assert isinstance(verb, str)
    assert isinstance(args, dict)
    json.dumps([verb, args], ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b'{"ok":true}',
        b'{"ok":true,"result":[]}',
        b'{"ok":1,"result":{}}',
        b'{"ok":false}',
        b'{"ok":false,"error":"no"}',
        b"HTTP/1.1 200 OK",
    ],
)
def test_reply_that_is_not_one_is_a_control_error(line: bytes) -> None:
    with pytest.raises(ControlError):
        decode_reply(line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"ok":false,"error":{}}', "the daemon gave no reason"),
        (b'{"ok":false,"error":{"type":"SystemExit","message":"m"}}', "m"),
        (b'{"ok":false,"error":{"type":["x"],"message":7}}', "7"),
    ],
)
def test_reply_with_an_odd_error_is_a_control_error(line: bytes, message: str) -> None:
    with pytest.raises(ControlError, match=message):
        decode_reply(line)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), object(), b"bytes", {1, 2}, "x" * MAX_LINE_BYTES, "\ud83d"]
)
def test_message_that_cannot_be_sent_is_a_control_error(value: object) -> None:
    with pytest.raises(ControlError):
        encode_request("status", {"a": value})
    with pytest.raises(ControlError):
        encode_result({"a": value})


def test_message_of_exactly_the_most_bytes_is_sent_and_read() -> None:
    room = MAX_LINE_BYTES - len(encode_request("v", {"a": ""}))
    line = encode_request("v", {"a": "x" * room})
    assert len(line) == MAX_LINE_BYTES
    assert decode_request(line)[1]["a"] == "x" * room
    with pytest.raises(ControlError, match="65537 bytes"):
        encode_request("v", {"a": "x" * (room + 1)})


def test_message_that_contains_itself_is_a_control_error() -> None:
    loop: dict[str, object] = {}
    loop["again"] = loop
    with pytest.raises(ControlError, match="cannot be written"):
        encode_result(loop)
