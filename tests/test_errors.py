"""The error tree: as drawn, each with the exit code that scripts rely on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from doorguard import errors
from doorguard.errors import DENIED, OK, CameraError, ConfigError, DoorguardError, StrikeError

EXIT_CODES = {
    "DoorguardError": 1,
    "UsageError": 2,
    "NotAllowedError": 2,
    "UnknownResidentError": 2,
    "ConfigError": 3,
    "ModelError": 4,
    "ModelMismatchError": 4,
    "StoreError": 5,
    "StoreTooNewError": 5,
    "StoreCorruptError": 5,
    "StoreKeyError": 5,
    "StoreBusyError": 5,
    "CameraError": 6,
    "StrikeError": 7,
    "ControlError": 8,
    "EnrollmentError": 1,
    "NoFaceError": 10,
    "SeveralFacesError": 11,
    "PoorQualityError": 12,
    "NameTakenError": 13,
    "LookalikeError": 14,
    "UnreadableImageError": 15,
}


def tree(root: type[DoorguardError] = DoorguardError, depth: int = 0) -> Iterator[tuple[int, str]]:
    """Every class of the module with its depth; a test elsewhere may have made some of its own."""
    yield depth, root.__name__
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child, depth + 1)


def drawn() -> list[tuple[int, str]]:
    """The tree as the module's docstring draws it: four columns a level."""
    assert errors.__doc__ is not None
    found = []
    for line in errors.__doc__.splitlines():
        if match := re.match(r"    ([│├└─ ]*)([A-Z][A-Za-z]+Error)\b", line):
            found.append((len(match[1]) // 4, match[2]))
    return found


def test_tree_is_the_one_the_docstring_draws() -> None:
    assert sorted(tree()) == sorted(drawn())


def test_exit_codes_are_the_ones_scripts_rely_on() -> None:
    assert {name: getattr(errors, name).exit_code for _, name in tree()} == EXIT_CODES


def test_exit_codes_drawn_in_the_docstring_are_true() -> None:
    assert errors.__doc__ is not None
    for name, code in re.findall(r"([A-Za-z]+Error) \((\d+)\)", errors.__doc__):
        assert EXIT_CODES[name] == int(code)


def test_success_and_denial_have_codes_no_error_has() -> None:
    assert (OK, DENIED) == (0, 20)
    assert not {OK, DENIED} & set(EXIT_CODES.values())


def test_config_error_keeps_each_problem() -> None:
    assert ConfigError("two problems", ("a: one", "b: two")).problems == ("a: one", "b: two")
    assert ConfigError("one").problems == ()


@pytest.mark.parametrize("kind", [CameraError, StrikeError])
def test_hardware_error_says_whether_trying_again_can_help(kind: type[CameraError | StrikeError]) -> None:
    assert not kind("unplugged").fatal
    assert kind("no such pin", fatal=True).fatal
    assert str(kind("unplugged")) == "unplugged"
