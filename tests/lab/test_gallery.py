"""Galleries of people who do not exist, whose answers are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from standins.crowd import DARK, GOOD, ROOT, as_people, crowd, rules, sample, unit

from doorguard.core.threshold import door_threshold
from doorguard.errors import UsageError
from doorguard.lab import comparisons
from doorguard.lab.comparisons import compare_all, compare_people
from doorguard.lab.gallery import GalleryReport, evaluate_gallery
from doorguard.lab.people import read_folder
from doorguard.lab.search import DRAWS, Door, search
from doorguard.lab.text import gallery_text


def axis(number: int) -> np.ndarray:
    return np.eye(128, dtype=np.float32)[number]


# Folders


def test_folder_lists_everybody_and_leaves_strays_aside(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "b/notes.txt", "a/1.heic", "readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    folder = read_folder(tmp_path)
    assert {name: len(paths) for name, paths in folder.pictures.items()} == {"a": 1, "b": 2, "empty": 0}
    assert [path.name for path in folder.paths] == ["1.heic", "1.png", "2.JPG"]
    assert [path.name for path in folder.strays] == ["notes.txt", "readme.md"]


def test_folder_of_images_inside_is_found(tmp_path: Path) -> None:
    (tmp_path / "images" / "ada").mkdir(parents=True)
    (tmp_path / "images" / "ada" / "1.jpg").touch()
    assert read_folder(tmp_path).root == tmp_path / "images"


def test_person_called_images_is_a_person(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").touch()
    assert list(read_folder(tmp_path).pictures) == ["images"]


@pytest.mark.parametrize("make", ["nothing", "file", "empty"])
def test_folder_without_people_is_refused(tmp_path: Path, make: str) -> None:
    root = tmp_path / make
    if make == "file":
        root.touch()
    if make == "empty":
        root.mkdir()
    with pytest.raises(UsageError, match=make):
        read_folder(root)


# People, and what is wrong with them


def test_problems_are_counted_by_name() -> None:
    one, two, three = crowd([3, 2, 1])
    one[1] = sample("p000", 2, None)
    two[1] = replace(two[1], digest=two[0].digest)
    three[0] = replace(three[0], digest=one[0].digest)
    nobody = [sample("p003", 1, None)]
    problems = as_people([one, two, three, nobody]).problems
    assert problems.failures == {"no_face": 2}
    assert [path for path, _ in problems.failed] == ["p000/p000_0002.jpg", "p003/p003_0001.jpg"]
    assert problems.one_picture == ("p002",)
    assert problems.no_picture == ("p003",)
    assert problems.repeated == ("p001: 2 times the same picture",)
    assert problems.shared == (("p000", "p002"),)


def test_mirror_fuses_both_encodings() -> None:
    both = replace(sample("a", 1, axis(0)), mirrored=axis(1))
    (person,) = as_people([[both]], mirror=True).persons
    assert person.usable[0] == pytest.approx(unit(axis(0) + axis(1)))


# Comparisons


def test_comparisons_of_a_toy_are_those_counted_by_hand() -> None:
    people = as_people(
        [
            [sample("a", 1, axis(0)), sample("a", 2, unit(axis(0) + axis(1))), sample("a", 3, axis(1))],
            [sample("b", 1, axis(2))],
            [sample("c", 1, unit(axis(2) + axis(0)))],
        ]
    )
    found = compare_all(people.persons)
    near = 2 - np.sqrt(2)
    assert found.scores.genuine == pytest.approx([near, near, 2.0])
    assert found.scores.impostor == pytest.approx([near, near, 2.0])
    assert found.genuine.owners.tolist() == [0, 0, 0]
    assert sorted(map(tuple, found.genuine_pictures.tolist())) == [(0, 1), (0, 2), (1, 2)]
    pairs = set(zip(found.impostors.first.tolist(), found.impostors.second.tolist(), strict=True))
    assert pairs == {(0, 1), (0, 2), (1, 2)}
    assert found.impostors.distances[-1] == pytest.approx(2.0)


def test_picture_without_encoding_is_a_miss_of_all_its_comparisons() -> None:
    own = crowd([3, 1])
    own[0][0] = sample("p000", 1, None)
    found = compare_all(as_people(own).persons)
    assert np.isinf(found.scores.genuine).tolist() == [False, True, True]
    assert len(found.scores.impostor) == 1


def test_first_pictures_count_and_all_where_asked_for() -> None:
    people = as_people(crowd([12, 1])).persons
    assert len(compare_all(people).scores.genuine) == 8 * 7 // 2
    assert len(compare_all(people, pictures=None).scores.genuine) == 12 * 11 // 2


@pytest.mark.parametrize("pictures", [[1, 1], [3], []])
def test_nothing_to_compare_is_said(pictures: list[int]) -> None:
    with pytest.raises(UsageError):
        compare_all(as_people(crowd(pictures)).persons)


def test_too_many_people_are_thinned_out_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "IMPOSTOR_PEOPLE_MAX", 5)
    encodings = [own[0].encoding for own in crowd([1] * 20)]
    every, tail = compare_people(encodings)
    assert len(every) == 10
    assert tail.compared.tolist() == [0, 4, 9, 14, 19]
    assert tail.people == 20


def test_smallest_impostor_distances_keep_their_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "_TAIL_MIN", 20)
    encodings = [own[0].encoding for own in crowd([1] * 40)]
    every, tail = compare_people([None, *encodings])
    assert len(tail.distances) == 39
    assert tail.distances == pytest.approx(np.sort(every)[:39])
    for one, two, distance in zip(tail.first, tail.second, tail.distances, strict=True):
        difference = encodings[one - 1] - encodings[two - 1]  # type: ignore[operator]
        assert float((difference**2).sum()) == pytest.approx(distance, abs=1e-5)


# The report


@pytest.fixture(scope="module")
def report() -> GalleryReport:
    own = crowd([8] * 30 + [1] * 40)
    own[3][0] = replace(own[3][0], quality=DARK)
    own[5][7] = sample("p005", 8, None)
    return evaluate_gallery(as_people(own), rules())


def test_report_keeps_its_json_contract(report: GalleryReport) -> None:
    told = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert told["counts"] == {
        "pictures": 280,
        "encoded": 279,
        "failed": 1,
        "people": 70,
        "pictures_per_person": 8,
        "genuine": 30 * 28,
        "genuine_without_encoding": 7,
        "genuine_every_picture": 30 * 28,
        "impostor": 70 * 69 // 2,
    }
    assert list(told["fnmr_at_fmr"]) == ["1e-2", "1e-3", "1e-4", "1e-5", "1e-6"]
    point = told["fnmr_at_fmr"]["1e-2"]
    assert point["low"] <= point["fnmr"] <= point["high"]
    assert point["fnmr"] == pytest.approx(7 / 840)
    assert point["fnmr_compared"] == 0.0
    assert told["fnmr_at_fmr"]["1e-6"]["fnmr"] is None
    assert told["fnmr_at_fmr"]["1e-6"]["low"] is None
    assert told["accuracy"] > 0.98
    assert told["eer"] == pytest.approx(7 / 840 / 2, abs=0.005)
    assert told["problems"]["failures"] == {"no_face": 1}
    assert told["quality_gate_refuses"] == {"pictures": 1, "too_dark": 1}
    assert told["tau_shipped"]["tau"] == 1.5
    assert [entry["tau"] for entry in told["tau_table"]] == [1.5, 1.0]


def test_report_says_it_to_people(report: GalleryReport) -> None:
    text = gallery_text(report)
    assert "280 pictures of 70 people; 1 failed {'no_face': 1}" in text
    assert "failed: p005/p005_0008.jpg: no_face" in text
    assert "40 people have one usable picture" in text


def test_same_pictures_give_the_same_report(report: GalleryReport) -> None:
    assert evaluate_gallery(report.people, report.rules).as_json() == report.as_json()


def test_one_person_under_two_names_is_suspected() -> None:
    own = crowd([2] * 20)
    own[7][0] = replace(own[7][0], encoding=own[2][1].encoding)
    report = evaluate_gallery(as_people(own), rules())
    assert [names[:2] for names in report.suspects] == [("p002", "p007")]
    assert "one person or a wrong label? p002 and p007" in gallery_text(report)


def test_one_picture_under_two_names_is_told() -> None:
    own = crowd([2] * 20)
    own[7][1] = replace(own[7][1], digest=own[2][1].digest)
    own[8][1] = replace(own[8][1], digest=own[8][0].digest)
    text = gallery_text(evaluate_gallery(as_people(own), rules()))
    assert "one picture under two names: p002 and p007" in text
    assert "the same picture twice: p008" in text


def test_gallery_too_large_for_the_people_or_the_table_says_why() -> None:
    people = as_people(crowd([2] * 12))
    report = evaluate_gallery(people, rules(residents=12))
    assert report.searches == []
    assert "lower --gallery-size" in gallery_text(report)
    report = evaluate_gallery(people, rules(residents=5, target=5e-6))
    assert report.shipped.tau
    assert "no tau is known" in report.search_note


# Search


def door(residents: int, tau: float, *, frames: int = 5, agree: int = 3) -> Door:
    threshold = replace(door_threshold(rules().table, rules().match, residents), tau=tau)
    return Door(residents, threshold, frames, agree, 0.1)


def persons(pictures: list[int]) -> list:
    return list(as_people(crowd(pictures)).persons)


def test_search_lets_residents_in_and_strangers_not() -> None:
    found = search(persons([11] * 20), door(5, 1.0), np.random.default_rng(0))
    assert (found.fpir.errors, found.fnir.errors, found.mistaken) == (0, 0, 0)
    assert found.fpir.attempts == DRAWS * 15 * 2
    assert found.fnir.attempts == DRAWS * 5 * 2
    assert found.fpir.interval is not None
    assert found.fpir.interval.high == pytest.approx(1 - 0.025 ** (1 / 20))


def test_search_at_a_tau_of_nothing_lets_nobody_in() -> None:
    found = search(persons([6] * 20), door(5, 0.01), np.random.default_rng(0))
    assert found.fnir.rate == 1.0
    assert found.fpir.rate == 0.0


def test_search_at_a_tau_of_everything_lets_strangers_in_as_somebody() -> None:
    wide = replace(door(5, 4.0), margin=0.0)
    found = search(persons([6] * 20), wide, np.random.default_rng(0))
    assert found.fpir.rate is not None
    assert found.fpir.rate > 0.2
    assert found.fnir.rate == 0.0


def test_search_counts_who_is_taken_for_another() -> None:
    own = crowd([6] * 4)
    own[1] = [replace(each, encoding=near.encoding) for each, near in zip(own[1], own[0], strict=True)]
    own[1][0] = replace(own[1][0], encoding=axis(0))
    found = search(list(as_people(own).persons), door(3, 1.0), np.random.default_rng(0))
    assert found.mistaken > 0
    assert found.fnir.errors >= found.mistaken


def test_people_with_few_pictures_can_only_be_residents() -> None:
    found = search(persons([1] * 20), door(5, 1.0), np.random.default_rng(0))
    assert found.fpir.as_json()["rate"] is None
    assert found.fnir.as_json() == {
        "rate": None, "low": None, "high": None, "errors": 0, "attempts": 0, "people": 0
    }  # fmt: skip


def test_each_frame_alone_is_a_door_of_one_frame() -> None:
    single = door(5, 1.0).each_frame_alone()
    assert (single.frames, single.agree) == (1, 1)
    found = search(persons([2] * 20), single, np.random.default_rng(0))
    assert found.fnir.attempts == DRAWS * 5


def test_search_needs_more_people_than_residents() -> None:
    with pytest.raises(UsageError, match="too few"):
        search(persons([6] * 5), door(5, 1.0), np.random.default_rng(0))


def test_crowd_is_good_by_the_gate() -> None:
    assert sample("a", 1, axis(0)).quality == GOOD
    assert ROOT.name == "nowhere"
