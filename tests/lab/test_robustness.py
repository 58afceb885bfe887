"""Degradations of real photographs, and what they do to rates at the shipped tau."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from standins.crowd import DARK, as_people, crowd, rules, sample

from doorguard.config import Settings
from doorguard.core.model import Observation
from doorguard.errors import UsageError
from doorguard.lab.degrade import CONDITIONS, UNITS, Condition
from doorguard.lab.robustness import evaluate_robustness, probes_of
from doorguard.lab.worker import Sample
from doorguard.photos import path
from doorguard.vision.images import load_image
from doorguard.vision.pipeline import FacePipeline

NAMES = ("blur", "low_light", "noise", "low_resolution", "jpeg", "cover", "yaw")


@pytest.fixture(scope="module")
def face(vision: FacePipeline) -> tuple[np.ndarray, Observation]:
    image = load_image(path("obama-2012"))
    return image, vision.observe(image, vision.detect(image)[0])


def again(vision: FacePipeline, image: np.ndarray) -> Observation:
    return vision.observe(image, vision.detect(image)[0])


# Degradations


def test_every_degradation_of_the_issue_is_there_at_three_strengths() -> None:
    assert [condition.name for condition in CONDITIONS] == [name for name in NAMES for _ in range(3)]
    assert set(UNITS) == set(NAMES)
    assert len({condition.key for condition in CONDITIONS}) == 21


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda each: f"{each.name}-{each.strength}")
def test_degradation_is_the_same_every_time_and_spares_the_original(
    face: tuple[np.ndarray, Observation], condition: Condition
) -> None:
    image, seen = face
    before = image.copy()
    one, two = condition.apply(image, seen), condition.apply(image, seen)
    assert np.array_equal(one, two)
    assert np.array_equal(image, before)
    assert one.dtype == np.uint8
    assert one.shape != image.shape or not np.array_equal(one, image)


@pytest.mark.parametrize("name", NAMES)
def test_stronger_degradation_takes_the_encoding_farther(
    vision: FacePipeline, face: tuple[np.ndarray, Observation], name: str
) -> None:
    image, seen = face
    assert seen.crop is not None
    weak, middle, _ = (condition for condition in CONDITIONS if condition.name == name)
    distances = []
    for condition in (weak, middle):
        crop = again(vision, condition.apply(image, seen)).crop
        assert crop is not None
        difference = vision.encode_crop(crop) - vision.encode_crop(seen.crop)
        distances.append(float((difference**2).sum()))
    assert 0 < distances[0] < distances[1]


def test_strengths_are_what_they_say(vision: FacePipeline, face: tuple[np.ndarray, Observation]) -> None:
    image, seen = face
    small = again(vision, Condition("low_resolution", 60).apply(image, seen)).quality
    dark = again(vision, Condition("low_light", 0.3).apply(image, seen)).quality
    turned = again(vision, Condition("yaw", 30).apply(image, seen)).quality
    assert seen.quality is not None
    assert small is not None
    assert dark is not None
    assert turned is not None
    assert small.face_px == pytest.approx(60, abs=4)
    assert dark.luma == pytest.approx(0.3 * seen.quality.luma, abs=4)
    # The mesh sees a head turned by its own, flattened depth as turned less.
    assert 15 < abs(turned.yaw_deg) - abs(seen.quality.yaw_deg) < 35
    assert np.sign(turned.yaw_deg) == np.sign(seen.quality.yaw_deg)


def test_face_smaller_than_asked_for_stays_as_it_is(face: tuple[np.ndarray, Observation]) -> None:
    image, seen = face
    assert Condition("low_resolution", 5000).apply(image, seen) is image


def test_face_at_the_edge_is_degraded_without_a_fault(
    vision: FacePipeline, face: tuple[np.ndarray, Observation]
) -> None:
    image, seen = face
    box = seen.detection.box
    cut = np.ascontiguousarray(image[:, int(box.x + 0.35 * box.width) :])
    mesh = seen.mesh
    assert mesh is not None
    moved = replace(mesh, points=mesh.points - np.float32([box.x + 0.35 * box.width, 0, 0]))
    for condition in CONDITIONS:
        assert condition.apply(cut, replace(seen, mesh=moved)).size


def test_without_a_mesh_nothing_is_done(face: tuple[np.ndarray, Observation]) -> None:
    image, seen = face
    assert Condition("blur", 0.1).apply(image, replace(seen, mesh=None)) is image


# Rates


BLUR, DARKNESS = Condition("blur", 0.06), Condition("low_light", 0.12)


def test_probes_are_everybodys_second_usable_picture() -> None:
    own = crowd([3, 1, 2])
    own[0][0] = sample("p000", 1, None)
    shots = probes_of(as_people(own), [BLUR, DARKNESS])
    assert [(shot.path.name, shot.change) for shot in shots] == [
        ("p000_0003.jpg", BLUR),
        ("p002_0002.jpg", BLUR),
        ("p000_0003.jpg", DARKNESS),
        ("p002_0002.jpg", DARKNESS),
    ]


def merged(own: list[list[Sample]], share: float) -> list[Sample]:
    """Second pictures drawn towards one point, as bad pictures are: strangers come to resemble each other."""
    rng = np.random.default_rng(9)
    centre = rng.normal(size=128)
    centre /= np.linalg.norm(centre)
    bad = []
    for each in own:
        assert each[0].encoding is not None
        vector = (1 - share) * each[0].encoding + share * centre
        bad.append(replace(each[1], encoding=(vector / np.linalg.norm(vector)).astype(np.float32)))
    return bad


def test_hole_in_the_gate_is_found_and_a_refusal_closes_it() -> None:
    own = crowd([2] * 100)
    near = [replace(each[1], encoding=own[(i + 1) % 100][0].encoding) for i, each in enumerate(own)]
    refused = [replace(each, quality=DARK) for each in near]
    report = evaluate_robustness(as_people(own), [BLUR, DARKNESS], [*near, *refused], rules())
    clean, hole, closed = report.results
    assert clean.name == "clean"
    assert clean.gate_holds
    assert clean.without_gate.fnmr == 0.0
    assert hole.without_gate.fmr is not None
    assert hole.without_gate.fmr >= 1 / 99
    assert hole.without_gate.fnmr == 1.0
    assert not hole.gate_holds
    assert closed.without_gate.fmr == hole.without_gate.fmr
    assert closed.with_gate.probes == 0
    assert closed.gate_holds
    assert report.holes == [hole]
    told = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert told["gate_holds"] is False
    assert told["conditions"][2]["with_gate"]["fmr"] is None
    assert told["tau"] == 1.5
    text = report.as_text()
    assert text.count("NOT HELD") == 1


def test_probes_that_gave_no_encoding_are_presented_and_not_compared() -> None:
    own = crowd([2] * 10)
    gone = [sample("x", 1, None) for _ in range(9)] + [own[9][1]]
    report = evaluate_robustness(as_people(own), [BLUR], gone, rules())
    assert report.results[1].presented == 10
    assert report.results[1].without_gate.probes == 1


def test_raise_is_relative_to_the_same_people_undegraded() -> None:
    own = crowd([2] * 200, spread=0.5)
    report = evaluate_robustness(as_people(own), [BLUR], merged(own, 0.5), rules())
    clean, bad = report.results
    assert clean.without_gate.fmr is not None
    assert bad.without_gate.fmr is not None
    if clean.without_gate.fmr:
        assert bad.raised == pytest.approx(bad.without_gate.fmr / clean.without_gate.fmr)
    else:
        assert bad.raised is None


def test_robustness_needs_somebody_to_come_back() -> None:
    with pytest.raises(UsageError, match="two usable pictures"):
        evaluate_robustness(as_people(crowd([1, 1])), [BLUR], [], rules())


def test_gate_is_the_settings_own() -> None:
    assert rules().limits == Settings().quality
