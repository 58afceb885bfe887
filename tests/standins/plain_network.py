"""The encoder's five operations in NumPy, and a small encoder of the same kind with random weights.

An implementation of its own, slow and plain, to hold TensorFlow's files against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from quantise.checkpoint import Conv, Network
from quantise.network import compute

Floats = NDArray[np.float64]


class Plain:
    """Pictures are `(height, width, channels)`."""

    def conv(self, picture: Floats, layer: Conv) -> Floats:
        if layer.depthwise:
            result = np.einsum("hwckl,ckl->hwc", _windows(picture, layer), layer.weight[:, 0])
        else:
            result = np.tensordot(_windows(picture, layer), layer.weight, ([2, 3, 4], [1, 2, 3]))
        result = result + layer.bias
        return np.maximum(result, 0) if layer.relu else result

    def add_relu(self, one: Floats, two: Floats) -> Floats:
        return np.maximum(one + two, 0)

    def concat(self, pictures: Sequence[Floats]) -> Floats:
        return np.concatenate(pictures, axis=-1)

    def max_pool(self, picture: Floats) -> Floats:
        framed = np.pad(picture, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
        return sliding_window_view(framed, (3, 3), axis=(0, 1))[::2, ::2].max(axis=(3, 4))

    def flatten(self, picture: Floats) -> Floats:
        return picture.reshape(-1)


def _windows(picture: Floats, layer: Conv) -> Floats:
    pad, size = layer.padding, layer.weight.shape[2]
    framed = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)))
    return sliding_window_view(framed, (size, size), axis=(0, 1))[:: layer.stride, :: layer.stride]


def plain_encoding(network: Network, crop: NDArray[np.uint8]) -> Floats:
    """Return the unit encoding of an aligned crop."""
    raw = compute(network, Plain(), (crop.astype(np.float64) - 127.5) / 127.5)
    unit: Floats = raw / np.linalg.norm(raw)
    return unit


def small_tensors(seed: int = 8) -> dict[str, NDArray[np.float32]]:
    """Return a checkpoint of the shipped encoder's kind: one block, a reduction, a block, a reduction."""
    maker = _Maker(np.random.default_rng(seed))
    for index, (before, after) in enumerate(((3, 4), (4, 4), (4, 6), (6, 8))):
        maker.conv(f"stem.{index}", before, after, 3)
    maker.block("body.0", 8, 2)
    maker.reduction("body.1", 8, 3)
    maker.block("body.2", 14, 3)
    maker.reduction("body.3", 14, 4)
    maker.conv("head", 22, 24, 1)
    maker.conv("gdc", 1, 24, 7)
    maker.tensors["fc.weight"] = maker.random.normal(0, 0.2, (128, 24)).astype(np.float32)
    maker.tensors["bn.running_mean"] = np.zeros(128, np.float32)
    return maker.tensors


class _Maker:
    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.tensors: dict[str, NDArray[np.float32]] = {}

    def conv(self, name: str, before: int, after: int, size: int) -> None:
        deviation = np.sqrt(2 / (before * size * size))
        made = {
            "0.weight": self.random.normal(0, deviation, (after, before, size, size)),
            "1.weight": self.random.uniform(0.5, 1.5, after),
            "1.bias": self.random.normal(0, 0.3, after),
            "1.running_mean": self.random.normal(0, 0.3, after),
            "1.running_var": self.random.uniform(0.3, 2, after),
        }
        self.tensors |= {f"{name}.{key}": value.astype(np.float32) for key, value in made.items()}

    def block(self, name: str, width: int, inner: int) -> None:
        self.conv(f"{name}.b0", width, inner, 1)
        for branch, length in (("b1", 2), ("b2", 3)):
            for index in range(length):
                self.conv(f"{name}.{branch}.{index}", inner if index else width, inner, 3 if index else 1)
        self.conv(f"{name}.up", 3 * inner, width, 1)

    def reduction(self, name: str, width: int, inner: int) -> None:
        self.conv(f"{name}.a", width, inner, 3)
        self.conv(f"{name}.b.0", width, inner, 1)
        self.conv(f"{name}.b.1", inner, inner, 3)


def unfolded_conv(tensors: Mapping[str, NDArray[np.float32]], name: str, picture: Floats) -> Floats:
    """Return 1×1 convolution `name.0` and then batch normalisation `name.1`, as training computes them."""
    result = picture @ tensors[f"{name}.0.weight"][:, :, 0, 0].T.astype(np.float64)
    spread = np.sqrt(tensors[f"{name}.1.running_var"].astype(np.float64) + 1e-5)
    centred = (result - tensors[f"{name}.1.running_mean"]) / spread
    return centred * tensors[f"{name}.1.weight"] + tensors[f"{name}.1.bias"]
