"""From the pixels of a crop to the numbers an encoder was trained on: order, type, normalisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from doorguard.core.model import Image
from doorguard.errors import ModelError
from doorguard.vision.interpreter import Quantisation

Feed: TypeAlias = Callable[[Image], NDArray[Any]]
"""Turns an RGB uint8 crop `(size, size, 3)` into the encoder's input of the same shape."""

_LEVELS = 256
_BELOW_INT8 = 128


@dataclass(frozen=True, slots=True)
class Normalise:
    """`(pixel - mean) / std`; three values each, in the encoder's order of channels."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PixelRules:
    """What an encoder wants of its input.

    Parameters
    ----------
    channels : `RGB` or `BGR`.
    dtype : `uint8`, `int8` or `float32`, of the tensor.
    normalise : None passes pixels on as they are (to an int8 tensor less 128): what they mean is then the
        model's own affair. Otherwise the numbers are computed, and quantised as the tensor says.

    """

    channels: Literal["RGB", "BGR"]
    dtype: Literal["uint8", "int8", "float32"]
    normalise: Normalise | Literal["per_image"] | None


def make_feed(rules: PixelRules, quantisation: Quantisation) -> Feed:
    """Return what prepares crops; raises `ModelError` for a tensor without a scale that needs one."""
    is_swapped = rules.channels == "BGR"
    if rules.normalise is None and rules.dtype == "uint8":
        return (lambda crop: np.ascontiguousarray(crop[..., ::-1])) if is_swapped else (lambda crop: crop)
    if rules.normalise is not None and rules.dtype != "float32" and not quantisation.scale > 0.0:
        raise ModelError(
            "the profile normalises pixels for an integer input whose scale the model leaves open"
        )
    if rules.normalise == "per_image":
        return _whitening(rules, quantisation, is_swapped)
    # A pixel has 256 levels: whatever is done to each is looked up.
    table = _quantised(_levels(rules), rules.dtype, quantisation if rules.normalise else Quantisation())
    columns = np.arange(3)

    def look_up(crop: Image) -> NDArray[Any]:
        return table[crop[..., ::-1] if is_swapped else crop, columns]

    return look_up


def _levels(rules: PixelRules) -> NDArray[np.float32]:
    """Return `(256, 3)`: what each level of each channel becomes, in the encoder's order."""
    levels = np.arange(_LEVELS, dtype=np.float32)[:, None].repeat(3, axis=1)
    if isinstance(rules.normalise, Normalise):
        mean, std = (np.array(three, np.float32) for three in (rules.normalise.mean, rules.normalise.std))
        return ((levels - mean) / std).astype(np.float32)
    return levels - _BELOW_INT8 if rules.dtype == "int8" else levels


def _whitening(rules: PixelRules, quantisation: Quantisation, is_swapped: bool) -> Feed:
    """Each crop to mean 0 and deviation 1, which is held up for a flat one as TensorFlow does."""

    def whiten(crop: Image) -> NDArray[Any]:
        values = (crop[..., ::-1] if is_swapped else crop).astype(np.float32)
        deviation = max(float(values.std()), 1.0 / float(np.sqrt(values.size)))
        return _quantised((values - values.mean()) / np.float32(deviation), rules.dtype, quantisation)

    return whiten


def _quantised(values: NDArray[np.float32], dtype: str, quantisation: Quantisation) -> NDArray[Any]:
    """Return values as the tensor holds them; a scale of 0 leaves the numbers."""
    if dtype == "float32":
        return np.ascontiguousarray(values, dtype=np.float32)
    if quantisation.scale > 0.0:
        values = np.rint(values / np.float32(quantisation.scale)) + quantisation.zero_point
    limits = np.iinfo(dtype)
    return np.clip(values, limits.min, limits.max).astype(dtype)
