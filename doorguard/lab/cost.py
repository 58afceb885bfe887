"""What an encoder costs: file, multiply-adds, time and memory, measured in a process of its own."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from doorguard.errors import ModelError
from doorguard.lab.recipe import Recipe
from doorguard.vision.encoder import Encoder
from doorguard.vision.interpreter import count_multiply_adds, open_interpreter
from doorguard.vision.profile import DETECTOR, verify_digest

_RUNS = 100
_WARM_UP = 10


@dataclass(frozen=True, slots=True)
class Cost:
    """What one encoder costs.

    Parameters
    ----------
    file_bytes : of the TFLite file.
    multiply_adds : of one run, from the graph.
    encode_ms : median of one encoding on one thread, preparing the pixels included.
    memory_bytes : by how much the process grew with the model loaded and used.

    """

    file_bytes: int
    multiply_adds: int
    encode_ms: float
    memory_bytes: int

    def as_json(self) -> dict[str, object]:
        """JSON values."""
        return {
            "file_bytes": self.file_bytes,
            "multiply_adds": self.multiply_adds,
            "encode_ms": round(self.encode_ms, 3),
            "memory_bytes": self.memory_bytes,
        }


def cost_apart(recipe: Recipe) -> Cost:
    """Measure in a process that does nothing else, so that no other model's memory counts.

    Raises `ModelError`.
    """
    pool = ProcessPoolExecutor(1, get_context("spawn"))
    try:
        return pool.submit(measure_cost, recipe).result()
    except BrokenProcessPool as error:
        raise ModelError("the process that measures an encoder died (out of memory?); try again") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def measure_cost(recipe: Recipe) -> Cost:
    """Measure here; raises `ModelError`."""
    profile, runtime = recipe.profile, recipe.settings.runtime
    content = verify_digest(profile.path, profile.sha256)
    multiply_adds = count_multiply_adds(content, runtime)
    # The interpreter's own library is loaded with another model before memory is looked at.
    open_interpreter(DETECTOR.read(), runtime, 1)
    before = _resident_bytes()
    encoder = Encoder(open_interpreter(content, runtime, 1), profile)
    side = profile.input_size
    crop = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    spent = []
    for _ in range(_WARM_UP + _RUNS):
        began = perf_counter()
        encoder.encode(crop)
        spent.append((perf_counter() - began) * 1e3)
    grown = max(_resident_bytes() - before, 0)
    return Cost(len(content), multiply_adds, median(spent[_WARM_UP:]), grown)


def _resident_bytes() -> int:
    """Return the memory of this process that lies in RAM (Linux, proc(5))."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
