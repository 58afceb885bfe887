"""Encode folders of photographs: every core, one interpreter each, and nothing twice."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

from doorguard.errors import ModelError
from doorguard.lab.recipe import Recipe
from doorguard.lab.worker import Sample, Shot, Worker

Progress = Callable[[int, int], None]
"""Told how many are done, of how many."""

_CHUNK = 16
"""Pictures handed to a process at a time: a tenth of a second's work, so that the bar moves."""
_WORTH_A_PROCESS = 48
"""Pictures that take about as long as starting a process with its models."""


class Cache(Protocol):
    """Keeps samples between runs (`lab.cache`)."""

    def get(self, shot: Shot, digest: str) -> Sample | None:
        """Return what was kept of this picture under this change."""
        ...

    def put(self, shots: Sequence[Shot], samples: Sequence[Sample]) -> None:
        """Keep samples; a picture that could not be read is not kept."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """How `encode_all` goes about it.

    Parameters
    ----------
    cache : None computes everything anew and keeps nothing.
    progress : called from time to time with (done, total).
    processes : how many at most; None for one per core this process may use.

    """

    cache: Cache | None = None
    progress: Progress = lambda done, total: None
    processes: int | None = None


def encode_all(shots: Sequence[Shot], recipe: Recipe, work: Work) -> list[Sample]:
    """Encode pictures, in the order given.

    Raises
    ------
    ModelError : a model cannot be loaded, or a worker process died.
    StoreError : the cache cannot be used.

    """
    digests = [_digest(shot.path) for shot in shots]
    samples: list[Sample | None] = [
        work.cache.get(shot, digest) if work.cache is not None and digest else None
        for shot, digest in zip(shots, digests, strict=True)
    ]
    missing = [index for index, sample in enumerate(samples) if sample is None]
    done = len(shots) - len(missing)
    work.progress(done, len(shots))
    chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
    tasks = [[(shots[index], digests[index]) for index in chunk] for chunk in chunks]
    for chunk, made in zip(chunks, _encode_chunks(tasks, recipe, work.processes), strict=True):
        if work.cache is not None:
            work.cache.put([shots[index] for index in chunk], made)
        for index, sample in zip(chunk, made, strict=True):
            samples[index] = sample
        done += len(chunk)
        work.progress(done, len(shots))
    return [sample for sample in samples if sample is not None]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


_Task = list[tuple[Shot, str]]


def _encode_chunks(tasks: Sequence[_Task], recipe: Recipe, processes: int | None) -> Iterator[list[Sample]]:
    """Yield each task's samples in order, from as many processes as are worth starting."""
    available = processes or len(os.sched_getaffinity(0))
    wanted = min(available, -(-len(tasks) * _CHUNK // _WORTH_A_PROCESS))
    if wanted <= 1:
        worker = Worker(recipe) if tasks else None
        yield from ([worker.encode(*each) for each in task] for task in tasks if worker is not None)
        return
    # Forked processes would share the locks of whatever threads the libraries have started: spawn.
    pool = ProcessPoolExecutor(wanted, get_context("spawn"), initializer=_start_worker, initargs=(recipe,))
    try:
        yield from pool.map(_encode_in_worker, tasks)
    except BrokenProcessPool as error:
        raise ModelError("a process that encodes pictures died (out of memory?); try again") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_WORKER: list[Worker] = []


def _start_worker(recipe: Recipe) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it and ends the pool
    _WORKER[:] = [Worker(recipe)]


def _encode_in_worker(task: _Task) -> list[Sample]:
    return [_WORKER[0].encode(*each) for each in task]
