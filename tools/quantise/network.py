"""The encoder's computation, written once against five operations.

TensorFlow builds the files from it, counting multiply-adds walks it, and the tests compute it in NumPy: all
three see the same network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from quantise.checkpoint import Conv, Network, Reduction

INPUT_SIZE = 112

T = TypeVar("T")


class Operations(Protocol[T]):
    """What the encoder is made of. Pictures are `(1, height, width, channels)`."""

    def conv(self, picture: T, layer: Conv) -> T:
        """Convolve, add the bias, apply ReLU where the layer says so."""
        ...

    def add_relu(self, one: T, two: T) -> T:
        """Return `relu(one + two)`."""
        ...

    def concat(self, pictures: Sequence[T]) -> T:
        """Join along the channels."""
        ...

    def max_pool(self, picture: T) -> T:
        """Return maxima of 3×3 at stride 2, one pixel of zeros around; nothing is negative here."""
        ...

    def flatten(self, picture: T) -> T:
        """Return `(1, channels)` of a picture of one pixel."""
        ...


def compute(network: Network, ops: Operations[T], picture: T) -> T:
    """Return the encoding before its L2 normalisation, `(1, 128)`.

    Parameters
    ----------
    network : layers with folded batch normalisation.
    ops : what computes them.
    picture : `(1, 112, 112, 3)`, RGB scaled to −1 … 1.

    """
    for layer in network.stem:
        picture = ops.conv(picture, layer)
    for part in network.body:
        results = [_chain(ops, picture, branch) for branch in part.branches]
        if isinstance(part, Reduction):
            picture = ops.concat([*results, ops.max_pool(picture)])
        else:
            picture = ops.add_relu(picture, ops.conv(ops.concat(results), part.up))
    return ops.flatten(_chain(ops, picture, (network.head, network.depthwise, network.linear)))


def _chain(ops: Operations[T], picture: T, layers: Sequence[Conv]) -> T:
    for layer in layers:
        picture = ops.conv(picture, layer)
    return picture


Shape = tuple[int, int, int]


class _Counting:
    """Follows `(height, width, channels)` and adds up what convolutions multiply."""

    def __init__(self) -> None:
        self.multiply_adds = 0

    def conv(self, picture: Shape, layer: Conv) -> Shape:
        size = layer.weight.shape[2]
        height, width = ((side + 2 * layer.padding - size) // layer.stride + 1 for side in picture[:2])
        self.multiply_adds += height * width * layer.weight.size
        return height, width, layer.weight.shape[0]

    def add_relu(self, one: Shape, two: Shape) -> Shape:
        assert one == two
        return one

    def concat(self, pictures: Sequence[Shape]) -> Shape:
        assert len({each[:2] for each in pictures}) == 1
        return (*pictures[0][:2], sum(each[2] for each in pictures))

    def max_pool(self, picture: Shape) -> Shape:
        return (picture[0] - 1) // 2 + 1, (picture[1] - 1) // 2 + 1, picture[2]

    def flatten(self, picture: Shape) -> Shape:
        assert picture[:2] == (1, 1)
        return picture


def multiply_adds(network: Network) -> int:
    """Return how many multiplications (each with its addition) one encoding takes."""
    counting = _Counting()
    compute(network, counting, (INPUT_SIZE, INPUT_SIZE, 3))
    return counting.multiply_adds


def parameters(network: Network) -> int:
    """Return the number of weights and biases after folding."""
    return sum(layer.weight.size + layer.bias.size for layer in network.layers)
