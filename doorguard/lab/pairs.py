"""Pairs of pictures in the file format of Labeled Faces in the Wild: same person or not, over folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doorguard.core.intervals import Genuine, Impostors
from doorguard.core.metrics import Distances, FoldAccuracy, Scores, fold_accuracy
from doorguard.core.model import ModelId
from doorguard.errors import UsageError
from doorguard.lab.people import SUFFIXES, encoding_of
from doorguard.lab.report import FMRS, OperatingPoint, fmr_key, operating_points
from doorguard.lab.worker import Sample

MISSING = "missing"
_FOLDS_WITHOUT_ANY = 10
_FILE_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures and the fold they belong to; a picture that is not there is None."""

    names: tuple[str, str]
    pictures: tuple[Path | None, Path | None]
    fold: int

    @property
    def is_same(self) -> bool:
        """Whether both show one person."""
        return self.names[0] == self.names[1]


@dataclass(frozen=True, slots=True)
class PairList:
    """A pair file, read.

    Parameters
    ----------
    pairs : in the file's order.
    folds : how many; a file of one set is dealt out to ten, and `dealt` says so.
    missing : pictures named that are not there.
    odd : lines that are no pair, with their number.

    """

    pairs: tuple[Pair, ...] = field(repr=False)
    folds: int
    dealt: bool
    missing: tuple[str, ...]
    odd: tuple[str, ...]

    @property
    def paths(self) -> list[Path]:
        """Every picture that is there, once, in order of first mention."""
        return list(dict.fromkeys(path for pair in self.pairs for path in pair.pictures if path is not None))


def read_pairs(file: Path, root: Path) -> PairList:
    """Read a pair file.

    Its first line holds the number of folds and of pairs of each kind in a fold, or that number alone; then
    come, fold by fold, lines `name n m` (one person) and `name n other m` (two people).

    Raises
    ------
    UsageError : it cannot be read, or holds no pair of either kind.

    """
    lines = _lines(file)
    folds, size = _header(lines, file)
    inner = root / "images"
    finder = _Finder(inner if inner.is_dir() else root)
    pairs: list[Pair] = []
    odd: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        if not words:
            continue
        named = _named(words)
        if named is None:
            odd.append(f"line {number}: {line.strip()[:80]}")
            continue
        index = len(pairs)
        fold = index % _FOLDS_WITHOUT_ANY if folds == 1 else index // (2 * size)
        (one, first), (two, second) = named
        pairs.append(Pair((one, two), (finder.find(one, first), finder.find(two, second)), fold))
    if {pair.is_same for pair in pairs} != {True, False}:
        raise UsageError(f"{file} must hold pairs of one person and pairs of two; see LFW's pairs.txt")
    used = len({pair.fold for pair in pairs})
    return PairList(tuple(pairs), used, folds == 1, tuple(sorted(finder.missing)), tuple(odd))


def _lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as stream:
            content = stream.read(_FILE_MAX_BYTES + 1)
        if len(content) > _FILE_MAX_BYTES:
            raise UsageError(f"{file} is larger than {_FILE_MAX_BYTES // 1024**2} MB; it is no pair file")
        return content.decode("utf-8").splitlines() or [""]
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no text; give a pair file in LFW's format") from error


def _header(lines: Sequence[str], file: Path) -> tuple[int, int]:
    words = lines[0].split()
    if not 1 <= len(words) <= 2 or not all(word.isdecimal() and 0 < int(word) < 10**7 for word in words):
        raise UsageError(
            f"{file} begins with {lines[0][:40]!r}; LFW's format begins with the number of folds and of pairs"
        )
    numbers = [int(word) for word in words]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (1, numbers[0])


def _named(words: Sequence[str]) -> tuple[tuple[str, int], tuple[str, int]] | None:
    """Return the two pictures a line names, None when it names none."""
    if len(words) == 3:
        words = [words[0], words[1], words[0], words[2]]
    if len(words) != 4 or not (words[1].isdecimal() and words[3].isdecimal()):
        return None
    return (words[0], int(words[1])), (words[2], int(words[3]))


class _Finder:
    """Finds pictures by name and number, and remembers which are not there."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[tuple[str, int], Path | None] = {}
        self.missing: set[str] = set()

    def find(self, name: str, number: int) -> Path | None:
        if (name, number) not in self._known:
            self._known[name, number] = self._look(name, number)
        return self._known[name, number]

    def _look(self, name: str, number: int) -> Path | None:
        stem = f"{name}_{number:04d}"
        # A name that leads out of the folder is no name.
        if Path(name).name == name:
            for suffix in sorted(SUFFIXES):
                path = self._root / name / f"{stem}{suffix}"
                if path.is_file():
                    return path
        self.missing.add(f"{name}/{stem}")
        return None


@dataclass(frozen=True, slots=True, eq=False)
class PairsReport:
    """Everything `evaluate pairs` found."""

    listed: PairList
    model_id: ModelId
    profile: str
    accuracy: FoldAccuracy
    scores: Scores
    eer: tuple[float, float]
    points: Sequence[OperatingPoint]
    failures: Mapping[str, int]
    failed: Sequence[tuple[str, str]]
    unanswered: int

    def as_json(self) -> dict[str, object]:
        """The contract of `evaluate pairs --json`."""
        return {
            "model": self.model_id,
            "profile": self.profile,
            "counts": {
                "pairs": len(self.listed.pairs),
                "same": sum(pair.is_same for pair in self.listed.pairs),
                "folds": self.listed.folds,
                "pictures": len(self.listed.paths),
                "pairs_without_answer": self.unanswered,
                "missing_pictures": len(self.listed.missing),
                "odd_lines": len(self.listed.odd),
            },
            "accuracy": self.accuracy.mean,
            "accuracy_deviation": self.accuracy.deviation,
            "accuracy_of_answered": self.accuracy.mean_answered,
            "folds": [
                {"accuracy": share, "tau": tau}
                for share, tau in zip(self.accuracy.per_fold, self.accuracy.taus, strict=True)
            ],
            "folds_dealt_out": self.listed.dealt,
            "eer": self.eer[0],
            "eer_tau": self.eer[1],
            "fnmr_at_fmr": {fmr_key(point.fmr): point.as_json() for point in self.points},
            "problems": {
                "failures": dict(self.failures),
                "failed_pictures": [{"picture": path, "cause": cause} for path, cause in self.failed],
                "missing_pictures": list(self.listed.missing),
                "odd_lines": list(self.listed.odd),
            },
        }


def evaluate_pairs(
    listed: PairList, samples: Sequence[Sample], model: tuple[ModelId, str], *, mirror: bool
) -> PairsReport:
    """Measure pairs; `samples` are `listed.paths` encoded, `model` the encoder's id and its profile's digest.

    A pair without a distance, for want of a picture or a face, counts as answered "different".

    Raises `UsageError` when too few pairs have a distance.
    """
    known = {
        sample.path: encoding
        for sample in samples
        if (encoding := encoding_of(sample, mirror=mirror)) is not None
    }
    distances = np.array([_distance(pair, known) for pair in listed.pairs])
    same = np.array([pair.is_same for pair in listed.pairs])
    folds = np.array([pair.fold for pair in listed.pairs], dtype=np.intp)
    answered = ~np.isnan(distances)
    try:
        accuracy = fold_accuracy(distances, same, folds)
        scores = Scores.of(np.where(answered, distances, np.inf)[same], distances[~same & answered])
    except ValueError as error:
        raise UsageError(f"these pairs cannot be evaluated: {error}") from error
    genuine, impostors = _with_people(listed.pairs, distances)
    return PairsReport(
        listed=listed,
        model_id=model[0],
        profile=model[1],
        accuracy=accuracy,
        scores=scores,
        eer=scores.eer(),
        points=operating_points(scores, genuine, impostors, FMRS),
        failures=Counter(sample.cause for sample in samples if sample.cause is not None),
        failed=[(str(sample.path), sample.detail or sample.cause) for sample in samples if sample.cause],
        unanswered=int(np.count_nonzero(~answered)),
    )


def _distance(pair: Pair, known: Mapping[Path, NDArray[np.float32]]) -> float:
    one, two = (None if path is None else known.get(path) for path in pair.pictures)
    if one is None or two is None:
        return float("nan")
    difference = one.astype(np.float64) - two.astype(np.float64)
    return float(difference @ difference)


def _with_people(pairs: Sequence[Pair], distances: Distances) -> tuple[Genuine, Impostors]:
    """Return the distances with the people behind them, for intervals over people."""
    number: dict[str, int] = {}
    people = np.array([[number.setdefault(name, len(number)) for name in pair.names] for pair in pairs])
    same = people[:, 0] == people[:, 1]
    order = np.argsort(distances, kind="stable")  # NaN comes last
    own = order[same[order]]
    others = order[~same[order] & ~np.isnan(distances[order])]
    genuine = Genuine(np.nan_to_num(distances[own], nan=np.inf), people[own, 0])
    one, two = people[others].T
    everybody = np.arange(len(number))
    return genuine, Impostors(distances[others], one, two, len(others), everybody, len(number))
