"""Error rates against cases counted by hand, and against scikit-learn's curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from doorguard.core.metrics import (
    NOBODY,
    Scores,
    best_tau,
    fold_accuracy,
    fused,
    granted,
    own_pairs,
    pairwise_distances,
    votes,
)

GENUINE = np.array([0.9, 0.2, 0.4, 1.4])
IMPOSTOR = np.array([1.0, 1.8, 0.9, 2.0, 1.5, 1.6, 1.7, 1.9, 2.1, 2.2])


@pytest.fixture
def scores() -> Scores:
    return Scores.of(GENUINE, IMPOSTOR)


# Rates at a tau


@pytest.mark.parametrize(
    ("tau", "fmr", "fnmr"),
    [(0.1, 0.0, 1.0), (0.4, 0.0, 0.5), (0.9, 0.1, 0.25), (1.0, 0.2, 0.25), (1.4, 0.2, 0.0), (2.2, 1.0, 0.0)],
)
def test_rates_of_a_toy_are_those_counted_by_hand(
    scores: Scores, tau: float, fmr: float, fnmr: float
) -> None:
    assert scores.fmr(tau) == pytest.approx(fmr)
    assert scores.fnmr(tau) == pytest.approx(fnmr)
    assert scores.false_matches(tau) == round(fmr * 10)
    assert scores.misses(tau) == round(fnmr * 4)


def test_boundary_counts_as_a_match(scores: Scores) -> None:
    assert scores.fmr(0.9) == 0.1
    assert scores.fmr(np.nextafter(0.9, 0)) == 0.0


def test_infinite_genuine_distance_is_a_miss_at_any_tau() -> None:
    scores = Scores.of(np.array([0.5, np.inf]), IMPOSTOR)
    assert scores.fnmr(4.0) == 0.5


@pytest.mark.parametrize(
    ("genuine", "impostor"),
    [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([1.0], [np.nan]), ([1.0], [np.inf])],
)
def test_scores_of_nothing_or_of_no_number_are_refused(genuine: list[float], impostor: list[float]) -> None:
    with pytest.raises(ValueError, match="distances"):
        Scores.of(np.array(genuine, dtype=float), np.array(impostor, dtype=float))


# tau at an FMR


@pytest.mark.parametrize(
    ("fmr", "tau"), [(0.1, 0.9), (0.19, 0.9), (0.2, 1.0), (0.3, 1.5), (1.0, 2.2), (0.09, None)]
)
def test_tau_is_the_largest_that_keeps_the_fmr(scores: Scores, fmr: float, tau: float | None) -> None:
    assert scores.tau_at(fmr) == tau


def test_tau_steps_back_before_equal_distances_that_would_match_together() -> None:
    scores = Scores.of(GENUINE, np.array([0.5, 1.0, 1.0, 2.0]))
    assert scores.tau_at(0.5) == 0.5
    assert Scores.of(GENUINE, np.array([1.0, 1.0, 2.0, 2.0])).tau_at(0.25) is None


def test_tau_is_not_a_step_too_strict_for_a_product_that_rounds_down() -> None:
    assert Scores.of(GENUINE, np.arange(1, 101) / 50).tau_at(0.29) == 29 / 50


@given(
    st.lists(st.floats(0, 4), min_size=1, max_size=60),
    st.floats(0.001, 1.0),
)
def test_tau_keeps_its_promise(impostor: list[float], fmr: float) -> None:
    scores = Scores.of(GENUINE, np.array(impostor))
    tau = scores.tau_at(fmr)
    if tau is not None:
        assert scores.fmr(tau) <= fmr + 1e-9
        above = [distance for distance in impostor if distance > tau]
        if above:
            assert scores.fmr(min(above)) > fmr


# Equal error rate and curve


def test_eer_of_separate_distances_is_zero() -> None:
    rate, tau = Scores.of(np.array([0.1, 0.2]), np.array([1.0, 2.0])).eer()
    assert rate == 0.0
    assert 0.2 <= tau < 1.0


def test_eer_of_swapped_distances_is_one() -> None:
    assert Scores.of(np.array([2.0]), np.array([1.0])).eer()[0] == 1.0


def test_eer_of_a_toy_is_that_counted_by_hand(scores: Scores) -> None:
    # At 1.0: FMR 2/10, FNMR 1/4; at 1.4: 2/10 and 0. The nearer pair is the first.
    assert scores.eer() == (pytest.approx(0.225), 1.0)


def test_eer_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    genuine, impostor = rng.normal(0.8, 0.3, 4000), rng.normal(1.9, 0.3, 9000)
    fpr, tpr, _ = roc_curve(
        np.repeat([1, 0], [4000, 9000]), -np.concatenate([genuine, impostor]), drop_intermediate=False
    )
    nearest = np.argmin(np.abs(fpr - (1 - tpr)))
    rate, tau = Scores.of(genuine, impostor).eer()
    assert rate == pytest.approx((fpr[nearest] + 1 - tpr[nearest]) / 2, abs=1e-12)
    assert Scores.of(genuine, impostor).fmr(tau) == pytest.approx(fpr[nearest])


def test_every_point_of_scikit_learns_curve_is_ours() -> None:
    rng = np.random.default_rng(2)
    genuine, impostor = rng.normal(0.8, 0.4, 300).round(2), rng.normal(1.6, 0.4, 700).round(2)
    fpr, tpr, thresholds = roc_curve(
        np.repeat([1, 0], [300, 700]), -np.concatenate([genuine, impostor]), drop_intermediate=False
    )
    scores = Scores.of(genuine, impostor)
    for false, true, threshold in zip(fpr[1:], tpr[1:], thresholds[1:], strict=True):
        assert scores.fmr(-threshold) == pytest.approx(false, abs=1e-12)
        assert scores.fnmr(-threshold) == pytest.approx(1 - true, abs=1e-12)


def test_det_curve_holds_the_rates_at_its_taus(scores: Scores) -> None:
    taus, fmr, fnmr = scores.det(points=50)
    assert taus.tolist() == sorted(IMPOSTOR.tolist())
    assert fmr.tolist() == [scores.fmr(tau) for tau in taus]
    assert fnmr.tolist() == [scores.fnmr(tau) for tau in taus]


# Accuracy over folds


def test_best_tau_lies_half_way_behind_the_last_right_answer() -> None:
    distances = np.array([0.2, 1.0, 0.6, 1.4])
    assert best_tau(distances, np.array([True, False, True, False])) == pytest.approx(0.8)


def test_best_tau_of_strangers_alone_matches_nobody() -> None:
    assert best_tau(np.array([0.4, 1.0]), np.array([False, False])) == 0.2


def test_best_tau_of_one_person_alone_matches_everybody() -> None:
    assert best_tau(np.array([0.4, 1.0]), np.array([True, True])) == 1.0


def test_best_tau_cannot_part_equal_distances() -> None:
    distances = np.array([0.5, 0.5, 0.5, 1.0])
    tau = best_tau(distances, np.array([True, False, False, True]))
    assert tau < 0.5  # one right of three costs two, so nothing matches


def test_fold_accuracy_judges_each_fold_by_the_others() -> None:
    # Fold 0 is separated at 1.0, fold 1 at 2.0: each suffers from the other's tau.
    distances = np.array([0.5, 1.5, 1.7, 3.0])
    same = np.array([True, False, True, False])
    found = fold_accuracy(distances, same, np.array([0, 0, 1, 1]))
    assert found.taus == (pytest.approx(2.35), pytest.approx(1.0))
    assert found.per_fold == (0.5, 0.5)
    assert found.mean == found.mean_answered == 0.5
    assert found.deviation == 0.0


def test_pair_without_distance_counts_as_answered_different() -> None:
    distances = np.array([0.5, 1.5, np.nan, np.nan, 0.5, 1.5])
    same = np.array([True, False, True, False, True, False])
    found = fold_accuracy(distances, same, np.array([0, 0, 0, 0, 1, 1]))
    assert found.per_fold == (0.75, 1.0)
    assert found.answered == (1.0, 1.0)
    assert found.deviation == pytest.approx(0.25 / np.sqrt(2))


@pytest.mark.parametrize("folds", [[0, 0], [0, 1]])
def test_folds_that_leave_nothing_to_choose_by_are_refused(folds: list[int]) -> None:
    with pytest.raises(ValueError, match="fold"):
        fold_accuracy(np.array([0.5, np.nan]), np.array([True, False]), np.array(folds))


# Searches


def test_frame_speaks_for_the_nearest_within_tau_and_margin() -> None:
    distances = np.array([[0.5, 1.5], [1.0, 0.5], [1.2, 1.3], [0.9, 0.95], [1.0, 1.1]])
    spoken = votes(distances, tau=1.0, margin=0.1)
    assert spoken.tolist() == [0, 1, NOBODY, NOBODY, 0]


def test_single_resident_has_no_second() -> None:
    assert votes(np.array([[0.5], [1.5]]), tau=1.0, margin=0.1).tolist() == [0, NOBODY]


def test_attempt_is_granted_to_whom_enough_frames_agree_on_first() -> None:
    frames = np.array(
        [
            [0, 0, 0, 1, 1],
            [0, 1, 0, 1, 0],
            [0, 1, 0, 1, NOBODY],
            [NOBODY, NOBODY, NOBODY, NOBODY, NOBODY],
            [NOBODY, 2, 2, 2, NOBODY],
        ]
    )
    assert granted(frames, 3).tolist() == [0, 0, NOBODY, NOBODY, 2]
    assert granted(frames, 1).tolist() == [0, 0, 0, NOBODY, 2]


# Distances


def test_distances_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(5, 128))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    found = pairwise_distances(vectors[:2], vectors)
    for row in range(2):
        for column in range(5):
            expected = float(((vectors[row] - vectors[column]).astype(np.float64) ** 2).sum())
            assert found[row, column] == pytest.approx(expected, abs=1e-6)
    assert (found >= 0).all()


def test_own_pairs_hold_each_pair_once() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert own_pairs(vectors).tolist() == [2.0, 2.0, 2.0]
    assert own_pairs(vectors[:1]).tolist() == []


def test_fused_encodings_have_unit_length_and_point_between() -> None:
    mean = fused([np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)])
    assert mean == pytest.approx([np.sqrt(0.5)] * 2)
    with pytest.raises(ValueError, match="opposite"):
        fused([np.array([1.0, 0.0]), np.array([-1.0, 0.0])])
