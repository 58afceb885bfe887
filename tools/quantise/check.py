"""What quantisation costs in error rates, counted as `doorguard evaluate gallery` counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from doorguard.config import Settings
from doorguard.core.metrics import Scores
from doorguard.core.model import Image
from doorguard.errors import UnreadableImageError
from doorguard.lab.comparisons import PICTURES_PER_PERSON, compare_all
from doorguard.lab.people import Person, read_folder
from doorguard.lab.recipe import Recipe
from doorguard.lab.worker import Shot, Worker
from doorguard.vision.profile import load_profile
from quantise.measure import encode


@dataclass(frozen=True, slots=True)
class Loss:
    """FNMR at one FMR, float and int8, each at its own tau on the same pairs."""

    fmr: float
    fnmr_float: float
    fnmr_int8: float


@dataclass(frozen=True, slots=True)
class Check:
    """Both forms on a folder of people. A picture without a face misses in each of its genuine pairs."""

    people: int
    pictures: int
    without_face: int
    genuine: int
    impostor: int
    losses: tuple[Loss, ...]


@dataclass(frozen=True, slots=True)
class Forms:
    """The two files of one encoder, and the profile that says how faces are aligned for it."""

    exact: bytes
    rounded: bytes
    profile: Path


def check(forms: Forms, root: Path, fmrs: Sequence[float]) -> Check:
    """Measure both forms on a folder per person.

    An FMR of which the folder holds not one impostor comparison is left out.

    Raises
    ------
    UsageError : the folder holds nothing to compare.
    ModelError : a model cannot be used.

    """
    people = {name: paths[:PICTURES_PER_PERSON] for name, paths in read_folder(root).pictures.items()}
    worker = Worker(Recipe(load_profile(forms.profile), Settings()))
    crops = [_crop(worker, path) for paths in people.values() for path in paths]
    exact, rounded = (_scores(model, people, crops) for model in (forms.exact, forms.rounded))
    return Check(
        people=len(people),
        pictures=len(crops),
        without_face=sum(crop is None for crop in crops),
        genuine=len(exact.genuine),
        impostor=len(exact.impostor),
        losses=tuple(_losses(exact, rounded, fmrs)),
    )


def _crop(worker: Worker, path: Path) -> Image | None:
    try:
        seen, _, _ = worker.observe(Shot(path))
    except UnreadableImageError:
        return None
    return None if seen is None else seen.crop


def _scores(model: bytes, people: dict[str, tuple[Path, ...]], crops: Sequence[Image | None]) -> Scores:
    found = iter(encode(model, [crop for crop in crops if crop is not None]))
    encodings = iter([None if crop is None else next(found).astype("float32") for crop in crops])
    persons = [Person(name, (), tuple(next(encodings) for _ in paths)) for name, paths in people.items()]
    return compare_all(persons).scores


def _losses(exact: Scores, rounded: Scores, fmrs: Sequence[float]) -> Iterator[Loss]:
    for fmr in fmrs:
        taus = exact.tau_at(fmr), rounded.tau_at(fmr)
        if taus[0] is not None and taus[1] is not None:
            yield Loss(fmr, exact.fnmr(taus[0]), rounded.fnmr(taus[1]))
