"""Who bears the errors: FMR and FNMR at the shipped tau within groups of people, from a file of labels.

Within a group strangers are compared with strangers of the same group, which is the comparison a burglar of
the family's own age, sex and origin makes; over all people it is rare and drowns in easier ones.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from doorguard.errors import UsageError
from doorguard.lab.comparisons import compare_all
from doorguard.lab.gallery import AtTau, Rules, at_tau
from doorguard.lab.people import People, Person
from doorguard.lab.report import percent, spread

_FILE_MAX_BYTES = 16 * 1024 * 1024
_EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class Labels:
    """A file of labels: first column the person's name, one grouping in each further column.

    `rows` maps a name to its label in each of `columns`; an empty label is none. `odd` lists lines that say
    nothing, or the same person again.
    """

    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]
    odd: tuple[str, ...]


def read_labels(file: Path) -> Labels:
    """Read labels; raises `UsageError` when the file cannot be read or its heading names no grouping."""
    try:
        if file.stat().st_size > _FILE_MAX_BYTES:
            raise UsageError(
                f"{file} is larger than {_FILE_MAX_BYTES // 1024**2} MB; it is no file of labels"
            )
        with file.open(encoding="utf-8-sig", newline="") as stream:
            lines = list(csv.reader(stream, strict=True))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file} is no CSV: {error}") from error
    columns = tuple(cell.strip() for cell in lines[0][1:]) if lines else ()
    if not columns or not all(columns):
        raise UsageError(f"{file} needs a heading: the person's name first, then a name for each grouping")
    rows: dict[str, tuple[str, ...]] = {}
    odd = []
    for number, line in enumerate(lines[1:], 2):
        cells = tuple(cell.strip() for cell in line)
        if len(cells) != len(columns) + 1 or not cells[0]:
            odd.append(f"line {number}: {len(cells)} cells, {len(columns) + 1} expected")
        elif cells[0] in rows:
            odd.append(f"line {number}: {cells[0]} stands twice")
        else:
            rows[cells[0]] = cells[1:]
    return Labels(columns, rows, tuple(odd))


@dataclass(frozen=True, slots=True)
class GroupResult:
    """One group; `found` is None where it is too small to measure, and `note` says why."""

    column: str
    label: str
    people: int
    genuine: int
    impostor: int
    found: AtTau | None
    note: str

    def as_json(self) -> dict[str, object]:
        """JSON values."""
        return {
            "column": self.column,
            "label": self.label,
            "people": self.people,
            "genuine": self.genuine,
            "impostor": self.impostor,
            "at_tau": self.found and self.found.as_json(),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class GroupsReport:
    """Every group of every column, everybody together first.

    `unlabelled` are people of the set without a line; `unknown` lines about people who are not in it.
    """

    results: Sequence[GroupResult]
    unlabelled: int
    unknown: Sequence[str]
    odd: Sequence[str]

    def as_json(self) -> dict[str, object]:
        """The contract of `evaluate groups --json`."""
        return {
            "groups": [result.as_json() for result in self.results],
            "unlabelled_people": self.unlabelled,
            "labels_of_nobody": list(self.unknown),
            "odd_lines": list(self.odd),
        }

    def as_text(self) -> str:
        """A row per group."""
        lines = [
            f"{'group':<32} {'people':>7} {'FMR':>9} {'95 % interval':>22} {'FNMR':>9} {'95 % interval':>20}"
        ]
        for each in self.results:
            name = f"{each.column}: {each.label}" if each.label else each.column
            row = f"{name:<32} {each.people:>7}"
            if each.found is None:
                lines.append(f"{row}  {each.note}")
                continue
            found = each.found
            lines.append(
                f"{row} {found.fmr:>9.1e} {spread(found.fmr_interval, 4):>22} {percent(found.fnmr):>9}"
                f" {spread(found.fnmr_interval):>20}"
            )
        lines.append(f"{self.unlabelled} people have no label; {len(self.unknown)} labels are of nobody here")
        return "\n".join([*lines, *self.odd])


def evaluate_groups(people: People, labels: Labels, rules: Rules) -> GroupsReport:
    """Measure everybody, then each group by itself."""
    names = {person.name for person in people.persons}
    results = [_measure(_EVERYBODY, "", people.persons, rules)]
    for index, column in enumerate(labels.columns):
        by_label: dict[str, list[Person]] = {}
        for person in people.persons:
            label = labels.rows.get(person.name, ("",) * len(labels.columns))[index]
            if label:
                by_label.setdefault(label, []).append(person)
        results += [_measure(column, label, own, rules) for label, own in sorted(by_label.items())]
    return GroupsReport(
        results,
        unlabelled=len(names - labels.rows.keys()),
        unknown=sorted(labels.rows.keys() - names),
        odd=labels.odd,
    )


def _measure(column: str, label: str, persons: Sequence[Person], rules: Rules) -> GroupResult:
    try:
        comparisons = compare_all(persons)
    except UsageError as error:
        return GroupResult(column, label, len(persons), 0, 0, None, str(error))
    found = at_tau(comparisons, rules.pair.tau, rules.pair.kind, (rules.pair.fmr, rules.pair.fnmr))
    scores = comparisons.scores
    return GroupResult(column, label, len(persons), len(scores.genuine), len(scores.impostor), found, "")
