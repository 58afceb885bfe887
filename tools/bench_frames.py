"""The frame's part of the bench: stages, whole frame through the daemon's own guard, comparison by size."""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doorguard.core.gallery import Gallery
    from doorguard.core.model import Image, ModelId

WARM_UP = 40
STAGES = ("detect", "landmarks", "align", "quality", "encode")
SIZES = (1, 100, 10_000)
GALLERY = 100
RATE_HZ = 15.0
FACE_SHARE = 0.31
"""Width of the face over the frame's height: about 150 pixels, half an arm's length inside the door."""

Numbers = dict[str, Any]


def measure_frames(frames: int, threads: int) -> Numbers:
    """Time whole frames, their stages and the comparison, with so many threads."""
    from doorguard.config import Settings
    from doorguard.vision import pipeline
    from doorguard.vision.pipeline import FacePipeline

    if threads == 1:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    calls = _timed_interpreters(pipeline)
    settings = Settings.model_validate({"vision": {"threads": threads}})
    vision = FacePipeline.open(settings)
    pictures = _render()
    whole, inside, stages = _time_guard(vision, settings, pictures, frames, calls)
    compare = {str(size): _time_compare(vision.model_id, size) for size in SIZES}
    return {
        "frame_ms": _spread(whole),
        "overhead_ratio": round(1 - statistics.median(i / w for i, w in zip(inside, whole, strict=True)), 3),
        "interpreter_ms": _spread(inside),
        "stage_ms": {name: _spread([stage[name] for stage in stages]) for name in (*STAGES, "compare")},
        "compare_ms": {size: spread["p50"] for size, spread in compare.items()},
        "compare_p99_ms": {size: spread["p99"] for size, spread in compare.items()},
        "threads": threads,
        "runtime": vision.runtime_name,
        "frames": frames,
    }


def _timed_interpreters(pipeline: Any) -> list[float]:
    """Have the pipeline's interpreters add the milliseconds of each call to the list returned."""
    calls: list[float] = []
    opened = pipeline.open_interpreter

    def open_timed(*arguments: Any) -> Any:
        interpreter = opened(*arguments)
        run = interpreter.run

        def timed(array: Any) -> Any:
            began = time.perf_counter()
            result = run(array)
            calls.append((time.perf_counter() - began) * 1e3)
            return result

        interpreter.run = timed
        return interpreter

    pipeline.open_interpreter = open_timed
    return calls


def _render() -> list[Image]:
    """Render a person who sways before the door, for four seconds."""
    from doorguard.adapters.simulated.scene import Scene
    from doorguard.adapters.simulated.visits import Expected, Script, Visit, Walker

    way = ((0.0, -0.03, 0.41, FACE_SHARE), (1e3, -0.03, 0.41, FACE_SHARE))
    visit = Visit("stands", (Walker("obama-2009", way),), 1e3, Expected.NOTHING)
    scene = Scene(Script((visit,), pause_s=0.0), (640, 480))
    return [scene.render(index / RATE_HZ, index) for index in range(60)]


def _time_guard(
    vision: Any, settings: Any, pictures: Sequence[Image], frames: int, calls: list[float]
) -> tuple[list[float], list[float], list[dict[str, float]]]:
    """Return milliseconds of each whole frame, of the interpreter within it, and of its stages."""
    from doorguard.core.model import Frame
    from doorguard.daemon.lookout import Disposal

    whole, inside, stages = [], [], []
    with _guard(vision, settings) as (guard, clock):
        for sequence in range(1, WARM_UP + frames + 1):
            frame = Frame(pictures[sequence % len(pictures)].copy(), clock.monotonic(), sequence)
            calls.clear()
            began = time.perf_counter()
            disposal = guard.handle(frame)
            passed_ms = (time.perf_counter() - began) * 1e3
            guard.tick()
            if disposal is not Disposal.DECIDED or len(calls) != 3:
                raise SystemExit(f"frame {sequence} was not looked at: {disposal}, {len(calls)} calls")
            if sequence > WARM_UP:
                whole.append(passed_ms)
                inside.append(sum(calls))
                stages.append(dict(guard.view().stage_ms))
    return whole, inside, stages


@contextlib.contextmanager
def _guard(vision: Any, settings: Any) -> Iterator[tuple[Any, Any]]:
    """Put the daemon's guard together over a store of its own with `GALLERY` templates of strangers."""
    from doorguard.adapters.clock import SystemClock
    from doorguard.app import Resources, assemble, build_strike, open_store
    from doorguard.places import Places

    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        places = Places(None, Path(folder) / "state", Path(folder) / "run", system=False)
        strike = build_strike(settings, clock)
        with open_store(places, write=True, clock=clock) as store:
            encodings = [(vision.model_id, encoding) for encoding in _unit_vectors(GALLERY)]
            for index in range(0, GALLERY, 5):
                store.add_resident(f"Resident {index}", None, encodings[index : index + 5])
            daemon = assemble(settings, Resources(vision, store, strike, clock, lambda face, image: None))
            daemon.guard.reload()
            yield daemon.guard, clock
        strike.close()


def _unit_vectors(count: int) -> Any:
    import numpy as np

    vectors = np.random.default_rng(1).standard_normal((count, 128), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _time_compare(model_id: ModelId, size: int) -> dict[str, float]:
    """Time one probe against a gallery of so many residents with one template each."""
    gallery = _gallery(model_id, size)
    probes = _unit_vectors(size + 200)[-200:]
    for probe in probes:
        gallery.compare(probe)
    return _spread([_ms(gallery.compare, probe) for probe in probes])


def _gallery(model_id: ModelId, size: int) -> Gallery:
    from datetime import UTC, datetime

    from doorguard.core.gallery import Gallery, Space
    from doorguard.core.model import ResidentId, Template

    made = datetime(2026, 1, 1, tzinfo=UTC)
    gallery, faults = Gallery.build(
        [
            Template(index, ResidentId(f"{index:016x}"), model_id, encoding, made)
            for index, encoding in enumerate(_unit_vectors(size))
        ],
        Space(model_id, 128),
    )
    if faults:
        raise SystemExit(f"{len(faults)} templates of the bench are unusable")
    return gallery


def _ms(work: Callable[[Any], object], argument: Any) -> float:
    began = time.perf_counter()
    work(argument)
    return (time.perf_counter() - began) * 1e3


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the 99th percentile, milliseconds."""
    ordered = sorted(values)
    p99 = ordered[min(round(0.99 * (len(ordered) - 1)), len(ordered) - 1)]
    return {"p50": round(statistics.median(ordered), 4), "p99": round(p99, 4)}
