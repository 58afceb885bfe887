"""The three ways to teach: which pictures make a batch, and what is asked of their encodings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from train.faces import Faces
from train.losses import additive_margin, all_distances, neighbourhood, squared_distance, triplet
from train.network import ENCODING_DIM

Rows = NDArray[np.int64]


class Objective(nn.Module):
    """Draws batches and judges their encodings; a module, for it may hold weights and large constants.

    `forward(encodings, rows)` returns the loss, averaged, and figures for the curve.
    """

    def batches(self, random: Generator) -> Iterator[Rows]:
        """Yield row numbers of pictures without end."""
        raise NotImplementedError

    def forward(self, encodings: Tensor, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a batch, and its parts."""
        raise NotImplementedError


def shuffled(count: int, batch: int, random: Generator) -> Iterator[Rows]:
    """Yield every row once in random order, then again; what fills no batch waits for the next turn."""
    if count < batch:
        raise ValueError(f"{count} pictures do not fill a batch of {batch}")
    while True:
        order = random.permutation(count)
        for start in range(0, count - batch + 1, batch):
            yield order[start : start + batch]


@dataclass(frozen=True, slots=True)
class DistillationRules:
    """How a student follows its reference.

    Parameters
    ----------
    batch : pictures of a batch.
    neighbourhood : weight of the divergence of neighbourhoods beside D to the reference. With the last layer
        alone refitted, 0.15, 0.5, 2 and 6 gave FNMR 3.1, 2.8, 2.5 and 2.5 % on the validation pairs at FMR
        1e-4 (before: 3.7 %).
    temperature : of that term, in units of cosine; 0.03, 0.05, 0.08 and 0.12 gave 3.4, 2.5, 2.6 and 2.8 %.
    low_resolution_weight : weight of a face that was tiny; its reference is the less certain.

    """

    batch: int = 64
    neighbourhood: float = 2.0
    temperature: float = 0.05
    low_resolution_weight: float = 0.5


class Distillation(Objective):
    """Follow stored reference encodings, and who resembles whom among them. Needs no labels."""

    references: Tensor
    weights: Tensor

    def __init__(self, faces: Faces, rules: DistillationRules) -> None:
        super().__init__()
        if faces.references is None or faces.references.shape[1] != ENCODING_DIM:
            raise ValueError(f"distillation needs faces with references of {ENCODING_DIM} numbers")
        self.rules = rules
        weights = np.where(faces.low_resolution, rules.low_resolution_weight, 1.0).astype(np.float32)
        self.register_buffer("references", torch.from_numpy(faces.references), persistent=False)
        self.register_buffer("weights", torch.from_numpy(weights), persistent=False)

    def batches(self, random: Generator) -> Iterator[Rows]:
        """Yield shuffled rows."""
        return shuffled(len(self.references), self.rules.batch, random)

    def forward(self, encodings: Tensor, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return D to the reference plus the neighbourhood's divergence, weighted."""
        wanted, weights = self.references[rows], self.weights[rows]
        rules = self.rules
        away = squared_distance(encodings, wanted)
        loss, figures = away, {"distance": away.mean()}
        if rules.neighbourhood:
            apart = neighbourhood(encodings, wanted, self.references, rows, rules.temperature)
            loss = loss + rules.neighbourhood * apart
            figures["neighbourhood"] = apart.mean()
        figures["cosine"] = (encodings * wanted).sum(dim=1).mean()
        return (loss * weights).sum() / weights.sum(), figures


def _people(faces: Faces) -> tuple[Tensor, int]:
    """Return person numbers from 0 without gaps, and how many there are."""
    if faces.people is None:
        raise ValueError("this objective needs faces that say which person each one is")
    names, numbers = np.unique(faces.people, return_inverse=True)
    return torch.from_numpy(numbers.reshape(-1).astype(np.int64)), len(names)


class Triplets(Objective):
    """FaceNet's own loss over batches of P people × K pictures, negatives mined within the batch."""

    people: Tensor

    def __init__(self, faces: Faces, *, people: int = 16, pictures: int = 4, alpha: float = 0.2) -> None:
        super().__init__()
        numbers, count = _people(faces)
        self.register_buffer("people", numbers, persistent=False)
        self._of_person = [np.flatnonzero(numbers.numpy() == person) for person in range(count)]
        self._usable = [person for person in range(count) if len(self._of_person[person]) >= 2]
        if len(self._usable) < people or people < 2 or pictures < 2:
            raise ValueError(
                f"{len(self._usable)} people have two pictures or more; batches of {people} × {pictures} "
                "need at least two people, two pictures each, and that many people"
            )
        self._size = (people, pictures)
        self._alpha = alpha

    def batches(self, random: Generator) -> Iterator[Rows]:
        """Yield P people with K pictures each; one who has fewer repeats some of his."""
        people, pictures = self._size
        while True:
            chosen = random.choice(self._usable, people, replace=False)
            yield np.concatenate(
                [
                    random.choice(
                        self._of_person[one], pictures, replace=len(self._of_person[one]) < pictures
                    )
                    for one in chosen
                ]
            )

    def forward(self, encodings: Tensor, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean over all triplets, and the share of those that still teach something."""
        loss = triplet(all_distances(encodings), self.people[rows], self._alpha)
        return loss.mean(), {"active": (loss > 0).float().mean()}


class AdditiveMargin(Objective):
    """A softmax over the people of a labelled set, whose own class must win by a margin."""

    people: Tensor

    def __init__(self, faces: Faces, *, batch: int = 64, scale: float = 30.0, margin: float = 0.35) -> None:
        super().__init__()
        numbers, count = _people(faces)
        self.register_buffer("people", numbers, persistent=False)
        self.directions = nn.Parameter(functional.normalize(torch.randn(count, ENCODING_DIM), dim=1))
        self._batch, self._scale, self._margin = batch, scale, margin

    def batches(self, random: Generator) -> Iterator[Rows]:
        """Yield shuffled rows."""
        return shuffled(len(self.people), self._batch, random)

    def forward(self, encodings: Tensor, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean loss, and the share of pictures nearest to their own person's direction."""
        people = self.people[rows]
        cosines = encodings @ functional.normalize(self.directions, dim=1).T
        loss = additive_margin(cosines, people, scale=self._scale, margin=self._margin)
        return loss.mean(), {"right": (cosines.argmax(dim=1) == people).float().mean()}
