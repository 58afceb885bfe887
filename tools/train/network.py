"""FaceNet with Inception-ResNet blocks, layer for layer and name for name as the shipped checkpoint.

Unit encodings of 128 numbers (Schroff et al. 2015, arXiv 1503.03832) from blocks of Szegedy et al. 2016
(arXiv 1602.07261). A `Shape` makes the same network narrower, wider or for smaller pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

ENCODING_DIM = 128
_FLOAT16_MAX = float(np.finfo(np.float16).max)
_HALVINGS = 16
"""The stem halves the picture twice, each reduction once more."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a network; the defaults are the shipped one's (252 M multiply-adds, 1.9 M parameters).

    Parameters
    ----------
    input_size : side of the picture, a multiple of 16.
    stem : channels and stride of each 3×3 convolution.
    stages : channels of a branch and number of blocks, before, between and after the reductions.
    reductions : channels that each reduction's two convolutions add.
    head : channels before the depthwise layer that sums up what is left of the picture.

    """

    input_size: int = 112
    stem: tuple[tuple[int, int], ...] = ((24, 2), (24, 1), (48, 2), (96, 1))
    stages: tuple[tuple[int, int], ...] = ((16, 3), (32, 6), (64, 3))
    reductions: tuple[tuple[int, int], ...] = ((48, 48), (96, 96))
    head: int = 512


def cbr(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution without bias, batch norm, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Block(nn.Module):
    """Inception-ResNet block: x + up(concat(1×1, 1×1–3×3, 1×1–3×3–3×3)), then ReLU."""

    def __init__(self, channels: int, branch: int) -> None:
        super().__init__()
        self.b0 = cbr(channels, branch, 1)
        self.b1 = nn.Sequential(cbr(channels, branch, 1), cbr(branch, branch, 3))
        self.b2 = nn.Sequential(cbr(channels, branch, 1), cbr(branch, branch, 3), cbr(branch, branch, 3))
        self.up = nn.Sequential(nn.Conv2d(3 * branch, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Add what the three branches see to x."""
        seen = torch.cat((self.b0(x), self.b1(x), self.b2(x)), dim=1)
        return functional.relu(x + self.up(seen), inplace=True)


class Reduction(nn.Module):
    """Halve the picture: concat(3×3 stride 2, 1×1–3×3 stride 2, max-pool)."""

    def __init__(self, channels: int, a: int, b: int) -> None:
        super().__init__()
        self.a = cbr(channels, a, 3, 2)
        self.b = nn.Sequential(cbr(channels, b, 1), cbr(b, b, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return a picture of half the size with a + b more channels."""
        return torch.cat((self.a(x), self.b(x), functional.max_pool2d(x, 3, 2, 1)), dim=1)


class FaceNet(nn.Module):
    """From n × 3 × size × size in [−1, 1], RGB, to n unit vectors of 128."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape or Shape()
        channels, layers = 3, []
        for outputs, stride in self.shape.stem:
            layers.append(cbr(channels, outputs, 3, stride))
            channels = outputs
        self.stem = nn.Sequential(*layers)
        blocks: list[nn.Module] = []
        for index, (branch, count) in enumerate(self.shape.stages):
            blocks += [Block(channels, branch) for _ in range(count)]
            if index < len(self.shape.reductions):
                blocks.append(Reduction(channels, *self.shape.reductions[index]))
                channels += sum(self.shape.reductions[index])
        self.body = nn.Sequential(*blocks)
        head, top = self.shape.head, self.shape.input_size // _HALVINGS
        self.head = cbr(channels, head, 1)
        self.gdc = nn.Sequential(nn.Conv2d(head, head, top, groups=head, bias=False), nn.BatchNorm2d(head))
        self.fc = nn.Linear(head, ENCODING_DIM, bias=False)

    def directions(self, x: Tensor) -> Tensor:
        """Return the 128 numbers before they are brought to unit length, as the TFLite file gives them."""
        x = self.gdc(self.head(self.body(self.stem(x))))
        numbers: Tensor = self.fc(x.flatten(1))
        return numbers

    def forward(self, x: Tensor) -> Tensor:
        """Return unit vectors, float32."""
        return functional.normalize(self.directions(x).float(), dim=1)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the weights in an npz checkpoint as float32, whatever precision they were stored in.

    The shipped file ends with the mean 0 and variance 1 of a batch norm that does nothing; they are left out.
    """
    with np.load(path) as stored:
        names = [name for name in stored.files if not name.startswith("bn.")]
        return {name: torch.from_numpy(stored[name].astype(np.float32)) for name in names}


def write_checkpoint(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights as float16 in the shipped file's format, whole or not at all; raises `ValueError`.

    Half precision moves an encoding by D below 1e-5 and halves what the repository must carry.
    """
    held = {
        name: tensor.detach().float().cpu().numpy()
        for name, tensor in weights.items()
        if not name.endswith("num_batches_tracked")
    }
    # NaN compares as false, so it is caught by the same question.
    wrong = [name for name, array in held.items() if not (np.abs(array) <= _FLOAT16_MAX).all()]
    if wrong:
        raise ValueError(f"these weights are not finite in float16: {', '.join(wrong[:5])}")
    stored: dict[str, Any] = {name: array.astype(np.float16) for name, array in held.items()}
    stored["bn.running_mean"] = np.zeros(ENCODING_DIM, np.float16)
    stored["bn.running_var"] = np.ones(ENCODING_DIM, np.float16)
    part = path.with_name(f"{path.stem}.part.npz")
    np.savez(part, **stored)
    part.replace(path)


def load_weights(network: nn.Module, path: Path) -> None:
    """Put a checkpoint's weights into a network of its shape; `ValueError` names what does not fit."""
    weights = read_checkpoint(path)
    wanted = {name for name in network.state_dict() if not name.endswith("num_batches_tracked")}
    strange = wanted ^ set(weights)
    if strange:
        raise ValueError(f"{path} is of another network: {', '.join(sorted(strange)[:5])}")
    network.load_state_dict(weights, strict=False)
