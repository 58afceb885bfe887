"""Groups from a file of labels: rates within each, and every odd line told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from standins.crowd import as_people, crowd, rules

from doorguard.errors import UsageError
from doorguard.lab.groups import evaluate_groups, read_labels


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "labels.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_labels_are_read_and_odd_lines_told(tmp_path: Path) -> None:
    labels = read_labels(
        write(tmp_path, "\ufeffname,sex,age\np1, f ,young\np2,m\np1,m,old\n,m,old\np3,,old\n")
    )
    assert labels.columns == ("sex", "age")
    assert labels.rows == {"p1": ("f", "young"), "p3": ("", "old")}
    assert [line.split(":")[0] for line in labels.odd] == ["line 3", "line 4", "line 5"]


@pytest.mark.parametrize("text", ["", "name\n", "name,\n", 'name,"sex\n'])
def test_labels_without_a_grouping_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"labels\.csv"):
        read_labels(write(tmp_path, text))


def test_unreadable_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_labels(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UsageError, match="no CSV"):
        read_labels(tmp_path / "binary.csv")


def test_rates_are_measured_with_strangers_of_the_same_group(tmp_path: Path) -> None:
    """Two who look alike in one group: the false match is that group's, and larger there than overall."""
    own = crowd([2] * 20)
    own[1] = [replace(each, encoding=near.encoding) for each, near in zip(own[1], own[0], strict=True)]
    text = "name,kind\n" + "".join(f"p{index:03d},{'ab'[index % 20 >= 10]}\n" for index in range(19))
    report = evaluate_groups(as_people(own), read_labels(write(tmp_path, text + "ghost,a\nodd\n")), rules())
    everybody, first, second = report.results
    assert everybody.found is not None
    assert first.found is not None
    assert second.found is not None
    assert (everybody.people, first.people, second.people) == (20, 10, 9)
    assert everybody.found.fmr == pytest.approx(1 / 190)
    assert first.found.fmr == pytest.approx(1 / 45)
    assert second.found.fmr == 0.0
    assert report.unlabelled == 1
    assert report.unknown == ["ghost"]
    told = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert told["groups"][1]["at_tau"]["tau"] == 1.5
    text = report.as_text()
    assert "kind: a" in text
    assert "1 people have no label; 1 labels are of nobody here" in text


def test_group_too_small_to_measure_says_so(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, "name,kind\np000,alone\np001,\n"))
    report = evaluate_groups(as_people(crowd([2, 2, 2])), labels, rules())
    (_, alone) = report.results
    assert alone.found is None
    assert "FMR cannot be measured" in report.as_text()
    assert alone.as_json()["at_tau"] is None
