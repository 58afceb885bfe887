"""The settings: refused as a whole, problem by problem, and documented key by key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from doorguard import config
from doorguard.config import Section, Settings, flatten
from doorguard.core import door
from doorguard.errors import ConfigError
from doorguard.settings_file import MAX_CONFIG_BYTES, load_settings, parse_settings


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text.encode(), origin="door.yaml")
    return caught.value.problems


def message_of(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ConfigError) as caught:
        parse_settings(raw, origin="door.yaml")
    return str(caught.value)


def fields(section: type[Section] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every leaf key with its field."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from fields(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def documented(text: str) -> dict[str, str]:
    """Every leaf key of the example file with the comment above it, on one line."""
    found, section, comment = {}, "", ""
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            comment += line.strip().removeprefix("#").rstrip()
        elif match := re.fullmatch(r"( *)([a-z_]+):(.*)", line):
            indent, key, value = match.groups()
            section = section if indent else (key if not value else "")
            if value:
                found[f"{section}.{key}" if indent else key] = comment.strip()
            comment = ""
        else:
            comment = ""
    return found


def bounds(field: FieldInfo) -> list[str]:
    """Return how the file must write the limits of one field."""
    words = [str(word) for word in get_args(field.annotation) if isinstance(word, str | int)]
    for limit in field.metadata:
        match limit:
            case Ge(value) | Le(value) | Gt(value) | Lt(value):
                words.append(f"{value:g}")
            case MinLen(value) | MaxLen(value):
                words.append(str(value))
    return words


# The defaults and their documentation


def test_example_file_repeats_every_default(root: Path) -> None:
    file = root / "config" / "doorguard.yaml"
    assert flatten(load_settings(file)) == flatten(Settings())


def test_example_file_names_every_key_once(root: Path) -> None:
    text = (root / "config" / "doorguard.yaml").read_text(encoding="utf-8")
    assert list(documented(text)) == list(flatten(Settings()))


@pytest.mark.parametrize(("key", "field"), list(fields()), ids=[key for key, _ in fields()])
def test_example_file_gives_each_keys_range_and_a_reason(root: Path, key: str, field: FieldInfo) -> None:
    text = (root / "config" / "doorguard.yaml").read_text(encoding="utf-8")
    match = re.match(r"\[(.+?)\] (.+)", documented(text)[key])
    assert match, f"{key} needs a comment [unit, lowest to highest] and a reason"
    stated, reason = match.groups()
    written = re.findall(r"[A-Za-z0-9.-]+", stated)
    assert [word for word in bounds(field) if word not in written] == []
    assert len(reason) > 20


def test_hard_cap_is_the_doors() -> None:
    assert config.HARD_CAP_S == door.HARD_CAP_S


def test_fields_take_no_infinity_and_no_unknown_key() -> None:
    for section in [Settings, *(type(getattr(Settings(), name)) for name in Settings.model_fields)]:
        if issubclass(section, Section):
            assert section.model_config["extra"] == "forbid"
            assert section.model_config["frozen"] is True
            assert section.model_config["allow_inf_nan"] is False


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().match.tau = 1.0  # type: ignore[misc]


# Reading a file


def test_no_file_gives_the_defaults() -> None:
    assert load_settings(None) == Settings()


def test_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "door.yaml").write_text("# nothing yet\n", encoding="utf-8")
    assert load_settings(tmp_path / "door.yaml") == Settings()


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*absent\.yaml: No such file"):
        load_settings(tmp_path / "absent.yaml")


def test_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load_settings(tmp_path)


def test_oversized_file_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "door.yaml").write_bytes(b"#" * (MAX_CONFIG_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        load_settings(tmp_path / "door.yaml")


def test_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "door.yaml").write_bytes(b"#" * MAX_CONFIG_BYTES)
    assert load_settings(tmp_path / "door.yaml") == Settings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "not valid YAML"),
        ("- a\n- b", "must hold keys and values, not list"),
        ("front", "must hold keys and values, not str"),
        ("match:\n  tau: 1\n  tau: 2", "key 'tau' stands twice"),
        ("door: &d {name: x}\nmatch: *d", r"aliases \(\*name\) are not used here"),
        ("door: !!python/object/apply:os.system [id]", "not valid YAML"),
        ("door: 2026-13-45", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
    ],
)
def test_text_that_is_no_settings_file_is_refused_in_one_line(text: str, words: str) -> None:
    message = message_of(text)
    assert re.search(words, message)
    assert "\n" not in message


def test_bytes_that_are_no_text_are_refused() -> None:
    assert "not valid YAML" in message_of(b"\xff\xfe\xfa")


# Values


def test_all_problems_are_listed_with_their_paths() -> None:
    problems = problems_of(
        """
        match: {target_false_accept: 1e-4, tau: 9}
        decision: {window_s: 2 s, agree: 6}
        strike: {release_s: 31}
        lens: 3
        """
    )
    paths = [problem.split(":")[0] for problem in problems]
    assert paths == [
        "strike.release_s",
        "match.tau",
        "match.target_false_accept",
        "decision.window_s",
        "lens",
    ]


@pytest.mark.parametrize(
    "text",
    ["decision: {agree: yes}", "decision: {frames: '9'}", "strike: {pin: on}", "camera: {width: 640.5}"],
)
def test_whole_number_that_is_something_else_is_refused(text: str) -> None:
    (problem,) = problems_of(text)
    assert "valid integer" in problem


def test_door_name_that_would_steer_a_terminal_is_refused() -> None:
    (problem,) = problems_of('door: {name: "a\\e[31mb"}')
    assert problem.startswith("door.name:")
    assert "\x1b" not in problem


def test_message_lists_every_problem_on_a_line_of_its_own() -> None:
    message = message_of("a: 1\nb: 2\n")
    assert message.splitlines()[0] == "door.yaml: 2 problem(s)"
    assert len(message.splitlines()) == 3


def test_unknown_key_says_where_the_keys_stand() -> None:
    assert problems_of("motoin: {enabled: false}") == (
        "motoin: unknown key; see config/doorguard.yaml for those there are",
    )


def test_wrong_value_is_shown() -> None:
    assert problems_of("camera: {rate_hz: 500}")[0].endswith("(got 500)")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("match: {tau: .inf}", "match.tau"),
        ("match: {tau: .nan}", "match.tau"),
        ("match: {target_false_accepts: 0}", "match.target_false_accepts"),
        ("decision: {frames: 2, agree: 3}", "decision"),
        ("decision: {frames: 2.5}", "decision.frames"),
        ("quality: {luma_min: 225}", "quality"),
        ("camera: {region_of_interest: [0.5, 0, 0.6, 1]}", "camera.region_of_interest"),
        ("camera: {region_of_interest: [0, 0, 0, 1]}", "camera.region_of_interest"),
        ("camera: {region_of_interest: [0, 0, 1]}", "camera.region_of_interest.3"),
        ("camera: {rotation_deg: 45}", "camera.rotation_deg"),
        ("camera: webcam", "camera.kind"),
        ("camera: 3", "camera"),
        ("vision: {encoder: ../../etc/passwd}", "vision.encoder"),
        ("door: {name: ''}", "door.name"),
        ("door: {name: '   '}", "door.name"),
        ("events:", "events"),
    ],
)
def test_value_outside_its_range_is_refused_at_its_path(text: str, path: str) -> None:
    assert problems_of(text)[0].split(":")[0] == path


@pytest.mark.parametrize(
    "text",
    [
        "strike: {release_s: 30}",
        "match: {target_false_accepts: 0.05}",
        "decision: {frames: 3, agree: 3}",
        "camera: {region_of_interest: [0.5, 0.0, 0.5, 1.0]}",
    ],
)
def test_value_at_its_limit_is_taken(text: str) -> None:
    assert parse_settings(text.encode(), origin="door.yaml") != Settings()


def test_section_written_as_its_kind_alone_is_understood() -> None:
    settings = parse_settings(b"camera: picamera2\nstrike: gpio\n", origin="door.yaml")
    assert (settings.camera.kind, settings.strike.kind) == ("picamera2", "gpio")


def test_flatten_gives_dotted_keys_in_the_order_of_the_classes() -> None:
    keys = list(flatten(Settings()))
    assert keys[:3] == ["runtime", "door.name", "camera.kind"]
    assert keys[-1] == "events.queue_max"


KEYS = [*Settings.model_fields, *(key.split(".")[-1] for key in flatten(Settings()))]

json_like: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(KEYS), json_like, max_size=4))
def test_any_mapping_is_either_settings_or_a_config_error(data: dict[str, Any]) -> None:
    import yaml

    raw = yaml.safe_dump(data).encode()
    try:
        settings = parse_settings(raw, origin="door.yaml")
    except ConfigError as error:
        assert str(error).startswith("door.yaml")
    else:
        assert settings.decision.agree <= settings.decision.frames
        assert 0 < settings.strike.release_s <= config.HARD_CAP_S


@given(st.binary(max_size=200))
def test_any_bytes_are_either_settings_or_a_config_error(raw: bytes) -> None:
    try:
        parse_settings(raw, origin="door.yaml")
    except ConfigError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"camera: {rate_hz: 2}", "nobody could be followed"),
        (b"decision: {window_s: 0.2, agree: 5}", "nobody could get in"),
        (b"camera: {rate_hz: 1}\ndecision: {track_gap_s: 1.5}", None),
    ],
)
def test_camera_too_slow_for_the_decision_is_refused(text: bytes, says: str | None) -> None:
    if says is None:
        assert parse_settings(text, origin="door.yaml").camera.rate_hz == 1
        return
    with pytest.raises(ConfigError, match=says):
        parse_settings(text, origin="door.yaml")
