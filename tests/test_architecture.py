"""The shape of the code, held by reading it: who imports whom, how large things are, who makes a Grant."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "doorguard"
MODULES = sorted(PACKAGE.rglob("*.py"))

MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 40
PARAMETERS_MAX = 5


@dataclass(frozen=True)
class Rule:
    """What one part may import: other parts of doorguard, and libraries beside the standard one."""

    parts: frozenset[str]
    libraries: frozenset[str] = frozenset()


def _rule(parts: str = "", libraries: str = "") -> Rule:
    return Rule(frozenset(parts.split()), frozenset(libraries.split()))


INSIDE = "errors core ports config"
RULES = {
    "__init__": _rule(),
    "__main__": _rule("cli"),
    "errors": _rule(),
    "core": _rule("errors core", "numpy"),
    "ports": _rule("core"),
    "config": _rule("errors", "pydantic"),
    "settings_file": _rule("errors config", "pydantic yaml"),
    "places": _rule("errors"),
    "photos": _rule(),
    "vision": _rule(f"{INSIDE} vision", "numpy cv2 PIL pillow_heif ai_edge_litert tflite_runtime pydantic"),
    "strike": _rule(f"{INSIDE} strike"),
    "control": _rule(f"{INSIDE} control places", "pydantic numpy"),
    "daemon": _rule(f"{INSIDE} vision control daemon", "numpy cv2"),
    "adapters.camera": _rule(INSIDE, "numpy cv2 PIL picamera2 libcamera"),
    "adapters.clock": _rule(INSIDE),
    "adapters.gpio": _rule(INSIDE, "gpiozero lgpio"),
    "adapters.keys": _rule(INSIDE, "cryptography"),
    "adapters.simulated": _rule(f"{INSIDE} photos", "numpy cv2"),
    "adapters.store": _rule(INSIDE, "numpy cryptography argon2"),
    "adapters.systemd": _rule(INSIDE),
    "lab": _rule(f"{INSIDE} vision photos lab", "numpy cv2 PIL matplotlib pydantic"),
    "stills": _rule(f"{INSIDE} vision", "numpy"),
    "app": _rule(f"{INSIDE} settings_file places vision strike control daemon adapters stills photos app"),
    "demo": _rule(f"{INSIDE} places control daemon adapters.clock adapters.simulated photos app", "rich"),
    "cli": _rule("errors core config places control.client app stills demo lab photos cli", "typer rich"),
}
"""The whole map; a module of no part here is refused, so a new part must say where it stands."""

IMPURE = {
    "time",
    "datetime",
    "random",
    "secrets",
    "os",
    "pathlib",
    "threading",
    "logging",
    "socket",
    "sqlite3",
}
"""What `core` takes as arguments instead of reaching for it. (`datetime` for types only, see below.)"""

HEAVY = (
    *("cv2", "ai_edge_litert", "tflite_runtime", "picamera2", "libcamera", "gpiozero", "lgpio"),
    *("sqlite3", "cryptography", "argon2", "PIL", "pillow_heif", "rich.live"),
)


def _name(module: Path) -> str:
    parts = module.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _part(name: str) -> str:
    """Return the part of the map a module belongs to; an adapter is its own part."""
    first, _, rest = name.partition(".")
    return f"adapters.{rest.split('.')[0]}" if first == "adapters" and rest else first


@cache
def _tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Import:
    target: str
    line: int
    only_typing: bool


def _imports(module: Path) -> Iterator[Import]:
    """Every imported module, `from a import b` as `a.b`; marks those under TYPE_CHECKING."""
    typing_only = {
        id(inner)
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: import by full name"
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            yield Import(target, node.lineno, id(node) in typing_only)


def _allows(rule: Rule, own_part: str, found: Import) -> bool:
    head, _, rest = found.target.partition(".")
    if head == "__future__" or head in sys.stdlib_module_names:
        return True
    if head != "doorguard":
        return head in rule.libraries
    part = _part(rest)
    names = {part, rest.split(".")[0], ".".join(rest.split(".")[:2])}
    return part == own_part or bool(names & rule.parts) or rest == "__version__"


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_module_imports_only_what_its_part_may(module: Path) -> None:
    part = _part(_name(module))
    if part == "adapters":
        assert not list(_imports(module)), "adapters/__init__.py holds no code: each adapter stands alone"
        return
    assert part in RULES, f"{part} has no place in the map of imports; add one with its reason"
    refused = [
        f"line {found.line}: {found.target}"
        for found in _imports(module)
        if not _allows(RULES[part], part, found) and not (part == "cli" and found.only_typing)
    ]
    assert not refused


def test_core_reaches_for_no_clock_file_thread_or_random_source() -> None:
    refused = [
        f"{_name(module)}:{found.line} {found.target}"
        for module in MODULES
        if _part(_name(module)) == "core"
        for found in _imports(module)
        if found.target.split(".")[0] in IMPURE and not found.target.startswith("datetime.")
    ]
    assert not refused


def test_core_asks_no_clock_for_the_time_of_day() -> None:
    asked = [
        f"{_name(module)}:{node.lineno}"
        for module in MODULES
        if _part(_name(module)) == "core"
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
    ]
    assert not asked


def test_vision_and_adapters_never_meet_but_in_app() -> None:
    for name, rule in RULES.items():
        if name not in ("app", "demo"):
            assert not {part for part in rule.parts if part.startswith("adapters")}, name


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_module_length_is_within_the_ceiling(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES_MAX


def _functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, the docstring left away: text is not what makes code hard to follow."""
    assert function.end_lineno is not None
    total = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        assert first.end_lineno is not None
        total -= first.end_lineno - first.lineno + 1
    return total


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_functions_stay_small(module: Path) -> None:
    long = {f"{each.name}:{each.lineno}": _code_lines(each) for each in _functions(module)}
    assert not {name: lines for name, lines in long.items() if lines > FUNCTION_LINES_MAX}


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_functions_take_few_parameters(module: Path) -> None:
    if _part(_name(module)) == "cli":
        pytest.skip("a command takes as many options as it takes")
    many = {}
    for each in _functions(module):
        taken = [*each.args.posonlyargs, *each.args.args, *each.args.kwonlyargs]
        count = len([argument for argument in taken if argument.arg not in ("self", "cls")])
        if count > PARAMETERS_MAX:
            many[f"{each.name}:{each.lineno}"] = count
    assert not many


def _makes_grants(module: Path) -> list[int]:
    """Lines that call `Grant`, copy one, or rename it so that a call would not show."""
    lines = []
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            inside = ast.unparse(called)
            copied = name == "replace" and any("grant" in ast.unparse(each) for each in node.args[:1])
            if name == "Grant" or copied or inside.startswith("Grant.") or ".Grant." in inside:
                lines.append(node.lineno)
        elif isinstance(node, ast.ImportFrom):
            lines += [node.lineno for alias in node.names if alias.name == "Grant" and alias.asname]
    return lines


def test_grant_is_made_in_policy_and_nowhere_else() -> None:
    makers = {_name(module) for module in MODULES if _makes_grants(module)}
    assert makers == {"core.policy"}


def test_no_class_has_a_finaliser() -> None:
    assert not [
        f"{_name(module)}:{each.lineno}"
        for module in MODULES
        for each in _functions(module)
        if each.name == "__del__"
    ]


def test_cli_import_loads_no_hardware_library_interpreter_or_store(untraced: dict[str, str]) -> None:
    code = f"import doorguard.cli.main, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=untraced, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
