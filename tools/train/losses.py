"""What a student is asked for. Encodings are unit vectors, so D = |a − b|² = 2 − 2 a·b runs from 0 to 4."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return D row by row, of two n × d."""
    return (a - b).square().sum(dim=1)


def all_distances(a: Tensor) -> Tensor:
    """Return D of every row of n × d to every row, n × n."""
    return (2 - 2 * a @ a.T).clamp(min=0)


def neighbourhood(student: Tensor, wanted: Tensor, bank: Tensor, own: Tensor, temperature: float) -> Tensor:
    """Return, row by row, how wrongly the student sees who resembles whom (KL divergence, nats).

    A face's similarities to a bank of reference encodings become a distribution; the student's shall be the
    reference's. At a low temperature only close ones weigh: the same person's other pictures and his nearest
    lookalikes, and there lies a threshold of FMR 1e-4. After Fang et al. 2021 (SEED, arXiv 2101.04731).

    Parameters
    ----------
    student, wanted : n × d, unit length: what the student sees, and the reference.
    bank : m × d, unit length.
    own : n, where in the bank each face itself stands: it is left out, or nothing else would weigh.
    temperature : > 0, in units of cosine.

    """
    rows = torch.arange(len(own), device=own.device)

    def log_shares(encodings: Tensor) -> Tensor:
        scores = encodings @ bank.T / temperature
        return functional.log_softmax(scores.index_put((rows, own), scores.new_tensor(-1e4)), dim=1)

    with torch.no_grad():
        shares = log_shares(wanted)
    return functional.kl_div(log_shares(student), shares, reduction="none", log_target=True).sum(dim=1)


def semi_hard_triplets(distances: Tensor, people: Tensor, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Choose a negative for every anchor and positive of a batch.

    Semi-hard is a negative farther than the positive by less than alpha (Schroff et al. 2015, section 3.2:
    the hardest ones make an untrained network collapse). Of several the nearest is taken; where there is
    none, the farthest of those nearer than the positive, else the nearest of all, which gives no loss.

    Parameters
    ----------
    distances : n × n squared distances.
    people : n person numbers.
    alpha : margin, > 0.

    Returns
    -------
    Row numbers of anchors, positives, negatives, one entry for every ordered pair of one person.

    """
    same = people[:, None] == people[None, :]
    if same.all():
        raise ValueError("a batch of one person has no negatives")
    anchor, positive = (same & ~torch.eye(len(people), dtype=torch.bool, device=same.device)).nonzero().T
    is_other = ~same[anchor]
    to_positive = distances[anchor, positive][:, None]
    to_all = distances[anchor]
    beyond = is_other & (to_all > to_positive)
    semi_hard = beyond & (to_all < to_positive + alpha)
    nearest = to_all.masked_fill(~beyond, torch.inf).argmin(dim=1)
    farthest_inside = to_all.masked_fill(~(is_other & ~beyond), -torch.inf).argmax(dim=1)
    chosen = to_all.masked_fill(~semi_hard, torch.inf).argmin(dim=1)
    has_inside = (is_other & ~beyond).any(dim=1)
    fallback = torch.where(has_inside, farthest_inside, nearest)
    return anchor, positive, torch.where(semi_hard.any(dim=1), chosen, fallback)


def triplet(distances: Tensor, people: Tensor, alpha: float) -> Tensor:
    """Return max(D(a, p) − D(a, n) + alpha, 0) of every semi-hard triplet in the batch."""
    with torch.no_grad():
        anchor, positive, negative = semi_hard_triplets(distances, people, alpha)
    return (distances[anchor, positive] - distances[anchor, negative] + alpha).clamp(min=0)


def additive_margin(cosines: Tensor, people: Tensor, *, scale: float, margin: float) -> Tensor:
    """Return the softmax loss whose own class must win by a margin of cosine, row by row.

    Wang et al. 2018 (AM-Softmax, arXiv 1801.05599).

    Parameters
    ----------
    cosines : n × classes, of each encoding to each class's direction.
    people : n class numbers.
    scale, margin : > 0; 30 and 0.35 in the paper.

    """
    own = functional.one_hot(people, cosines.shape[1]).to(cosines.dtype)
    return functional.cross_entropy(scale * (cosines - margin * own), people, reduction="none")
