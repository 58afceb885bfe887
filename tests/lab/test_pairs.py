"""Pair files: what is read, what is refused, what an unanswered pair costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from standins.crowd import crowd

from doorguard.core.model import ModelId
from doorguard.errors import UsageError
from doorguard.lab.pairs import PairsReport, evaluate_pairs, read_pairs
from doorguard.lab.text import pairs_text
from doorguard.lab.worker import NO_FACE, Sample

PEOPLE = 12


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for own in crowd([2] * PEOPLE):
        for each in own:
            file = tmp_path / "faces" / each.path.relative_to("/nowhere")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    return tmp_path / "faces"


def lines(*, header: str = "2\t6") -> list[str]:
    same = [f"p{index:03d}\t1\t2" for index in range(PEOPLE)]
    other = [f"p{index:03d}\t1\tp{(index + 1) % PEOPLE:03d}\t1" for index in range(PEOPLE)]
    return [header, *same[:6], *other[:6], *same[6:], *other[6:]]


def write(tmp_path: Path, text: list[str]) -> Path:
    file = tmp_path / "pairs.txt"
    file.write_text("\n".join(text) + "\n")
    return file


def samples(root: Path) -> list[Sample]:
    found = [each for own in crowd([2] * PEOPLE) for each in own]
    return [replace(each, path=root / each.path.relative_to("/nowhere")) for each in found]


def evaluate(root: Path, text: list[str], encoded: list[Sample]) -> PairsReport:
    listed = read_pairs(write(root.parent, text), root)
    return evaluate_pairs(listed, encoded, (ModelId("m@1"), "d"), mirror=False)


def test_pairs_are_read_with_their_folds(tmp_path: Path, root: Path) -> None:
    listed = read_pairs(write(tmp_path, lines()), root)
    assert listed.folds == 2
    assert [pair.fold for pair in listed.pairs] == [0] * 12 + [1] * 12
    assert sum(pair.is_same for pair in listed.pairs) == 12
    assert len(listed.paths) == 24
    assert listed.paths[0] == root / "p000" / "p000_0001.jpg"
    assert not listed.dealt


def test_file_of_one_set_is_dealt_out_to_ten_folds(tmp_path: Path, root: Path) -> None:
    listed = read_pairs(write(tmp_path, lines(header="12")), root)
    assert listed.folds == 10
    assert listed.dealt


def test_perfect_encoder_is_always_right(root: Path) -> None:
    report = evaluate(root, lines(), samples(root))
    assert report.accuracy.mean == 1.0
    told = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert told["accuracy"] == 1.0
    assert told["accuracy_deviation"] == 0.0
    assert told["eer"] == 0.0
    assert told["counts"]["pairs_without_answer"] == 0
    assert set(told["fnmr_at_fmr"]["1e-4"]) >= {"fnmr", "low", "high", "tau"}
    assert "accuracy 100.00 % ± 0.00" in pairs_text(report)


def test_missing_picture_is_counted_and_costs_its_pairs(root: Path) -> None:
    (root / "p000" / "p000_0002.jpg").unlink()
    report = evaluate(root, lines(), samples(root))
    assert report.listed.missing == ("p000/p000_0002",)
    assert report.unanswered == 1
    assert report.accuracy.mean == pytest.approx((11 / 12 + 1) / 2)
    assert report.accuracy.mean_answered == 1.0
    assert report.as_json()["problems"]["missing_pictures"] == ["p000/p000_0002"]  # type: ignore[index]
    assert "missing: p000/p000_0002" in pairs_text(report)


def test_face_not_found_is_counted_and_costs_its_pairs(root: Path) -> None:
    encoded = samples(root)
    encoded[3] = Sample(encoded[3].path, "x", cause=NO_FACE)
    report = evaluate(root, lines(), encoded)
    assert report.unanswered == 1
    assert report.failures == {"no_face": 1}
    assert "no_face" in pairs_text(report)
    assert np.isinf(report.scores.genuine).sum() == 1


def test_stranger_pair_without_an_answer_is_right_but_counted(root: Path) -> None:
    (root / "p000" / "p000_0001.jpg").unlink()
    report = evaluate(root, lines(), samples(root))
    assert report.unanswered == 3  # one of the same person, two of strangers
    assert len(report.scores.impostor) == 10
    assert report.accuracy.mean == pytest.approx((11 / 12 + 1) / 2)


@pytest.mark.parametrize("line", ["p000 1", "p000 one 2", "p000 1 p001 x", "a b c d e"])
def test_line_that_is_no_pair_is_counted(tmp_path: Path, root: Path, line: str) -> None:
    listed = read_pairs(write(tmp_path, [*lines(), line, ""]), root)
    assert len(listed.odd) == 1
    assert line[:6] in listed.odd[0]
    assert len(listed.pairs) == 24


def test_name_that_leads_out_of_the_folder_is_missing(tmp_path: Path, root: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "secret_0001.jpg").touch()
    listed = read_pairs(write(tmp_path, [*lines(), "../secret 1 1"]), root)
    assert listed.missing == ("../secret/../secret_0001",)


@pytest.mark.parametrize(
    "text",
    [[], ["ten 300"], ["0 5"], ["1 2 3"], ["2 6", "p000 1 2"], ["2 6", "p000 1 p001 1"], ["2 6"]],
)
def test_file_without_both_kinds_of_pairs_or_a_heading_is_refused(
    tmp_path: Path, root: Path, text: list[str]
) -> None:
    with pytest.raises(UsageError, match=r"pairs\.txt"):
        read_pairs(write(tmp_path, text), root)


def test_unreadable_pair_file_is_refused(tmp_path: Path, root: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_pairs(tmp_path / "none.txt", root)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00" * 9)
    with pytest.raises(UsageError, match="no text"):
        read_pairs(tmp_path / "binary", root)


def test_pairs_without_any_face_cannot_be_evaluated(root: Path) -> None:
    none = [Sample(each.path, "x", cause=NO_FACE) for each in samples(root)]
    with pytest.raises(UsageError, match="cannot be evaluated"):
        evaluate(root, lines(), none)
