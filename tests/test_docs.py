"""The documents say what is so: links lead somewhere, the map is the tree, numbers are computed again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from doorguard import errors
from doorguard.config import Settings
from doorguard.core.threshold import ThresholdTable, door_threshold
from doorguard.daemon.roster import match_rules
from doorguard.vision.profile import shipped_profile

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "doorguard").rglob("*.md"))


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table_rows(text: str, head: str) -> list[list[str]]:
    """Cells of the table whose heading line begins so."""
    after = text[text.index(head) :].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in after]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [
        target for target in targets if "://" not in target and not (page.parent / target).resolve().exists()
    ]
    assert not broken


# Architecture


def listed_modules() -> Iterator[str]:
    """Dotted names out of the layout, by indentation: package, `subpackage: modules`, modules."""
    text = text_of("docs/architecture.md")
    block = re.search(r"```\ndoorguard/\n(.*?)```", text, re.DOTALL)
    assert block
    package = sub = ""
    for line in block[1].splitlines():
        depth = len(line) - len(line.lstrip())
        if depth == 2 and (match := re.match(r"  (\w+)/", line)):
            package, sub = f"{match[1]}.", ""
            continue
        if match := re.match(r"    (\w+)/:", line):
            sub = f"{match[1]}."
            line = line[match.end() :]
        elif depth == 2:
            package = sub = ""
        for name in line.split():
            yield f"{package}{sub}{name}"


def test_layout_lists_every_module_and_no_other() -> None:
    package = ROOT / "doorguard"
    there = {
        ".".join(module.relative_to(package).with_suffix("").parts)
        for module in package.rglob("*.py")
        if module.stem != "__init__"
    }
    assert set(listed_modules()) == there


def test_tau_table_is_what_the_defaults_give() -> None:
    settings = Settings()
    table = ThresholdTable(shipped_profile(settings.vision.encoder).tau)
    rows = table_rows(text_of("docs/architecture.md"), "| enabled templates T |")
    for templates, *shown in rows:
        found = door_threshold(table, match_rules(settings), int(templates))
        assert found.fnmr is not None
        assert shown == [f"{found.fmr:.1e}", f"{found.tau:.3f}", found.kind, f"{found.fnmr:.0%}"]


# Models


def test_models_page_repeats_the_profiles_table() -> None:
    entries = shipped_profile(Settings().vision.encoder).tau
    rows = table_rows(text_of("docs/models.md"), "| FMR | tau |")
    shown = [(float(fmr), float(tau), float(fnmr.split()[0]), kind) for fmr, tau, fnmr, kind in rows]
    told = [(entry.fmr, entry.tau, round(entry.fnmr * 100, 1), entry.kind) for entry in entries]
    assert sorted(shown) == sorted(told)


def test_models_page_counts_the_profiles_comparisons() -> None:
    entry = shipped_profile(Settings().vision.encoder).tau[0]
    text = text_of("docs/models.md")
    assert f"{entry.impostor_comparisons:,}" in text
    assert f"{entry.genuine_comparisons:,}" in text


# Commands


def shell_lines() -> Iterator[tuple[str, list[str]]]:
    """Every command of ours in a shell block, as its words."""
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0].rpartition("/")[2] == "doorguard":
                    yield str(page.relative_to(ROOT)), words[1:]


def test_commands_in_the_documents_exist() -> None:
    import typer

    from doorguard.cli.main import app

    unknown = []
    for page, words in shell_lines():
        command: object = typer.main.get_command(app)
        for word in words:
            children = getattr(command, "commands", None)
            if children is None or word.startswith("-"):
                break
            if word not in children:
                unknown.append(f"{page}: {' '.join(words)}")
                break
            command = children[word]
        options = {name for each in getattr(command, "params", []) for name in each.opts}
        used = {word.split("=")[0] for word in words if word.startswith("--")} - {"--help", "--version"}
        unknown += [f"{page}: {' '.join(words)}: {name}" for name in used - options]
    assert not unknown


def test_readme_names_the_two_commands_first() -> None:
    first_screen = "\n".join(text_of("README.md").splitlines()[:12])
    assert "python3 tools/dev.py demo" in first_screen
    assert "python3 tools/dev.py test" in first_screen


def test_readme_states_the_promise_with_its_limits() -> None:
    text = " ".join(text_of("README.md").split())
    assert "A stranger unrelated to and not chosen to resemble a resident is expected to be accepted" in text
    assert "in at most 1 of 10,000 attempts" in text
    assert "relatives, twins, children and people of like origin, age and sex more often" in text
    assert "a photograph is another matter" in text
    assert "armv7l is out of scope" in text


def test_cli_page_lists_every_exit_code() -> None:
    text = text_of("docs/cli.md")
    codes = {int(code) for code in re.findall(r"^\| *`?(\d+)`? *\|", text, re.MULTILINE)}
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    used = {each.exit_code for each in classes if issubclass(each, errors.DoorguardError)}
    assert {errors.OK, errors.DENIED, *used} <= codes
