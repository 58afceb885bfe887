"""Settings from YAML: strict, bounded, every problem at once with its key path, no secret repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from doorguard.config import PASSWORD_IN_URL, Settings
from doorguard.errors import ConfigError

MAX_CONFIG_BYTES = 256 * 1024


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader that also refuses a key given twice and anchors (nothing here needs them)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, refusing duplicates."""
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(self.construct_object(key_node, deep=True))
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases, which could blow a small file up without bound."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, "aliases (*name) are not used here", mark)
        return super().compose_node(parent, index)


def load_settings(file: Path | None) -> Settings:
    """Read and validate a settings file; None gives the defaults.

    Raises
    ------
    ConfigError : the file cannot be read, is no YAML mapping, or holds unknown or wrong values; all
        problems are listed in `problems` and, one per line, in the message.

    """
    if file is None:
        return Settings()
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    if len(raw) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{file} is larger than {MAX_CONFIG_BYTES // 1024} KiB; it is no settings file")
    return parse_settings(raw, origin=str(file))


def parse_settings(raw: bytes, *, origin: str) -> Settings:
    """Validate YAML text; `origin` names it in messages. Raises `ConfigError`."""
    try:
        data = yaml.load(raw, Loader=_StrictLoader)  # noqa: S506  a subclass of SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        # Only what is wrong and where: PyYAML's own text quotes the line, and so perhaps a password.
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        text = f"{origin} is not valid YAML{place}: {problem}"
        raise ConfigError(PASSWORD_IN_URL.sub("(hidden)@", text)) from error
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise ConfigError(f"{origin} must hold keys and values, not {type(data).__name__}")
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        problems = tuple(_describe(item) for item in error.errors(include_url=False))
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigError(f"{origin}: {len(problems)} problem(s)\n{lines}", problems) from error


def _describe(item: Any) -> str:
    """Turn one pydantic error into `path: what is wrong (got value)`."""
    path = ".".join(str(part) for part in item["loc"]) or "(top level)"
    if item["type"] == "extra_forbidden":
        return f"{path}: unknown key; see config/doorguard.yaml for those there are"
    message = str(item["msg"]).removeprefix("Value error, ")
    value = item.get("input")
    shown = "" if isinstance(value, dict | BaseModel) else f" (got {value!r})"
    return PASSWORD_IN_URL.sub("(hidden)@", f"{path}: {message[0].lower()}{message[1:]}{shown}")
