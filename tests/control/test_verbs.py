"""The table of verbs: what is in it, which socket takes it, and arguments that do not fit."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorguard.control import protocol
from doorguard.control.protocol import MAX_LINE_BYTES, Channel
from doorguard.control.verbs import (
    CROP_BYTES_MAX,
    MAX_NUMBERS,
    VERBS,
    CropArgs,
    EnrollArgs,
    ListArgs,
    check_request,
)
from doorguard.errors import ControlError, DoorguardError, UsageError

DIM = 128
ENCODING_BYTES = 4 * DIM
MAX_ENCODINGS = MAX_NUMBERS // DIM
CODE = base64.b64encode(bytes(ENCODING_BYTES)).decode()
ENROLL = {"name": "Ada", "model_id": "m@1", "encodings": [CODE]}
FITTING: dict[str, dict[str, Any]] = {
    "ping": {},
    "status": {},
    "unlock": {"reason": "parcel"},
    "reload": {},
    "live_start": {"kind": "check", "name": "Ada"},
    "live_poll": {"session": "0a1b"},
    "live_cancel": {"session": "0a1b"},
    "residents_list": {},
    "residents_show": {"name": "Ada"},
    "enroll": ENROLL,
    "keep_crop": {"name": "Ada", "model_id": "m@1", "crop": CODE},
    "rename": {"name": "Ada", "new_name": "Ada L."},
    "remove": {"name": "Ada"},
    "disable": {"name": "Ada"},
    "enable": {"name": "Ada"},
}


def test_table_status_socket_has_the_reading_verbs_only() -> None:
    open_to_all = {name for name, row in VERBS.items() if Channel.STATUS in row.channels}
    assert open_to_all == {"ping", "status"}
    assert not any(VERBS[name].changes for name in open_to_all)


def test_table_control_socket_has_every_verb() -> None:
    assert all(Channel.CONTROL in row.channels for row in VERBS.values())
    assert set(FITTING) == set(VERBS)


def test_table_changing_verbs_are_those_that_change_residents() -> None:
    changing = {name for name, row in VERBS.items() if row.changes}
    assert changing == {"enroll", "rename", "remove", "disable", "enable"}


@pytest.mark.parametrize("verb", VERBS)
def test_verb_with_fitting_arguments_is_let_through_on_its_sockets_only(verb: str) -> None:
    for channel in Channel:
        if channel in VERBS[verb].channels:
            assert isinstance(check_request(verb, FITTING[verb], channel), VERBS[verb].args)
        else:
            with pytest.raises(
                ControlError, match="the status socket knows no such verb; it has ping, status"
            ):
                check_request(verb, FITTING[verb], channel)


@pytest.mark.parametrize("verb", VERBS)
def test_verb_with_an_unknown_argument_is_refused(verb: str) -> None:
    with pytest.raises(UsageError, match="surprise"):
        check_request(verb, {**FITTING[verb], "surprise": 1}, Channel.CONTROL)


@pytest.mark.parametrize("verb", [verb for verb, args in FITTING.items() if args])
def test_verb_without_its_arguments_names_what_is_missing(verb: str) -> None:
    with pytest.raises(UsageError, match=f"{verb}: {next(iter(FITTING[verb]))} field required"):
        check_request(verb, {}, Channel.CONTROL)


@pytest.mark.parametrize(
    "verb", ["", "Status", "status ", "unlock\n", "__class__", "x" * 60_000, "\U0001f600"]
)
def test_verb_that_is_absent_is_refused_without_being_repeated(verb: str) -> None:
    with pytest.raises(ControlError) as caught:
        check_request(verb, {}, Channel.CONTROL)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", 7),
        ("name", None),
        ("name", "a\nb"),
        ("name", "a\x1b[2Jb"),
        ("name", "x" * 201),
        ("consent", ""),
        ("consent", "x" * 501),
        ("consent", "a\nb"),
        ("encodings", []),
        ("encodings", CODE),
        ("encodings", [CODE] * (MAX_ENCODINGS + 1)),
        ("encodings", [7]),
        ("encodings", ["not Base64!"]),
        ("encodings", ["é" * 684]),
        ("encodings", [CODE[:-4]]),
        ("encodings", [base64.b64encode(bytes(ENCODING_BYTES + 3)).decode()]),
        ("encodings", [""]),
        ("add", 1),
        ("add", "true"),
        ("force", None),
    ],
)
def test_enroll_with_an_argument_that_does_not_fit_is_refused(key: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"^enroll: {key}") as caught:
        check_request("enroll", {**ENROLL, key: value}, Channel.CONTROL)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("limit", [0, -1, 21, 2**70, 1.5, "5", True, None, float("inf")])
def test_list_with_a_limit_that_does_not_fit_is_refused(limit: object) -> None:
    with pytest.raises(UsageError):
        check_request("residents_list", {"limit": limit}, Channel.CONTROL)


def test_enroll_of_the_most_encodings_fits_one_line() -> None:
    args = {
        "name": "\U0001f600" * 200,
        "consent": "\U0001f600" * 500,
        "model_id": "m" * 200,
        "encodings": [CODE] * MAX_ENCODINGS,
    }
    assert len(protocol.encode_request("enroll", args)) <= MAX_LINE_BYTES
    checked = check_request("enroll", args, Channel.CONTROL)
    assert isinstance(checked, EnrollArgs)
    assert checked.raw_encodings() == [bytes(ENCODING_BYTES)] * MAX_ENCODINGS


def test_text_with_space_around_it_is_trimmed() -> None:
    checked = check_request("residents_list", {"after": "  Ada "}, Channel.CONTROL)
    assert isinstance(checked, ListArgs)
    assert checked.after == "Ada"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.just(CODE),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(sorted({key for args in FITTING.values() for key in args} | {"add", "limit"}))


@given(
    st.sampled_from(sorted(VERBS)),
    st.dictionaries(KEYS | st.text(max_size=8), VALUES, max_size=6),
    st.sampled_from(Channel),
)
def test_any_arguments_are_validated_or_refused_with_words(
    verb: str, args: dict[str, Any], channel: Channel
) -> None:
    try:
        checked = check_request(verb, args, channel)
    except DoorguardError as error:
        assert len(str(error)) < 1000
        return
    json.dumps(checked.model_dump(), allow_nan=False)


@pytest.mark.parametrize("dim", [64, 512, 2048])
def test_enroll_of_encodings_of_any_dimension_fits_up_to_so_many_numbers(dim: int) -> None:
    code = base64.b64encode(bytes(4 * dim)).decode()
    most = {**ENROLL, "encodings": [code] * (MAX_NUMBERS // dim)}
    assert len(protocol.encode_request("enroll", most)) <= MAX_LINE_BYTES
    check_request("enroll", most, Channel.CONTROL)
    with pytest.raises(UsageError, match="the most in one request"):
        check_request("enroll", {**most, "encodings": [*most["encodings"], code]}, Channel.CONTROL)


def test_keep_crop_of_the_largest_picture_fits_one_line() -> None:
    args = {
        "name": "x" * 200,
        "model_id": "m" * 200,
        "crop": base64.b64encode(bytes(CROP_BYTES_MAX)).decode(),
    }
    assert len(protocol.encode_request("keep_crop", args)) <= MAX_LINE_BYTES
    checked = check_request("keep_crop", args, Channel.CONTROL)
    assert isinstance(checked, CropArgs)
    assert checked.raw_crop() == bytes(CROP_BYTES_MAX)


@pytest.mark.parametrize("crop", ["", "not Base64!", base64.b64encode(bytes(CROP_BYTES_MAX + 1)).decode(), 7])
def test_keep_crop_of_something_else_is_refused(crop: object) -> None:
    with pytest.raises(UsageError, match=r"^keep_crop: crop"):
        check_request("keep_crop", {"name": "Ada", "model_id": "m@1", "crop": crop}, Channel.CONTROL)
