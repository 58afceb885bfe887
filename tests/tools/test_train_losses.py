"""What a student is asked for, against numbers worked out by hand or by the plainest loop."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [train] is not installed")

from train.losses import (  # noqa: E402
    additive_margin,
    all_distances,
    neighbourhood,
    semi_hard_triplets,
    squared_distance,
    triplet,
)


def on_line(*places: float) -> torch.Tensor:
    """Distances as if encodings stood on a line: any squared distance wanted is easy to place."""
    line = torch.tensor(places)
    return (line[:, None] - line[None, :]) ** 2


def units(rows: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed)), dim=1
    )


def test_distance_of_unit_vectors_is_zero_two_and_four() -> None:
    a = torch.tensor([[1.0, 0.0]] * 3)
    b = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert squared_distance(a, b).tolist() == [0.0, 2.0, 4.0]
    assert all_distances(b).tolist() == [[0.0, 2.0, 4.0], [2.0, 0.0, 2.0], [4.0, 2.0, 0.0]]


def test_semi_hard_negative_is_nearest_beyond_the_positive() -> None:
    # anchor at 0, positive at 1; negatives at 0.5 (harder), 1.2 and 1.1 (semi-hard), 3 (easy)
    distances = on_line(0.0, 1.0, 0.5, 1.2, 1.1, 3.0)
    people = torch.tensor([0, 0, 1, 2, 3, 4])
    anchor, positive, negative = (each.tolist() for each in semi_hard_triplets(distances, people, 0.5))
    chosen = {(a, p): n for a, p, n in zip(anchor, positive, negative, strict=True)}
    assert set(chosen) == {(0, 1), (1, 0)}
    assert chosen[0, 1] == 4


def test_without_semi_hard_negative_the_farthest_inside_is_taken() -> None:
    distances = on_line(0.0, 1.0, 0.2, 0.6, 5.0)
    people = torch.tensor([0, 0, 1, 2, 3])
    anchor, positive, negative = (each.tolist() for each in semi_hard_triplets(distances, people, 0.5))
    assert (anchor[0], positive[0], negative[0]) == (0, 1, 3)


def test_triplets_all_satisfied_cost_nothing() -> None:
    distances = on_line(0.0, 0.1, 5.0, 5.1)
    loss = triplet(distances, torch.tensor([0, 0, 1, 1]), 0.2)
    assert loss.tolist() == [0.0, 0.0, 0.0, 0.0]


def test_triplet_loss_agrees_with_plain_loops() -> None:
    people = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    distances, alpha = all_distances(units(7, seed=4)), 0.4
    wanted = []
    for a, p in itertools.permutations(range(7), 2):
        if people[a] != people[p]:
            continue
        others = [float(distances[a, n]) for n in range(7) if people[n] != people[a]]
        ap = float(distances[a, p])
        semi = [d for d in others if ap < d < ap + alpha]
        inside = [d for d in others if d <= ap]
        chosen = min(semi) if semi else max(inside) if inside else min(others)
        wanted.append(max(ap - chosen + alpha, 0))
    assert sum(value > 0 for value in wanted) > 3
    np.testing.assert_allclose(triplet(distances, people, alpha).numpy(), wanted, atol=1e-6)


def test_batch_of_one_person_is_refused() -> None:
    with pytest.raises(ValueError, match="no negatives"):
        semi_hard_triplets(on_line(0.0, 1.0), torch.tensor([3, 3]), 0.2)


def test_additive_margin_takes_the_margin_from_the_own_class_only() -> None:
    cosines = torch.tensor([[0.8, 0.1, -0.2]])
    loss = additive_margin(cosines, torch.tensor([0]), scale=10.0, margin=0.35)
    scores = np.exp(10 * np.array([0.8 - 0.35, 0.1, -0.2]))
    assert float(loss) == pytest.approx(-np.log(scores[0] / scores.sum()), rel=1e-5)


def test_neighbourhood_of_the_reference_itself_is_zero_and_of_another_is_not() -> None:
    bank = units(20, seed=1)
    own = torch.tensor([2, 7])
    right = neighbourhood(bank[own], bank[own], bank, own, 0.05)
    assert right.abs().max() < 1e-6
    assert neighbourhood(units(2, seed=9), bank[own], bank, own, 0.05).min() > 0.1


def test_neighbourhood_leaves_the_picture_itself_out() -> None:
    # The student is exact but for its own reference: being near or far from it alone must not matter.
    bank = torch.eye(4)
    own = torch.tensor([0])
    turned = torch.nn.functional.normalize(torch.tensor([[0.2, 0.0, 0.0, 0.0]]), dim=1)
    assert neighbourhood(-turned, bank[own], bank, own, 0.1).abs().max() < 1e-6
