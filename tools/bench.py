"""Measure this machine: stages, whole frame, comparison, start-up, memory, a still scene.

::

    python3 tools/dev.py bench            # a table
    python3 tools/dev.py bench --json     # the same numbers for programs

A measurement, not a test: it always ends well. The frame is 640×480 with one face, rendered from a bundled
photograph, and goes through the daemon's own guard: fresh? other? moved? detect, track, landmarks, align,
quality, encode, compare with 100 templates, decide. Everything in the top level of the JSON is one thread
pinned to one core; `all_threads` repeats the frame with every core. Start-up, memory and the still scene
are those of `doorguard run` on the simulated camera, whose own drawing is part of the figures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench_frames import RATE_HZ, SIZES, STAGES, Numbers, measure_frames

STARTS = 3

CEILINGS = {
    "frame_ms.p50": 6.0,
    "overhead_ratio": 0.40,
    "compare_ms.10000": 1.0,
    "ready_s": 2.0,
    "rss_mb": 200.0,
    "still_cpu_ratio": 0.05,
}
"""Upper limits on one x86 core, from the project's plan."""


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tools/bench.py", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--frames", type=int, default=400, metavar="N", help="frames to measure (400)")
    parser.add_argument(
        "--seconds", type=float, default=20.0, metavar="S", help="length of the still scene (20)"
    )
    parser.add_argument("--child", type=int, metavar="THREADS", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.child:
        print(json.dumps(measure_frames(chosen.frames, chosen.child)))
        return 0
    found = measure(chosen.frames, chosen.seconds)
    print(json.dumps(found, indent=2) if chosen.json else as_table(found))
    return 0


def measure(frames: int, seconds: float) -> Numbers:
    """Measure everything, each part in a process of its own."""
    cores = len(os.sched_getaffinity(0))
    one, every = (_in_child(frames, threads) for threads in (1, min(cores, 16)))
    starts = [_run_daemon(0.0) for _ in range(STARTS - 1)] + [_run_daemon(seconds)]
    last = starts[-1]
    return {
        **one,
        "ready_s": round(statistics.median(start["ready_s"] for start in starts), 3),
        "rss_mb": last["rss_mb"],
        "still_cpu_ratio": last["cpu_ratio"],
        "all_threads": every,
        "machine": {"cpu": _cpu_name(), "cores": cores, "python": platform.python_version()},
    }


def _in_child(frames: int, threads: int) -> Numbers:
    """Measure frames in a fresh process, since libraries fix their threads when they are loaded."""
    pools = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(threads), "--frames", str(frames)],
        env={**os.environ, **pools},
        stdout=subprocess.PIPE,
        check=True,
    )
    numbers: Numbers = json.loads(done.stdout.splitlines()[-1])
    return numbers


# The daemon


def _run_daemon(seconds: float) -> Numbers:
    """Start `doorguard run` on a still scene, wait until it is ready, watch it for so long, stop it."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(f"{folder}/notify")
        notify.settimeout(60)
        config = Path(folder) / "doorguard.yaml"
        config.write_text(
            f"camera: {{kind: simulated, source: still, rate_hz: {RATE_HZ}}}\n", encoding="utf-8"
        )
        env = {
            **os.environ,
            "NOTIFY_SOCKET": f"{folder}/notify",
            "DOORGUARD_CONFIG": str(config),
            "DOORGUARD_STATE_DIR": f"{folder}/state",
            "DOORGUARD_RUNTIME_DIR": f"{folder}/run",
        }
        began = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "doorguard", "run"], env=env, stderr=subprocess.DEVNULL
        ) as daemon:
            try:
                while b"READY=1" not in notify.recv(4096):
                    pass
                ready_s = time.monotonic() - began
                threading.Thread(target=_drain, args=(notify,), daemon=True).start()
                numbers = _watch(daemon.pid, seconds) if seconds else {}
            finally:
                daemon.terminate()
    return {"ready_s": ready_s, **numbers}


def _drain(notify: socket.socket) -> None:
    """Go on reading what the daemon tells, as a service manager does."""
    with contextlib.suppress(OSError):
        while True:
            notify.recv(4096)


def _watch(pid: int, seconds: float) -> Numbers:
    """Return the share of one core and the resident memory of a process."""
    time.sleep(min(2.0, seconds))  # past the first looks, which a camera's first frames always get
    used_s, began = _cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    ratio = (_cpu_s(pid) - used_s) / (time.monotonic() - began)
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {"cpu_ratio": round(ratio, 4), "rss_mb": round(int(status["VmRSS"].split()[0]) / 1024, 1)}


def _cpu_s(pid: int) -> float:
    """Seconds of processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cpu_name() -> str:
    """Return the processor's name; a Pi names its board instead."""
    board = Path("/proc/device-tree/model")
    if board.exists():
        return board.read_text().strip("\0\n")
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


# For people


def as_table(found: Numbers) -> str:
    """Lay the numbers out, the ceilings beside them."""
    every = found["all_threads"]
    machine = found["machine"]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {found['runtime']}",
        "",
        f"{'milliseconds':28}{'1 thread':>20}{str(every['threads']) + ' threads':>20}",
        f"{'':28}{'p50':>10}{'p99':>10}{'p50':>10}{'p99':>10}",
    ]
    rows = [(name, found["stage_ms"][name], every["stage_ms"][name]) for name in STAGES]
    for size in map(str, SIZES):
        pair = [
            {"p50": part["compare_ms"][size], "p99": part["compare_p99_ms"][size]} for part in (found, every)
        ]
        rows.append((f"compare, {int(size):,} templates", pair[0], pair[1]))
    rows.append(("the three interpreter calls", found["interpreter_ms"], every["interpreter_ms"]))
    rows.append(("whole frame", found["frame_ms"], every["frame_ms"]))
    for name, one, all_ in rows:
        cells = (one["p50"], one["p99"], all_["p50"], all_["p99"])
        lines.append(f"{name:28}" + "".join(f"{cell:>10.3f}" for cell in cells))
    lines += ["", *(_against(found, key, ceiling) for key, ceiling in CEILINGS.items())]
    return "\n".join(lines)


def _against(found: Numbers, key: str, ceiling: float) -> str:
    value: Any = found
    for part in key.split("."):
        value = value[part]
    return f"{'✓' if value <= ceiling else '✗'} {key:22}{value:>10.3f}   ceiling {ceiling:g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
