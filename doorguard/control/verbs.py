"""THE table of verbs: what may be asked, through which socket, with which arguments. Absent means refused."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from doorguard.control.protocol import Channel
from doorguard.errors import ControlError, UsageError

NUMBER_BYTES = 4
"""Of an encoding on the wire: little-endian float32, then Base64. How many of them is the model's matter."""

MAX_NUMBERS = 8192
"""In one request, all encodings together: 64 of 128 numbers, or 16 of 512, take 44 KB of the 64 KiB line."""

CROP_BYTES_MAX = 40 * 1024
"""A packed picture; in Base64 it takes 55 KB of the 64 KiB line."""

PAGE_MAX = 20
"""Residents in one answer: 20 of the longest names and consents take 52 KB of the 64 KiB line."""


def _printable(value: str) -> str:
    """Refuse control characters: the text ends up in terminals and journals."""
    if not value.isprintable():
        raise ValueError("must hold printable characters only")
    return value.strip()


def _encoding_text(value: str) -> str:
    """Check Base64 and length; whether the numbers are an encoding is `core.enrollment`'s matter."""
    length = len(_from_base64(value))
    if not length or length % NUMBER_BYTES:
        raise ValueError(f"holds {length} bytes, an encoding has {NUMBER_BYTES} for each number")
    return value


def _crop_text(value: str) -> str:
    """Check Base64 and length; whether it is a picture shows when it is opened."""
    if not 0 < len(_from_base64(value)) <= CROP_BYTES_MAX:
        raise ValueError(f"holds no picture of at most {CROP_BYTES_MAX} bytes")
    return value


def _from_base64(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        raise ValueError("is not Base64") from error


Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable), Field(min_length=1)]
"""Text a person typed: one printable line, not blank."""

Consent = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_printable)]
EncodingText = Annotated[str, AfterValidator(_encoding_text)]
CropText = Annotated[str, AfterValidator(_crop_text)]
SessionId = Annotated[str, Field(pattern=r"^[0-9a-f]{1,32}$")]


class Args(BaseModel):
    """Arguments of one verb: frozen, no unknown keys, no coercion, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class NoArgs(Args):
    """Nothing."""


class UnlockArgs(Args):
    """Why the strike is released by hand."""

    reason: Line


class ResidentArgs(Args):
    """One resident, by name or id."""

    name: Line


class RenameArgs(Args):
    """One resident, by name or id, and the new name."""

    name: Line
    new_name: Line


class ListArgs(Args):
    """A page of residents in the order of their names, after the one with this id."""

    after: Line | None = None
    limit: int = Field(default=PAGE_MAX, ge=1, le=PAGE_MAX)


class EnrollArgs(Args):
    """Encodings made from photographs, for a new resident or, with `add`, one there is."""

    name: Line
    consent: Consent | None = None
    model_id: Line
    encodings: list[EncodingText] = Field(min_length=1)
    add: bool = False
    force: bool = False

    @field_validator("encodings")
    @classmethod
    def _few_enough(cls, value: list[str]) -> list[str]:
        numbers = sum(len(base64.b64decode(text)) for text in value) // NUMBER_BYTES
        if numbers > MAX_NUMBERS:
            raise ValueError(f"hold {numbers} numbers, {MAX_NUMBERS} are the most in one request")
        return value

    def raw_encodings(self) -> list[bytes]:
        """Each encoding as bytes, little-endian float32."""
        return [base64.b64decode(text) for text in self.encodings]


class CropArgs(Args):
    """The aligned picture behind a template of a resident, packed (`vision.crops`)."""

    name: Line
    model_id: Line
    crop: CropText

    def raw_crop(self) -> bytes:
        """The packed picture."""
        return base64.b64decode(self.crop)


class LiveStartArgs(Args):
    """Begin a session at the door: enrol whoever stands there, or print D to everybody for one visit."""

    kind: Literal["enroll", "check"]
    name: Line
    consent: Consent | None = None
    add: bool = False
    force: bool = False


class LiveArgs(Args):
    """A session that `live_start` began."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of the table.

    Parameters
    ----------
    args : the model the arguments must fit.
    doc : one line for people.
    channels : the sockets that accept it.
    changes : whether it changes residents, so that the gallery is built anew before the next frame.
    live : whether only a running daemon can do it; the others work on a locked store too (`Desk`).

    """

    args: type[Args]
    doc: str
    channels: frozenset[Channel] = frozenset({Channel.CONTROL})
    changes: bool = False
    live: bool = False


_BOTH = frozenset(Channel)

VERBS: Mapping[str, Verb] = {
    "ping": Verb(NoArgs, "Answer.", _BOTH, live=True),
    "status": Verb(NoArgs, "Say how the door is.", _BOTH, live=True),
    "unlock": Verb(UnlockArgs, "Release the strike by hand.", live=True),
    "reload": Verb(NoArgs, "Read the residents again.", live=True),
    "live_start": Verb(LiveStartArgs, "Begin an enrolment or a check at the door.", live=True),
    "live_poll": Verb(LiveArgs, "Say how far that session is.", live=True),
    "live_cancel": Verb(LiveArgs, "End that session without a trace.", live=True),
    "residents_list": Verb(ListArgs, "List residents, a page at a time."),
    "residents_show": Verb(ResidentArgs, "Show one resident."),
    "enroll": Verb(EnrollArgs, "Store a resident or more templates of one.", changes=True),
    "keep_crop": Verb(CropArgs, "Keep the picture behind a template, where the settings say so."),
    "rename": Verb(RenameArgs, "Change a resident's name.", changes=True),
    "remove": Verb(ResidentArgs, "Erase a resident.", changes=True),
    "disable": Verb(ResidentArgs, "Keep a resident out without erasing.", changes=True),
    "enable": Verb(ResidentArgs, "Let a disabled resident in again.", changes=True),
}


def check_request(verb: str, args: Mapping[str, Any], channel: Channel) -> Args:
    """Return validated arguments.

    Raises
    ------
    ControlError : the verb is not in the table, or not on this socket.
    UsageError : the arguments do not fit; all problems are named, no value is repeated.

    """
    row = VERBS.get(verb)
    if row is None or channel not in row.channels:
        raise ControlError(f"the {channel} socket knows no such verb; it has {', '.join(_names(channel))}")
    try:
        return row.args.model_validate(args)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        raise UsageError(f"{verb}: {'; '.join(_describe(problem) for problem in problems[:5])}") from error


def _names(channel: Channel) -> list[str]:
    return [name for name, row in VERBS.items() if channel in row.channels]


def _describe(problem: Any) -> str:
    """Turn one pydantic error into `key: what is wrong`; an unknown key is the sender's text, so clipped."""
    path = ".".join(str(part)[:40] for part in problem["loc"]) or "args"
    return f"{path} {str(problem['msg']).removeprefix('Value error, ').lower()}"
