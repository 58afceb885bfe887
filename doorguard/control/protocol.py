"""The sockets' language: one JSON line each way, bounded, and errors that keep their class.

Request: `{"verb": "rename", "args": {…}}`. Reply: `{"ok": true, "result": {…}}` or
`{"ok": false, "error": {"type": "NameTakenError", "message": "…"}}`. One request per connection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from pydantic import BaseModel

from doorguard import errors
from doorguard.errors import ControlError, DoorguardError

MAX_LINE_BYTES = 64 * 1024
"""Longest line in either direction, its newline included."""

ANSWER_WITHIN_S = 2.0
"""A client waits this long; the server answers sooner (`server.Limits`)."""

MAX_MESSAGE_CHARS = 2000

_ERROR_CLASSES: Mapping[str, type[DoorguardError]] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, DoorguardError)
}


class Channel(StrEnum):
    """Which socket a request came through; the value is the word in messages."""

    STATUS = "status"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks, as the kernel says (SO_PEERCRED), or as this process is when no daemon runs."""

    uid: int
    pid: int

    @property
    def actor(self) -> str:
        """The words that go into a grant and an event.

        >>> Peer(1000, 77).actor
        'uid 1000 pid 77'
        """
        return f"uid {self.uid} pid {self.pid}"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that stands in the table of verbs and whose arguments were validated.

    Parameters
    ----------
    verb : a name in `control.verbs.VERBS`.
    args : an instance of that verb's argument model.
    peer : who asks.
    channel : the socket it came through; answers on `status` carry no distances.
    deadline_s : `time.monotonic()` seconds after which nobody waits for the answer any more: a command
        not begun by then must not be begun.

    """

    verb: str
    args: BaseModel
    peer: Peer
    channel: Channel
    deadline_s: float


def encode_request(verb: str, args: Mapping[str, object]) -> bytes:
    """Return the line to send; raises `ControlError` when it is too long or not JSON."""
    return _to_line({"verb": verb, "args": dict(args)}, "request")


def decode_request(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return verb and raw arguments of a line; raises `ControlError` and nothing else."""
    message = _from_line(line)
    if set(message) - {"verb", "args"} or not isinstance(message.get("verb"), str):
        raise ControlError('a request is {"verb": TEXT, "args": {…}} and nothing else')
    args = message.get("args", {})
    if not isinstance(args, dict):
        raise ControlError("args must be an object")
    return message["verb"], args


def encode_result(result: Mapping[str, object]) -> bytes:
    """Return the reply's line; raises `ControlError` when it is too long or not JSON."""
    return _to_line({"ok": True, "result": dict(result)}, "answer")


def encode_error(error: DoorguardError) -> bytes:
    """Return the line that tells the client why not; one line of text, never too long."""
    printable = "".join(character if character.isprintable() else " " for character in str(error))
    clean = " ".join(printable.split())[:MAX_MESSAGE_CHARS]
    name = type(error).__name__
    known = name if name in _ERROR_CLASSES else ControlError.__name__
    return _to_line({"ok": False, "error": {"type": known, "message": clean}}, "answer")


def decode_reply(line: bytes) -> dict[str, Any]:
    """Return the result, or raise the error the daemon raised; raises `ControlError` on a broken reply."""
    message = _from_line(line)
    if message.get("ok") is True and isinstance(message.get("result"), dict):
        return dict(message["result"])
    error = message.get("error")
    if message.get("ok") is False and isinstance(error, dict):
        raise rebuild_error(error)
    raise ControlError("the daemon's answer is not one this release understands; restart the daemon")


def rebuild_error(error: Mapping[str, object]) -> DoorguardError:
    """Return an error of the class it had in the daemon; a class unknown here becomes `ControlError`."""
    kind = _ERROR_CLASSES.get(str(error.get("type")), ControlError)
    return kind(str(error.get("message", "the daemon gave no reason"))[:MAX_MESSAGE_CHARS])


def _to_line(message: Mapping[str, object], what: str) -> bytes:
    try:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        line = text.encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ControlError(f"the {what} cannot be written as JSON: {error}") from error
    if len(line) > MAX_LINE_BYTES:
        raise ControlError(f"the {what} takes {len(line)} bytes, at most {MAX_LINE_BYTES} are allowed")
    return line


def _from_line(line: bytes) -> dict[str, Any]:
    """Parse one line strictly: UTF-8, an object, no key twice, no NaN, no half of a surrogate pair."""
    if len(line) > MAX_LINE_BYTES:
        raise ControlError(f"a line has at most {MAX_LINE_BYTES} bytes")
    try:
        message = json.loads(line.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
        json.dumps(message, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ControlError("the line is not one JSON object in UTF-8") from error
    if not isinstance(message, dict):
        raise ControlError("the line is not one JSON object in UTF-8")
    return message


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; a key given twice could mean one thing here and another elsewhere."""
    built = dict(pairs)
    if len(built) != len(pairs):
        raise ValueError("a key stands twice")
    return built


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
