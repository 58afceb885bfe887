"""Who of a household resembles whom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from standins.crowd import rules, unit

from doorguard.adapters.simulated.clock import ManualClock
from doorguard.adapters.simulated.memory import MemoryStore
from doorguard.core.model import ModelId, ResidentId, Threshold
from doorguard.lab.cohort import Cohort, fit_cohort
from doorguard.lab.household import (
    SYNTHETIC,
    HouseholdReport,
    Limits,
    Member,
    Strangers,
    household,
    members,
    portraits,
    strangers,
)
from doorguard.photos import NAMES
from doorguard.vision.pipeline import FacePipeline

RNG = np.random.default_rng(3)
ANN = unit(RNG.normal(size=128))
LIMITS = Limits(Threshold(1.1, 1e-4, 0.1, "measured", 3), 1.5, rules().table)


def away(encoding: np.ndarray, distance_sq: float) -> np.ndarray:
    """A direction at exactly this squared distance."""
    aside = RNG.normal(size=len(encoding))
    aside -= (aside @ encoding) * encoding
    cosine = 1.0 - distance_sq / 2.0
    return unit(cosine * encoding + np.sqrt(1.0 - cosine**2) * unit(aside))


def member(name: str, *encodings: np.ndarray) -> Member:
    return Member(ResidentId(name * 4), name, np.array(encodings))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """Strangers who gather around one direction."""
    crowd = [unit(ANN + 1.2 * unit(np.random.default_rng(i).normal(size=128))) for i in range(400)]
    return fit_cohort(crowd, ModelId("m@1"), reach=1.0, origin="crowd")


def look(*people: Member, cohort: Cohort | None = None) -> HouseholdReport:
    return household(people, Strangers([("portrait", away(ANN, 1.9))], cohort, "not fitted"), LIMITS)


def test_two_within_tau_are_warned_of(cohort: Cohort) -> None:
    report = look(member("anna", ANN), member("bert", away(ANN, 0.9)))
    anna, bert = report.findings
    assert (anna.nearest, bert.nearest) == ("bert", "anna")
    assert anna.distance_sq == pytest.approx(0.9, abs=1e-5)
    assert [text for text in report.warnings if "within tau" in text and "either may be let in" in text]


def test_two_who_look_alike_are_told_of_with_how_rare_that_is() -> None:
    report = look(member("anna", ANN), member("bert", away(ANN, 1.4)))
    assert [text for text in report.warnings if text.startswith("anna and bert look alike")]
    assert report.findings[0].stranger_fmr == pytest.approx(10 ** (-2 - 4 * 0.1 / 0.5), rel=0.01)
    assert "as one stranger in" in report.as_text()


def test_strangers_to_each_other_give_no_warning() -> None:
    report = look(member("anna", ANN), member("bert", away(ANN, 1.9)))
    assert not report.warnings
    assert report.findings[0].stranger_fmr is None
    assert "warning" not in report.as_text()


def test_nearest_template_counts() -> None:
    report = look(member("anna", away(ANN, 1.9), ANN), member("bert", away(ANN, 0.5)))
    assert report.findings[0].distance_sq == pytest.approx(0.5, abs=1e-5)
    assert report.findings[0].templates == 2


def test_resident_alone_has_no_nearest() -> None:
    report = look(member("anna", ANN))
    assert (report.findings[0].nearest, report.findings[0].distance_sq) == (None, None)
    assert report.as_json()["residents"][0]["nearest"] is None  # type: ignore[index]


def test_resident_in_the_middle_of_the_crowd_attracts_strangers(cohort: Cohort) -> None:
    report = look(member("anna", ANN), member("bert", away(ANN, 2.0)), cohort=cohort)
    anna, bert = report.findings
    assert anna.attraction is not None and bert.attraction is not None
    assert anna.attraction > 2.0 > bert.attraction
    assert anna.synthetic_within is not None and 0 < anna.synthetic_within <= SYNTHETIC
    assert [text for text in report.warnings if "strangers resemble anna" in text]
    assert not [text for text in report.warnings if "strangers resemble bert" in text]
    assert "50,000 synthetic encodings" in report.strangers


def test_average_face_attracts_as_often_as_an_average_face(cohort: Cohort) -> None:
    crowd = [unit(ANN + 1.2 * unit(np.random.default_rng(i).normal(size=128))) for i in range(100)]
    report = look(*(member(f"p{i}", each) for i, each in enumerate(crowd)), cohort=cohort)
    assert np.mean([each.attraction for each in report.findings]) == pytest.approx(1.0, abs=0.15)


def test_portrait_within_tau_is_warned_of() -> None:
    people = [member("anna", ANN)]
    report = household(people, Strangers([("obama-2009", away(ANN, 0.3))], None, "none"), LIMITS)
    assert [text for text in report.warnings if "bundled portrait obama-2009 is within tau of anna" in text]


def test_without_a_cohort_the_report_says_why() -> None:
    report = look(member("anna", ANN))
    assert report.findings[0].attraction is None
    assert "none synthetic: not fitted" in report.as_text()


def test_members_are_the_enabled_with_templates_of_this_encoder() -> None:
    store = MemoryStore(ManualClock())
    mine, other = ModelId("m@1"), ModelId("other@1")
    anna = store.add_resident("anna", None, [(mine, ANN), (mine, away(ANN, 0.1))])
    off = store.add_resident("off", None, [(mine, ANN)])
    store.set_enabled(off.resident_id, False)
    store.add_resident("elsewhere", None, [(other, ANN)])
    found = members(store, mine)
    assert [(each.name, each.resident_id, len(each.encodings)) for each in found] == [
        ("anna", anna.resident_id, 2)
    ]


def test_bundled_portraits_are_encoded(vision: FacePipeline, tmp_path: Path) -> None:
    found = portraits(vision)
    assert [name for name, _ in found] == list(NAMES)
    known = strangers(vision, tmp_path / "none.json")
    assert known.cohort is None
    assert "none.json cannot be used" in known.missing


def test_portrait_the_gate_refuses_is_left_out(vision: FacePipeline) -> None:
    strict = vision.limits.model_copy(update={"sharpness_min": 9999.0})
    usual, vision.limits = vision.limits, strict
    try:
        assert portraits(vision) == []
    finally:
        vision.limits = usual
