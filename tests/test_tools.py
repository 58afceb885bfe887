"""The tools' own rules: coverage floors, when to install again, what the bench promises to programs."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def load(root: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", root / "tools" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def dev(root: Path) -> ModuleType:
    return load(root, "dev")


def covered(lines: int, branches: int) -> dict[str, Any]:
    """A file of 100 statements and 100 branches, so many of them run."""
    return {
        "summary": {
            "covered_lines": lines,
            "num_statements": 100,
            "covered_branches": branches,
            "num_branches": 100,
        }
    }


# dev.py


def test_coverage_at_its_floors_is_enough(dev: ModuleType) -> None:
    dev.hold_coverage(
        {"doorguard/core/policy.py": covered(100, 100), "doorguard/daemon/guard.py": covered(90, 90)}
    )


@pytest.mark.parametrize(
    ("name", "lines", "branches", "package"),
    [
        ("doorguard/core/policy.py", 100, 99, "core"),
        ("doorguard/core/policy.py", 99, 100, "core"),
        ("doorguard/daemon/guard.py", 100, 89, "daemon"),
        ("doorguard/config.py", 89, 100, "top"),
    ],
)
def test_coverage_below_a_floor_fails_by_the_packages_name(
    dev: ModuleType, name: str, lines: int, branches: int, package: str
) -> None:
    with pytest.raises(dev.Failed, match=package):
        dev.hold_coverage({name: covered(lines, branches)})


def test_environment_made_once_is_not_made_again(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = dev.Environment(str(tmp_path / "venv"))
    env.python.parent.mkdir(parents=True)
    env.python.symlink_to(sys.executable)
    stamp = {"of": env._fingerprint(), "extras": ["dev"], "python": sys.version}
    env.stamp.write_text(json.dumps(stamp), encoding="utf-8")
    monkeypatch.setattr(dev, "run", lambda *_, **__: pytest.fail("it installed again"))
    env.need(set())
    env.need({"dev"})


def test_environment_of_changed_requirements_is_installed_again(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = dev.Environment(str(tmp_path / "venv"))
    env.python.parent.mkdir(parents=True)
    env.python.symlink_to(sys.executable)
    env.stamp.write_text(
        json.dumps({"of": "older", "extras": ["dev"], "python": sys.version}), encoding="utf-8"
    )
    commands: list[list[str]] = []
    monkeypatch.setattr(dev, "run", lambda arguments, **_: commands.append(arguments))
    env.need(set())
    (installed,) = commands
    assert installed[-1].endswith("[dev]"), "what was installed before stays"
    assert json.loads(env.stamp.read_text(encoding="utf-8"))["of"] == env._fingerprint()


def test_environment_whose_making_was_interrupted_is_made_anew(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = dev.Environment(str(tmp_path / "venv"))
    commands: list[list[str]] = []
    monkeypatch.setattr(
        dev,
        "run",
        lambda arguments, **_: (env.folder.mkdir(), commands.append(arguments)) if not commands else None,
    )
    env.need({"dev"})
    assert commands[0][1:4] == ["-m", "venv", "--clear"]


def test_failing_command_ends_with_one_line_and_exit_one(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: object) -> None:
        raise dev.Failed("ruff check: failed (exit 1)")

    monkeypatch.setattr(dev, "check", fails)
    assert dev.main(["check"]) == 1
    assert capsys.readouterr().err == "✗ ruff check: failed (exit 1)\n"


def test_oldest_set_names_every_dependency_at_its_lower_bound(dev: ModuleType, root: Path) -> None:
    lines = (root / ".ci" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    project = dev._project()
    for text in project["dependencies"]:
        name, bound = re.match(r"([a-z0-9-]+)>=([0-9.]+)", text).groups()  # type: ignore[union-attr]
        pinned = pins[name]
        assert pinned == bound or pinned.startswith(f"{bound}."), f"{name}: {pinned} is not {bound}"


# bench.py


def test_bench_gives_programs_the_numbers_it_promises(root: Path, untraced: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, root / "tools" / "bench.py", "--json", "--frames", "20", "--seconds", "0.5"],
        env=untraced,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert set(found["frame_ms"]) == {"p50", "p99"}
    assert set(found["compare_ms"]) == {"1", "100", "10000"}
    assert 0 < found["overhead_ratio"] < 1
    for name in ("ready_s", "rss_mb", "still_cpu_ratio"):
        assert found[name] > 0, name
    assert found["threads"] == 1
    assert found["all_threads"]["frame_ms"]["p50"] > 0
    table = load(root, "bench").as_table(found)
    for words in ("detect", "whole frame", "compare, 10,000 templates", "ceiling"):
        assert words in table
