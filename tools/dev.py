"""Make what a command needs, then run it: demo, test, check, resolve, bench.

Standard library only, so that a fresh clone and a plain Python are enough::

    python3 tools/dev.py demo
    python3 tools/dev.py test [--set newest|oldest|all] [pytest arguments]
    python3 tools/dev.py check
    python3 tools/dev.py resolve
    python3 tools/dev.py bench [--json]

The first run makes a virtual environment beside this folder and installs the package into it; later runs
start at once, until pyproject.toml or the Python changes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OLDEST = ROOT / ".ci" / "oldest.txt"
PYTHON_MIN = (3, 11)
OLDEST_PYTHON = (3, 11)
TARGETS = {(3, 11): 36, (3, 13): 41}
"""Python and glibc 2.x of 64-bit Pi OS Bookworm and Trixie."""
NOT_FOR_THE_PI = {"build", "train"}
"""Extras of gigabytes for the machine that makes encoders; a door needs none of them."""
CORE_MIN = 100
REST_MIN = 90
"""Lowest line and branch coverage in percent, of `core/` and of every other package."""


class Failed(Exception):
    """A step did not succeed; the text says which and what to do."""


def say(text: str) -> None:
    """Print one progress line."""
    print(f"· {text}", flush=True)


def run(arguments: list[str], *, what: str, env: dict[str, str] | None = None) -> None:
    """Run one step, with its time; raises `Failed`."""
    started = time.monotonic()
    say(what)
    done = subprocess.run(
        arguments, cwd=ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        raise Failed(f"{what}: failed (exit {done.returncode})")
    say(f"{what}: ok, {time.monotonic() - started:.1f} s")


class Environment:
    """A virtual environment that holds the package and some of its extras."""

    def __init__(self, name: str, *, interpreter: str = sys.executable, limits: Path | None = None) -> None:
        self.folder = ROOT / name
        self.interpreter = interpreter
        self.limits = limits
        self.python = self.folder / "bin" / "python"
        self.stamp = self.folder / "doorguard-stamp.json"

    def need(self, extras: set[str]) -> None:
        """Install the package with these extras, unless that was done before."""
        wanted, held = self._fingerprint(), self._held()
        if held["of"] == wanted and extras <= set(held["extras"]) and self.python.exists():
            return
        extras = extras | set(held["extras"])
        if held["python"] != self._python_of(self.interpreter) or not self._has_pip():
            self._make()
        self.stamp.unlink(missing_ok=True)
        pip = [str(self.python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        if self.limits:
            pip += ["--constraint", str(self.limits)]
        package = f"{ROOT}[{','.join(sorted(extras))}]" if extras else str(ROOT)
        run([*pip, "--editable", package], what=f"installing the package into {self.folder.name} (once)")
        made = {"of": wanted, "extras": sorted(extras), "python": self._python_of(self.interpreter)}
        self.stamp.write_text(json.dumps(made), encoding="utf-8")

    def run(self, *arguments: str, what: str, env: dict[str, str] | None = None) -> None:
        """Run this environment's Python with the arguments, as one step."""
        run([str(self.python), *arguments], what=what, env=env)

    def _make(self) -> None:
        try:
            run(
                [self.interpreter, "-m", "venv", "--clear", str(self.folder)],
                what=f"making the virtual environment {self.folder.name}",
            )
        except Failed as error:
            hint = "on Debian and Raspberry Pi OS: sudo apt install python3-venv, then run this again"
            raise Failed(f"{error}; {hint}") from error

    def _has_pip(self) -> bool:
        """Whether a whole environment stands there; one whose making was interrupted has no pip."""
        asked = [str(self.python), "-c", "import pip"]
        return (
            self.python.exists() and subprocess.run(asked, check=False, capture_output=True).returncode == 0
        )

    def _fingerprint(self) -> str:
        """Name what the environment is made from; an editable install also depends on the place."""
        digest = hashlib.sha256(f"{self._python_of(self.interpreter)}\n{ROOT}\n".encode())
        for file in (ROOT / "pyproject.toml", self.limits):
            digest.update(file.read_bytes() if file else b"")
        return digest.hexdigest()

    def _held(self) -> dict[str, Any]:
        """Return what the stamp says; without one, an environment somebody else made counts as ours."""
        try:
            held = json.loads(self.stamp.read_text(encoding="utf-8"))
            return {"of": held["of"], "extras": held["extras"], "python": held["python"]}
        except (OSError, ValueError, KeyError, TypeError):
            return {"of": "", "extras": [], "python": self._python_of(self.interpreter)}

    @staticmethod
    def _python_of(interpreter: str) -> str:
        if interpreter == sys.executable:
            return sys.version
        asked = [interpreter, "-c", "import sys; print(sys.version, end='')"]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


def newest() -> Environment:
    """The newest release of everything pyproject.toml allows."""
    return Environment(".venv")


def oldest() -> Environment:
    """The oldest one, with both makes of the interpreter; Python 3.11 alone has wheels for all of it."""
    interpreter = sys.executable if sys.version_info[:2] == OLDEST_PYTHON else shutil.which("python3.11")
    if interpreter is None:
        raise Failed("the oldest dependency set needs python3.11 (NumPy 1.24, tflite-runtime); install it")
    return Environment(".venv-oldest", interpreter=interpreter, limits=OLDEST)


def check(env: Environment) -> None:
    """Lint, format, types."""
    env.need({"dev"})
    env.run("-m", "ruff", "check", ".", what="ruff check")
    env.run("-m", "ruff", "format", "--check", ".", what="ruff format")
    env.run("-m", "mypy", what="mypy --strict, the package")
    env.run("-m", "mypy", "tools", what="mypy --strict, the tools")


def test_newest(extra: list[str]) -> None:
    """Lint, types, every test, and the coverage gates (not with arguments that choose tests)."""
    env = newest()
    check(env)
    if extra:
        env.run("-m", "pytest", *extra, what="tests chosen by hand")
        return
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        cover = ["--cov", "--cov-report=", f"--cov-report=json:{report}"]
        env.run("-m", "pytest", *cover, what="tests, newest dependencies")
        hold_coverage(json.loads(report.read_text(encoding="utf-8"))["files"])


def test_oldest(extra: list[str]) -> None:
    """Every test on the oldest dependencies, once on each make of the interpreter."""
    env = oldest()
    env.need({"dev", "tflite-runtime"})
    for runtime in ("litert", "tflite-runtime"):
        chosen = {"DOORGUARD_TEST_RUNTIME": runtime}
        env.run("-m", "pytest", *extra, what=f"tests, oldest dependencies, {runtime}", env=chosen)


def hold_coverage(files: dict[str, Any]) -> None:
    """Print line and branch coverage of each package; raises `Failed` below the project's floor."""
    totals: dict[str, list[int]] = {}
    for name, file in files.items():
        package = Path(name).parts[1] if len(Path(name).parts) > 2 else "(top)"
        found = file["summary"]
        one = (found["covered_lines"], found["num_statements"])
        two = (found["covered_branches"], found["num_branches"])
        totals[package] = [a + b for a, b in zip(totals.get(package, [0] * 4), one + two, strict=True)]
    low = []
    for package, (lines, all_lines, branches, all_branches) in sorted(totals.items()):
        line_share, branch_share = 100 * lines / max(all_lines, 1), 100 * branches / max(all_branches, 1)
        share = min(line_share, branch_share if all_branches else 100.0)
        floor = CORE_MIN if package == "core" else REST_MIN
        say(
            f"coverage {package:9} lines {line_share:5.1f} %  branches {branch_share:5.1f} %  floor {floor} %"
        )
        low += [package] if share < floor else []
    if low:
        raise Failed(f"coverage is below the floor in: {', '.join(low)}")


def resolve() -> None:
    """Prove that wheels of everything exist for 64-bit Pi OS; nothing is downloaded for keeps."""
    env = newest()
    env.need({"dev"})
    project = _project()
    for python, glibc in TARGETS.items():
        for extra in ["", *(each for each in project["optional-dependencies"] if each not in NOT_FOR_THE_PI)]:
            if extra == "tflite-runtime" and python != OLDEST_PYTHON:
                say(f"aarch64, Python 3.{python[1]}, [{extra}]: left out, 2.14, its last, ends at 3.11")
                continue
            _resolve_one(env, python, glibc, extra=extra, project=project)


def _resolve_one(
    env: Environment, python: tuple[int, int], glibc: int, *, extra: str, project: dict[str, Any]
) -> None:
    """Let pip choose wheels as a Pi with that Python and C library would."""
    wanted = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    # pip reads markers with the Python it runs on, not with the one asked for: leave them away.
    plain = [text.split(";")[0].strip() for text in wanted]
    tags = ["linux_aarch64", "manylinux2014_aarch64"]
    tags += [f"manylinux_2_{minor}_aarch64" for minor in range(17, glibc + 1)]
    env.run(
        *("-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--no-input"),
        *("--target", str(env.folder / "nowhere")),  # older pips choose for another platform only with it
        *("--disable-pip-version-check", "--only-binary=:all:", f"--python-version=3.{python[1]}"),
        *(f"--platform={tag}" for tag in tags),
        *plain,
        what=f"aarch64, Python 3.{python[1]}, {f'[{extra}]' if extra else 'base'}: wheels for all",
    )


def _project() -> dict[str, Any]:
    import tomllib

    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def hand_over(*arguments: str) -> None:
    """Become the given command, so that its terminal, signals and exit code are its own."""
    env = newest()
    env.need(set())
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execv(str(env.python), [str(env.python), *arguments])  # noqa: S606  no shell is wanted


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tools/dev.py", description="Work on doorguard.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("demo", help="watch visits to a simulated door (arguments as doorguard demo)")
    commands.add_parser("bench", help="measure (arguments as tools/bench.py)")
    commands.add_parser("check", help="lint and types only")
    commands.add_parser("resolve", help="prove that a Pi finds wheels for every dependency")
    test = commands.add_parser("test", help="everything; further arguments go to pytest")
    test.add_argument("--set", choices=("newest", "oldest", "all"), default="newest", dest="chosen")
    known, extra = parser.parse_known_args(arguments)
    if extra and known.command in ("check", "resolve"):
        parser.error(f"unknown arguments: {' '.join(extra)}")
    try:
        _dispatch(known, extra)
    except Failed as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    say("all good")
    return 0


def _dispatch(known: argparse.Namespace, extra: list[str]) -> None:
    if known.command == "demo":
        hand_over("-m", "doorguard", "demo", *extra)
    elif known.command == "bench":
        hand_over(str(ROOT / "tools" / "bench.py"), *extra)
    elif known.command == "check":
        check(newest())
    elif known.command == "resolve":
        resolve()
    else:
        if known.chosen in ("newest", "all"):
            test_newest(extra)
        if known.chosen in ("oldest", "all"):
            test_oldest(extra)


if __name__ == "__main__":
    if sys.version_info < PYTHON_MIN:
        sys.exit("doorguard needs Python 3.11 or newer; run it as: python3.11 tools/dev.py ...")
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
