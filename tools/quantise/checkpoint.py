"""Read a checkpoint into layers whose batch normalisation is folded into weights and biases.

The names in the file are those of `tools/train/network.py`: `.0.weight` is a convolution without bias, `.1.*`
the batch normalisation behind it. Numbers of channels and blocks are read from the tensors, so a wider or
deeper encoder of the same kind needs no change here.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

BATCH_NORM_EPS = 1e-5
STEM_STRIDES = (2, 1, 2, 1)
"""The one thing about the shape of the network that its weights do not tell."""

_LAST_NORM = {"bn.running_mean": 0.0, "bn.running_var": 1.0}
"""Checkpoints end with a batch normalisation that does nothing; one that does something is refused."""

Array: TypeAlias = NDArray[np.float32]


class BuildError(Exception):
    """A model cannot be built; one line that says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """One convolution, batch normalisation folded in.

    Parameters
    ----------
    weight : `(out, in, k, k)`, in PyTorch's order; `(channels, 1, k, k)` for a depthwise one.
    bias : `(out,)`.
    stride : 1 or 2.
    padding : zeros added on each side.
    relu : whether negative results become zero.
    depthwise : one filter for each channel.

    """

    weight: Array = field(repr=False)
    bias: Array = field(repr=False)
    stride: int = 1
    padding: int = 0
    relu: bool = True
    depthwise: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Inception-ResNet block: `relu(x + up(concat(branches)))`."""

    branches: tuple[tuple[Conv, ...], ...]
    up: Conv


@dataclass(frozen=True, slots=True)
class Reduction:
    """Halves height and width: `concat(branches, 3×3 max-pool)`."""

    branches: tuple[tuple[Conv, ...], ...]


@dataclass(frozen=True, slots=True)
class Network:
    """The encoder up to the encoding before its L2 normalisation."""

    stem: tuple[Conv, ...]
    body: tuple[Block | Reduction, ...]
    head: Conv
    depthwise: Conv
    linear: Conv

    @property
    def layers(self) -> tuple[Conv, ...]:
        """Every convolution, in the order of computation."""
        inner = [
            layer
            for part in self.body
            for layer in (
                *(layer for branch in part.branches for layer in branch),
                *((part.up,) if isinstance(part, Block) else ()),
            )
        ]
        return (*self.stem, *inner, self.head, self.depthwise, self.linear)


def load_network(path: Path) -> Network:
    """Read an `.npz` of float32 or float16 tensors; raises `BuildError`."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            tensors = {name: np.asarray(stored[name]) for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error) as error:
        raise BuildError(f"cannot read the checkpoint {path}: {error}") from error
    return fold(tensors)


def fold(tensors: Mapping[str, NDArray[np.generic]]) -> Network:
    """Return the network of these tensors; raises `BuildError` for a missing, unknown or broken one."""
    weights = _Weights(tensors)
    stem = tuple(weights.conv(f"stem.{index}", stride=stride) for index, stride in enumerate(STEM_STRIDES))
    body: list[Block | Reduction] = []
    while weights.has(f"body.{len(body)}."):
        body.append(_part(weights, f"body.{len(body)}"))
    network = Network(
        stem=stem,
        body=tuple(body),
        head=weights.conv("head"),
        depthwise=weights.conv("gdc", padding=0, relu=False, depthwise=True),
        linear=weights.linear("fc"),
    )
    weights.refuse_leftovers()
    return network


def _part(weights: _Weights, name: str) -> Block | Reduction:
    if weights.has(f"{name}.up."):
        branches = tuple(weights.branch(f"{name}.b{index}", length=index + 1) for index in range(3))
        return Block(branches, weights.conv(f"{name}.up", relu=False))
    wide = (weights.conv(f"{name}.a", stride=2),)
    narrow = (weights.conv(f"{name}.b.0"), weights.conv(f"{name}.b.1", stride=2))
    return Reduction((wide, narrow))


class _Weights:
    """The tensors of a checkpoint, each to be used exactly once."""

    def __init__(self, tensors: Mapping[str, NDArray[np.generic]]) -> None:
        self._left = dict(tensors)

    def has(self, prefix: str) -> bool:
        return any(name.startswith(prefix) for name in self._left)

    def branch(self, name: str, *, length: int) -> tuple[Conv, ...]:
        """Return a chain of convolutions; a chain of one carries no number in its name."""
        if length == 1:
            return (self.conv(name),)
        return tuple(self.conv(f"{name}.{index}") for index in range(length))

    def conv(
        self,
        name: str,
        *,
        stride: int = 1,
        padding: int | None = None,
        relu: bool = True,
        depthwise: bool = False,
    ) -> Conv:
        """Return convolution `name.0` with batch normalisation `name.1` folded in."""
        weight = self._take(f"{name}.0.weight", 4)
        gain, offset = self._take(f"{name}.1.weight", 1), self._take(f"{name}.1.bias", 1)
        mean, variance = self._take(f"{name}.1.running_mean", 1), self._take(f"{name}.1.running_var", 1)
        if any(each.shape != weight.shape[:1] for each in (gain, offset, mean, variance)):
            raise BuildError(f"checkpoint: {name}.1 does not fit the {weight.shape[0]} channels of {name}.0")
        if variance.min() < 0:
            raise BuildError(f"checkpoint: {name}.1.running_var is negative")
        factor = gain / np.sqrt(variance + BATCH_NORM_EPS)
        return Conv(
            (weight * factor[:, None, None, None]).astype(np.float32),
            (offset - mean * factor).astype(np.float32),
            stride=stride,
            padding=weight.shape[2] // 2 if padding is None else padding,
            relu=relu,
            depthwise=depthwise,
        )

    def linear(self, name: str) -> Conv:
        """Return a matrix as a 1×1 convolution, which every runtime quantises per channel."""
        weight = self._take(f"{name}.weight", 2)[:, :, None, None].astype(np.float32)
        return Conv(weight, np.zeros(len(weight), np.float32), relu=False)

    def refuse_leftovers(self) -> None:
        for name, nothing in _LAST_NORM.items():
            if name in self._left and (self._take(name, 1) != nothing).any():
                raise BuildError(
                    f"checkpoint: {name} is not {nothing:g}; nothing may follow the linear layer"
                )
        if self._left:
            raise BuildError(f"checkpoint: no place for {sorted(self._left)[0]} ({len(self._left)} unknown)")

    def _take(self, name: str, dimensions: int) -> NDArray[np.float64]:
        if name not in self._left:
            raise BuildError(f"checkpoint: {name} is missing")
        tensor = self._left.pop(name)
        if tensor.dtype.kind != "f" or tensor.ndim != dimensions:
            raise BuildError(
                f"checkpoint: {name} is {tensor.dtype} {tensor.shape}, not {dimensions}-d floats"
            )
        if not np.isfinite(tensor).all():
            raise BuildError(f"checkpoint: {name} holds a value that is not finite")
        return tensor.astype(np.float64)
