"""The contract of `ports.Vision`, on the simulated one and on the real models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from doorguard.adapters.simulated.vision import DIM, SimulatedFace, SimulatedVision, person
from doorguard.core.gallery import encoding_fault
from doorguard.core.model import Box, Detection, Image, QualityFault
from doorguard.ports import Vision
from doorguard.vision.images import load_image
from doorguard.vision.pipeline import FacePipeline


@dataclass
class Case:
    """A vision and a picture in which it sees at least one good face."""

    vision: Vision
    picture: Image


@pytest.fixture(params=["simulated", "real"])
def case(request: pytest.FixtureRequest, photos: Path, vision: FacePipeline) -> Case:
    if request.param == "real":
        return Case(vision, load_image(photos / "obama-2009.jpg"))
    simulated = SimulatedVision()
    simulated.faces = (SimulatedFace(person(1), box=Box(0, 0, 30, 30)), SimulatedFace(person(2)))
    return Case(simulated, np.zeros((480, 640, 3), dtype=np.uint8))


def test_detect_comes_largest_first(case: Case) -> None:
    areas = [detection.box.area for detection in case.vision.detect(case.picture)]
    assert areas
    assert areas == sorted(areas, reverse=True)


def test_observe_good_face_has_an_encoding_and_stages(case: Case) -> None:
    first = case.vision.detect(case.picture)[0]
    observation = case.vision.observe(case.picture, first)
    assert observation.detection is first
    assert observation.faults == ()
    assert observation.encoding is not None
    assert encoding_fault(observation.encoding, case.vision.space.dim) is None
    assert {"detect", "encode"} <= observation.stage_ms.keys()
    assert all(spent >= 0 for spent in observation.stage_ms.values())


def test_observe_same_face_twice_gives_the_same_encoding(case: Case) -> None:
    first = case.vision.detect(case.picture)[0]
    one, other = (case.vision.observe(case.picture, first).encoding for _ in range(2))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one, other)


def test_model_id_names_the_encoder_and_its_digest(case: Case) -> None:
    name, _, digest = case.vision.model_id.partition("@")
    assert name
    assert len(digest) == 12


def test_observe_face_with_a_fault_has_no_encoding(vision: FacePipeline) -> None:
    simulated = SimulatedVision()
    simulated.faces = (SimulatedFace(person(1), faults=(QualityFault.BLURRED,)),)
    grey = np.full((480, 640, 3), 90, dtype=np.uint8)
    nothing = Detection(Box(300, 200, 80, 80), 0.9, np.full((6, 2), 240, dtype=np.float32))
    for any_vision, detection in ((simulated, simulated.detect(grey)[0]), (vision, nothing)):
        observation = any_vision.observe(grey, detection)
        assert observation.faults
        assert observation.encoding is None


@pytest.mark.parametrize("apart", [0.0, 0.3, 1.9])
def test_person_apart_is_at_that_distance(apart: float) -> None:
    assert encoding_fault(person(3, apart=apart), DIM) is None
    assert float(((person(3) - person(3, apart=apart)) ** 2).sum()) == pytest.approx(apart, abs=1e-5)
