"""A folder per person: who is there, what is not as it should be, and the encodings by person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from doorguard.core.metrics import fused
from doorguard.core.model import Encoding
from doorguard.errors import UsageError
from doorguard.lab.worker import Sample

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif"})


@dataclass(frozen=True, slots=True)
class Folder:
    """The pictures of a set, by person; `read_folder` makes one.

    Parameters
    ----------
    root : the folder that holds one folder per person.
    pictures : every person's pictures in order of name; a person without any is there too.
    strays : files that are no pictures, or belong to nobody.

    """

    root: Path
    pictures: Mapping[str, tuple[Path, ...]] = field(repr=False)
    strays: tuple[Path, ...]

    @property
    def paths(self) -> list[Path]:
        """Every picture, person by person."""
        return [path for paths in self.pictures.values() for path in paths]


def read_folder(root: Path) -> Folder:
    """List a folder of folders; one that holds them in `images/`, as ../shared/lfw-dev does, is taken so.

    Raises `UsageError` when it cannot be read or holds no person.
    """
    try:
        inner = root / "images"
        if inner.is_dir() and any(each.is_dir() for each in inner.iterdir()):
            root = inner
        pictures: dict[str, tuple[Path, ...]] = {}
        strays = []
        for entry in sorted(root.iterdir()):
            if not entry.is_dir():
                strays.append(entry)
                continue
            inside = sorted(entry.iterdir())
            pictures[entry.name] = tuple(each for each in inside if _is_picture(each))
            strays += [each for each in inside if not _is_picture(each)]
    except OSError as error:
        raise UsageError(f"cannot read {error.filename or root}: {error.strerror}") from error
    if not pictures:
        raise UsageError(f"{root} holds no folders; give a folder that holds one folder per person")
    return Folder(root, pictures, tuple(strays))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person's pictures, in order of name.

    Parameters
    ----------
    name : the folder's.
    samples : one per picture, failures included.
    encodings : one per sample, of the picture alone or fused with its mirror image; None for a failure.

    """

    name: str
    samples: tuple[Sample, ...] = field(repr=False)
    encodings: tuple[Encoding | None, ...] = field(repr=False)

    @property
    def usable(self) -> list[Encoding]:
        """The encodings there are."""
        return [encoding for encoding in self.encodings if encoding is not None]


@dataclass(frozen=True, slots=True)
class Problems:
    """What was found wrong with a set, by name; nothing of it is left out of the counts.

    Parameters
    ----------
    failures : pictures without an encoding, by cause: `unreadable`, `no_face`, `no_mesh`.
    failed : their paths with the cause in words.
    one_picture : people with a single usable picture: they serve as impostors alone.
    no_picture : people with none.
    repeated : picture files that stand twice under one name.
    shared : pictures that stand under two names: the two are one person, or a picture is misplaced.
    strays : files left aside.

    """

    failures: Mapping[str, int]
    failed: tuple[tuple[str, str], ...] = field(repr=False)
    one_picture: tuple[str, ...] = field(repr=False)
    no_picture: tuple[str, ...]
    repeated: tuple[str, ...]
    shared: tuple[tuple[str, str], ...]
    strays: int

    def as_json(self) -> dict[str, object]:
        """Counts, and names where somebody has to look."""
        return {
            "failures": dict(self.failures),
            "failed_pictures": [{"picture": path, "cause": cause} for path, cause in self.failed],
            "people_with_one_picture": len(self.one_picture),
            "people_without_a_picture": list(self.no_picture),
            "repeated_pictures": list(self.repeated),
            "pictures_under_two_names": [list(pair) for pair in self.shared],
            "files_left_aside": self.strays,
        }


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """A set, encoded: everybody with a picture, and what was wrong."""

    root: Path
    pictures: int
    persons: tuple[Person, ...] = field(repr=False)
    problems: Problems


def group_people(folder: Folder, samples: Sequence[Sample], *, mirror: bool = False) -> People:
    """Sort samples, which are `folder.paths` encoded, by person.

    Parameters
    ----------
    folder, samples : as said; in the same order.
    mirror : fuse each encoding with that of the mirrored crop.

    """
    rest = iter(samples)
    by_name = {name: [next(rest) for _ in paths] for name, paths in folder.pictures.items()}
    persons = [
        Person(name, tuple(own), tuple(encoding_of(sample, mirror=mirror) for sample in own))
        for name, own in by_name.items()
        if own
    ]
    usable = {person.name: len(person.usable) for person in persons}
    problems = Problems(
        failures=dict(Counter(sample.cause for sample in samples if sample.cause is not None)),
        failed=tuple(
            (str(sample.path.relative_to(folder.root)), sample.detail or sample.cause)
            for sample in samples
            if sample.cause is not None
        ),
        one_picture=tuple(name for name, count in usable.items() if count == 1),
        no_picture=tuple(name for name in by_name if not usable.get(name)),
        repeated=tuple(_repeated(by_name)),
        shared=tuple(_shared(by_name)),
        strays=len(folder.strays),
    )
    return People(folder.root, len(samples), tuple(persons), problems)


def encoding_of(sample: Sample, *, mirror: bool) -> Encoding | None:
    """Return a sample's encoding, fused with its mirror image's where asked for."""
    if not mirror or sample.encoding is None or sample.mirrored is None:
        return sample.encoding
    return fused([sample.encoding, sample.mirrored])


def _repeated(by_name: Mapping[str, Sequence[Sample]]) -> list[str]:
    found = []
    for name, samples in by_name.items():
        counts = Counter(sample.digest for sample in samples if sample.digest)
        found += [f"{name}: {count} times the same picture" for count in counts.values() if count > 1]
    return found


def _shared(by_name: Mapping[str, Sequence[Sample]]) -> list[tuple[str, str]]:
    first: dict[str, str] = {}
    pairs = []
    for name, samples in by_name.items():
        for sample in samples:
            owner = first.setdefault(sample.digest, name)
            if sample.digest and owner != name:
                pairs.append((owner, name))
    return pairs
