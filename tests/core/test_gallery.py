"""The gallery: exact distances, second resident, and what is never compared."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from doorguard.core.gallery import Gallery, Space, TemplateFault, encoding_fault
from doorguard.core.model import Encoding, ModelId, ResidentId, Template

MODEL = ModelId("facenet@0123456789ab")
DIM = 128
SPACE = Space(MODEL, DIM)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANN, BEN, CAT = (ResidentId(digit * 16) for digit in "abc")


def _axis(index: int) -> Encoding:
    encoding = np.zeros(DIM, dtype=np.float32)
    encoding[index] = 1.0
    return encoding


def _random(seed: int, count: int) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    unit: NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def _template(
    number: int, resident_id: ResidentId, encoding: NDArray[np.float32], model: ModelId = MODEL
) -> Template:
    return Template(number, resident_id, model, encoding, NOW)


def _gallery(*owned: tuple[ResidentId, Encoding]) -> Gallery:
    gallery, faults = Gallery.build(
        [_template(number, owner, encoding) for number, (owner, encoding) in enumerate(owned)], SPACE
    )
    assert not faults
    return gallery


def test_compare_empty_gallery_finds_nobody() -> None:
    gallery = _gallery()
    found = gallery.compare(_axis(0))
    assert (found.nearest_id, found.second_id) == (None, None)
    assert found.distance_sq == found.second_distance_sq == float("inf")
    assert (gallery.templates, gallery.residents, gallery.distances(_axis(0))) == (0, (), {})


def test_compare_one_resident_has_no_second() -> None:
    found = _gallery((ANN, _axis(0)), (ANN, _axis(1))).compare(_axis(0))
    assert (found.nearest_id, found.distance_sq) == (ANN, 0.0)
    assert (found.second_id, found.second_distance_sq) == (None, float("inf"))


def test_compare_second_is_the_second_resident_not_the_second_template() -> None:
    near = (_axis(0) + 0.1 * _axis(1)) / np.float32(np.sqrt(1.01))
    found = _gallery((ANN, _axis(0)), (ANN, near), (BEN, _axis(5))).compare(_axis(0))
    assert (found.nearest_id, found.distance_sq) == (ANN, 0.0)
    assert (found.second_id, found.second_distance_sq) == (BEN, 2.0)


def test_compare_opposite_encoding_is_at_the_largest_distance() -> None:
    assert _gallery((ANN, -_axis(0))).compare(_axis(0)).distance_sq == 4.0


def test_compare_equal_distances_go_to_the_lower_id() -> None:
    found = _gallery((CAT, _axis(0)), (BEN, _axis(1)), (ANN, _axis(2))).compare(_axis(9))
    assert (found.nearest_id, found.second_id) == (ANN, BEN)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 9))
def test_compare_agrees_with_the_definition(seed: int, count: int, residents: int) -> None:
    encodings = _random(seed, count + 1)
    probe, rows = encodings[0], encodings[1:]
    owners = [ResidentId(f"{row % residents:016x}") for row in range(count)]
    gallery = _gallery(*zip(owners, rows, strict=True))
    expected: dict[ResidentId, float] = {}
    for owner, row in zip(owners, rows, strict=True):
        distance_sq = float(((row.astype(np.float64) - probe.astype(np.float64)) ** 2).sum())
        expected[owner] = min(distance_sq, expected.get(owner, np.inf))
    ranked = sorted(expected.items(), key=lambda item: item[1])
    found = gallery.compare(probe)
    assert gallery.distances(probe) == pytest.approx(expected, abs=1e-12)
    assert found.nearest_id == ranked[0][0]
    assert found.distance_sq == pytest.approx(ranked[0][1], abs=1e-12)
    if len(ranked) > 1:
        assert found.second_id == ranked[1][0]
        assert found.second_distance_sq == pytest.approx(ranked[1][1], abs=1e-12)


def test_compare_residents_closer_than_float32_can_tell_apart_are_ranked_exactly() -> None:
    """The screening product alone would see 1.0 twice: 2e-8 is below float32's step at 1."""
    probe, far = _axis(0), _axis(1).copy()
    near = far.copy()
    near[0] = np.float32(1e-8)
    for order in ((ANN, far, BEN, near), (BEN, far, ANN, near)):
        far_owner, far_row, near_owner, near_row = order
        found = _gallery((far_owner, far_row), (near_owner, near_row)).compare(probe)
        assert found.nearest_id == near_owner
        assert found.distance_sq < found.second_distance_sq


def test_build_unusable_template_shuts_out_its_resident_only() -> None:
    bad = _axis(0).copy()
    bad[3] = np.nan
    gallery, faults = Gallery.build(
        [_template(1, ANN, _axis(0)), _template(2, ANN, bad), _template(3, BEN, _axis(1))], SPACE
    )
    assert faults == (TemplateFault(ANN, 2, "not_finite"),)
    assert (gallery.residents, gallery.templates) == ((BEN,), 1)
    assert gallery.compare(_axis(0)).nearest_id == BEN


@pytest.mark.parametrize(
    ("encoding", "model", "reason"),
    [
        (_axis(0), ModelId("other@0123456789ab"), "other_model"),
        (_axis(0)[:64], MODEL, "wrong_length"),
        (np.tile(_axis(0), (1, 1)), MODEL, "wrong_length"),
        (np.full(DIM, np.inf, dtype=np.float32), MODEL, "not_finite"),
        (np.float32(1.01) * _axis(0), MODEL, "not_unit"),
        (np.zeros(DIM, dtype=np.float32), MODEL, "not_unit"),
        (np.full(DIM, 3e38, dtype=np.float32), MODEL, "not_unit"),
    ],
)
def test_build_each_kind_of_unusable_template_has_its_word(
    encoding: NDArray[np.float32], model: ModelId, reason: str
) -> None:
    gallery, faults = Gallery.build([_template(7, ANN, encoding, model)], SPACE)
    assert faults == (TemplateFault(ANN, 7, reason),)
    assert gallery.templates == 0


def test_encoding_fault_length_within_a_thousandth_is_an_encoding() -> None:
    assert encoding_fault(np.float32(1.0009) * _axis(0), DIM) is None
    assert encoding_fault(np.float32(0.9991) * _axis(0), DIM) is None
    assert encoding_fault(np.float32(1.0011) * _axis(0), DIM) == "not_unit"


@pytest.mark.parametrize(
    "probe",
    [
        np.full(DIM, np.nan, dtype=np.float32),
        np.zeros(DIM, dtype=np.float32),
        _axis(0)[:127],
    ],
)
def test_compare_and_distances_refuse_a_probe_that_is_no_encoding(probe: NDArray[np.float32]) -> None:
    gallery = _gallery((ANN, _axis(0)))
    with pytest.raises(ValueError, match="the probe is no encoding"):
        gallery.compare(probe)
    with pytest.raises(ValueError, match="the probe is no encoding"):
        gallery.distances(probe)


def test_gallery_copies_its_templates() -> None:
    encoding = _axis(0)
    gallery = _gallery((ANN, encoding))
    encoding[:] = _axis(1)
    assert gallery.compare(_axis(0)).distance_sq == 0.0


def test_build_templates_of_another_model_beside_own_ones_only_wait() -> None:
    other = ModelId("other@0123456789ab")
    gallery, faults = Gallery.build(
        [
            _template(1, ANN, _axis(0)),
            _template(2, ANN, _axis(1)[:64], other),
            _template(3, BEN, _axis(2), other),
        ],
        SPACE,
    )
    assert faults == (TemplateFault(BEN, 3, "other_model"),)
    assert (gallery.residents, gallery.templates) == ((ANN,), 1)


def test_build_another_models_dimension_holds() -> None:
    wide = np.zeros(512, dtype=np.float32)
    wide[500] = 1.0
    gallery, faults = Gallery.build([_template(1, ANN, wide)], Space(MODEL, 512))
    assert not faults
    assert gallery.compare(wide).distance_sq == 0.0
    with pytest.raises(ValueError, match="wrong_length"):
        gallery.compare(_axis(0))
