"""Pictures of an evaluation: the DET curve, the two histograms, and the people behind the worst errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from doorguard.core.metrics import Scores
from doorguard.core.model import Image
from doorguard.errors import UsageError
from doorguard.lab.gallery import GalleryReport
from doorguard.lab.recipe import Recipe
from doorguard.lab.worker import Sample, Shot, Worker
from doorguard.vision.draw import save_png

WORST = 24
"""Pairs on a sheet."""
_TICKS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.4)
_CAPTION_PX = 34
_COLUMNS = 4


def plot_gallery(folder: Path, report: GalleryReport, recipe: Recipe) -> None:
    """Write `det.png`, `histograms.png`, `false-matches.png` and `misses.png`.

    The sheets show people of the set: keep them as private as the set is.

    Raises
    ------
    UsageError : matplotlib is missing, or the folder cannot be written.

    """
    plot_scores(folder, report.comparisons.scores, report.shipped.tau, str(report.rules.model_id))
    worker = Worker(recipe)
    for name, pairs in (("false-matches", _false_matches(report)), ("misses", _misses(report))):
        if pairs:
            save_png(folder / f"{name}.png", _sheet(pairs, worker))


def plot_scores(folder: Path, scores: Scores, tau: float, title: str) -> None:
    """Write `det.png` and `histograms.png` for some distances and one tau; raises as `plot_gallery`."""
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("--plot draws with matplotlib: pip install 'doorguard[lab]'") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, draw in (("det", _draw_det), ("histograms", _draw_histograms)):
            figure = Figure(figsize=(7, 5), layout="constrained")
            draw(figure.subplots(), scores, tau)
            figure.suptitle(title)
            figure.savefig(folder / f"{name}.png", dpi=120)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}") from error


def _draw_det(axes: Any, scores: Scores, tau: float) -> None:
    """Draw FNMR over FMR, both on normal-deviate axes: normal distances give a straight line."""
    _, fmr, fnmr = scores.det()
    inside = (fmr < 1) & (fnmr > 0) & (fnmr < 1)
    axes.plot(deviates(fmr[inside]), deviates(fnmr[inside]))
    point = scores.fmr(tau), scores.fnmr(tau)
    if all(0 < rate < 1 for rate in point):
        axes.plot(*deviates(np.array(point)).reshape(2, 1), "o", label=f"tau {tau:.4f}, as shipped")
        axes.legend()
    ticks = [rate for rate in _TICKS if rate >= 0.5 / len(scores.impostor)]
    axes.set_xticks(deviates(np.array(ticks)), [f"{rate:g}" for rate in ticks])
    ticks = [rate for rate in _TICKS if rate >= 1e-3]
    axes.set_yticks(deviates(np.array(ticks)), [f"{rate:g}" for rate in ticks])
    axes.set_xlabel("FMR")
    axes.set_ylabel("FNMR")
    axes.grid(alpha=0.3)


def _draw_histograms(axes: Any, scores: Scores, tau: float) -> None:
    finite = scores.genuine[np.isfinite(scores.genuine)]
    bins = np.linspace(0, max(float(scores.impostor[-1]), float(finite[-1])), 120)
    for values, name in ((finite, "same person"), (scores.impostor, "strangers")):
        axes.hist(values, bins=bins, density=True, alpha=0.6, label=f"{name}: {len(values):,}")
    axes.axvline(tau, color="black", linestyle="--", label=f"tau {tau:.4f}, as shipped")
    axes.set_xlabel("squared distance D")
    axes.set_ylabel("density")
    axes.legend()


def deviates(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where rates, between 0 and 1, stand on a normal-deviate axis."""
    normal = NormalDist()
    return np.array([normal.inv_cdf(rate) for rate in rates.tolist()])


_ShownPair = tuple[Sample, Sample, str]


def _false_matches(report: GalleryReport) -> list[_ShownPair]:
    impostors, persons = report.comparisons.impostors, report.comparisons.persons
    shown = []
    for one, two, distance in list(zip(impostors.first, impostors.second, impostors.distances, strict=True))[
        :WORST
    ]:
        left, right = persons[one], persons[two]
        caption = f"D {distance:.3f} {left.name} / {right.name}"
        shown.append((_first_usable(left.samples), _first_usable(right.samples), caption))
    return shown


def _first_usable(samples: Sequence[Sample]) -> Sample:
    return next(sample for sample in samples if sample.encoding is not None)


def _misses(report: GalleryReport) -> list[_ShownPair]:
    comparisons = report.comparisons
    distances = comparisons.genuine.distances
    last = int(np.searchsorted(distances, np.inf))
    shown = []
    for index in range(last - 1, max(last - 1 - WORST, -1), -1):
        if distances[index] <= report.shipped.tau:
            break
        person = comparisons.persons[comparisons.genuine.owners[index]]
        one, two = (person.samples[which] for which in comparisons.genuine_pictures[index])
        shown.append((one, two, f"D {distances[index]:.3f} {person.name}"))
    return shown


def _sheet(pairs: Sequence[_ShownPair], worker: Worker) -> Image:
    """Lay pairs of aligned crops out in columns, each with its caption."""
    tiles = []
    for one, two, caption in pairs:
        crops = [worker.observe(Shot(sample.path))[0] for sample in (one, two)]
        faces = np.hstack([seen.crop for seen in crops if seen is not None and seen.crop is not None])
        tile = np.full((faces.shape[0] + _CAPTION_PX, faces.shape[1] + 8, 3), 255, np.uint8)
        tile[: faces.shape[0], : faces.shape[1]] = faces
        for row, line in enumerate((caption[:38], caption[38:76])):
            place = (2, faces.shape[0] + 12 + 14 * row)
            cv2.putText(tile, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.32, (0, 0, 0), 1, cv2.LINE_AA)
        tiles.append(tile)
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[start : start + _COLUMNS]) for start in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)
