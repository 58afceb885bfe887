"""Reading a checkpoint: what is folded, what is counted, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from quantise.checkpoint import Block, BuildError, Reduction, fold, load_network
from quantise.network import multiply_adds, parameters
from standins.plain_network import Plain, small_tensors, unfolded_conv

Tensors = dict[str, NDArray[np.float32]]
Spoil = Callable[[Tensors], None]


def test_folded_layer_computes_what_convolution_and_batch_normalisation_do() -> None:
    tensors = small_tensors()
    picture = np.random.default_rng(3).normal(size=(5, 5, 22))
    folded = Plain().conv(picture, fold(tensors).head)
    wanted = np.maximum(unfolded_conv(tensors, "head", picture), 0)
    assert np.abs(wanted).max() > 0.5
    np.testing.assert_allclose(folded, wanted, atol=1e-5)


def test_network_of_small_checkpoint_has_its_parts_in_order() -> None:
    network = fold(small_tensors())
    assert [type(part) for part in network.body] == [Block, Reduction, Block, Reduction]
    assert [layer.stride for layer in network.stem] == [2, 1, 2, 1]
    block, reduction = network.body[0], network.body[1]
    assert [len(branch) for branch in block.branches] == [1, 2, 3]
    assert [[layer.stride for layer in branch] for branch in reduction.branches] == [[2], [1, 2]]
    assert isinstance(block, Block)
    assert not block.up.relu, "the sum is rectified, not what is added"
    assert (network.depthwise.padding, network.depthwise.relu) == (0, False)


def test_multiply_adds_of_small_checkpoint_are_those_counted_by_hand() -> None:
    stem = 56 * 56 * (27 * 4 + 36 * 4) + 28 * 28 * (36 * 6 + 54 * 8)
    block_28 = 28 * 28 * (3 * 8 * 2 + 3 * 9 * 2 * 2 + 6 * 8)
    reduction_14 = 14 * 14 * (72 * 3 + 27 * 3) + 28 * 28 * 8 * 3
    block_14 = 14 * 14 * (3 * 14 * 3 + 3 * 9 * 3 * 3 + 9 * 14)
    reduction_7 = 7 * 7 * (126 * 4 + 36 * 4) + 14 * 14 * 14 * 4
    top = 49 * 22 * 24 + 49 * 24 + 24 * 128
    network = fold(small_tensors())
    assert multiply_adds(network) == stem + block_28 + reduction_14 + block_14 + reduction_7 + top


def test_checkpoint_in_half_precision_is_read_as_its_float_twin(tmp_path: Path) -> None:
    path = tmp_path / "half.npz"
    tensors = {name: tensor.astype(np.float16) for name, tensor in small_tensors().items()}
    np.savez(path, **tensors)
    read = load_network(path)
    twin = fold({name: tensor.astype(np.float32) for name, tensor in tensors.items()})
    for layer, wanted in zip(read.layers, twin.layers, strict=True):
        np.testing.assert_array_equal(layer.weight, wanted.weight)
        np.testing.assert_array_equal(layer.bias, wanted.bias)


def _without(name: str) -> Spoil:
    def apply(tensors: Tensors) -> None:
        del tensors[name]

    return apply


def _with(
    name: str, change: Callable[[NDArray[np.float32]], NDArray[np.generic]]
) -> Callable[[Tensors], None]:
    def apply(tensors: Tensors) -> None:
        tensors[name] = change(tensors[name])  # type: ignore[assignment]

    return apply


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_without("body.2.b2.1.0.weight"), "body.2.b2.1.0.weight is missing"),
        (_without("head.1.running_var"), "head.1.running_var is missing"),
        (_with("fc.weight", lambda tensor: tensor * np.nan), "fc.weight holds a value that is not finite"),
        (_with("stem.1.1.running_var", lambda tensor: -tensor), "stem.1.1.running_var is negative"),
        (_with("stem.1.1.bias", lambda tensor: tensor[:-1]), "stem.1.1 does not fit the 4 channels"),
        (_with("gdc.0.weight", lambda tensor: tensor[0]), r"gdc.0.weight is float32 \(1, 7, 7\)"),
        (_with("fc.weight", lambda tensor: tensor.astype(np.int32)), "fc.weight is int32"),
    ],
)
def test_broken_checkpoint_is_refused_by_the_tensors_name(spoil: Spoil, words: str) -> None:
    tensors = small_tensors()
    spoil(tensors)
    with pytest.raises(BuildError, match=words):
        fold(tensors)


def test_tensor_with_no_place_in_the_network_is_refused() -> None:
    tensors = small_tensors() | {"attention.weight": np.ones((3, 3), np.float32)}
    with pytest.raises(BuildError, match=r"no place for attention\.weight"):
        fold(tensors)


@pytest.mark.parametrize("content", [b"", b"not an archive", None])
def test_file_that_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "checkpoint.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BuildError, match="cannot read the checkpoint") as caught:
        load_network(path)
    assert "\n" not in str(caught.value)


def test_last_normalisation_that_does_something_is_refused() -> None:
    tensors = small_tensors()
    tensors["bn.running_mean"] = np.full(128, 0.1, np.float32)
    with pytest.raises(BuildError, match=r"bn\.running_mean is not 0"):
        fold(tensors)


def test_checkpoint_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    np.savez(path, **small_tensors())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BuildError, match="cannot read the checkpoint"):
        load_network(path)


def test_shipped_checkpoint_has_the_size_its_card_says(root: Path) -> None:
    path = root.parent / "shared" / "models" / "facenet_checkpoint.npz"
    if not path.exists():
        pytest.skip("needs ../shared/models/facenet_checkpoint.npz")
    network = load_network(path)
    assert round(multiply_adds(network) / 1e6) == 252
    assert round(parameters(network) / 1e6, 2) == 1.90
