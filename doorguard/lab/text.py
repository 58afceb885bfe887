"""Reports in words and columns."""

from __future__ import annotations

from collections.abc import Sequence

from doorguard.lab.comparisons import PICTURES_PER_PERSON
from doorguard.lab.gallery import GalleryReport
from doorguard.lab.pairs import PairsReport
from doorguard.lab.report import OperatingPoint, fmr_key, percent, spread

SUSPECTS_SHOWN = 20


def gallery_text(report: GalleryReport) -> str:
    """Say it to a person."""
    counts = report.as_json()["counts"]
    assert isinstance(counts, dict)
    lines = [
        f"{counts['pictures']:,} pictures of {counts['people']:,} people; {counts['failed']} failed"
        f" {report.people.problems.failures or ''}".rstrip(),
        f"{counts['genuine']:,} genuine comparisons (the first {PICTURES_PER_PERSON} pictures a person),"
        f" {counts['impostor']:,} impostor ones (one picture a person)",
        f"accuracy {percent(report.accuracy)}, EER {percent(report.eer[0])} at tau {report.eer[1]:.3f}",
        "",
        *_point_rows(report.points, report.every_picture),
    ]
    lines += [
        "",
        "the profile's thresholds here",
        f"{'FMR':>6} {'tau':>7} {'FMR found':>10} {'FNMR':>9} {'found':>9}",
    ]
    for entry in report.table:
        lines.append(
            f"{fmr_key(entry.promised_fmr or 0):>6} {entry.tau:>7.4f} {entry.fmr:>10.2e}"
            f" {percent(entry.promised_fnmr):>9} {percent(entry.fnmr):>9}  {entry.kind}"
        )
    lines += ["", *_search_text(report), *_problem_text(report)]
    return "\n".join(lines)


def _search_text(report: GalleryReport) -> list[str]:
    if report.search_note:
        return [f"no search: {report.search_note}"]
    return [
        f"{each.door.residents} residents, {each.door.agree} of {each.door.frames} frames, tau"
        f" {each.door.threshold.tau:.4f}, an attempt:"
        f" FPIR {percent(each.fpir.rate, 3)} ({spread(each.fpir.interval, 3)}),"
        f" FNIR {percent(each.fnir.rate)} ({spread(each.fnir.interval)})"
        for each in report.searches
    ]


def _problem_text(report: GalleryReport) -> list[str]:
    problems = report.people.problems
    lines = [
        f"the quality gate would refuse {report.gate['pictures']} of the pictures",
        f"{len(problems.one_picture)} people have one usable picture, {len(problems.no_picture)} have none",
    ]
    lines += [f"the same picture twice: {each}" for each in problems.repeated]
    lines += [f"one picture under two names: {one} and {two}" for one, two in problems.shared]
    lines += [
        f"one person or a wrong label? {one} and {two}: D {distance:.3f}"
        for one, two, distance in report.suspects[:SUSPECTS_SHOWN]
    ]
    lines += [f"failed: {path}: {cause}" for path, cause in problems.failed]
    return lines


def pairs_text(report: PairsReport) -> str:
    """Say it to a person."""
    accuracy, listed = report.accuracy, report.listed
    lines = [
        f"{len(listed.pairs):,} pairs in {listed.folds} folds{' (dealt out)' if listed.dealt else ''};"
        f" {report.unanswered} without an answer, counted as 'different'",
        f"accuracy {percent(accuracy.mean)} ± {100 * accuracy.deviation:.2f} (tau chosen on the other folds:"
        f" {min(accuracy.taus):.3f} to {max(accuracy.taus):.3f})",
        f"EER {percent(report.eer[0])} at tau {report.eer[1]:.3f}",
        "",
        *_point_rows(report.points),
    ]
    lines += [f"missing: {each}" for each in listed.missing]
    lines += [f"no pair: {each}" for each in listed.odd]
    lines += [f"failed: {path}: {cause}" for path, cause in report.failed]
    return "\n".join(lines)


def _point_rows(
    points: Sequence[OperatingPoint], every_picture: Sequence[float | None] | None = None
) -> list[str]:
    """Return a row per FMR, with the FNMR over all pictures where it is known."""
    head = f"{'FMR':>6} {'tau':>7} {'FNMR':>9} {'95 % interval':>20}"
    lines = [head if every_picture is None else f"{head} {'all pictures':>13}"]
    for index, point in enumerate(points):
        tau = "-" if point.tau is None else f"{point.tau:.4f}"
        row = f"{fmr_key(point.fmr):>6} {tau:>7} {percent(point.fnmr):>9} {spread(point.interval):>20}"
        lines.append(row if every_picture is None else f"{row} {percent(every_picture[index]):>13}")
    return lines
