"""Build the float and the full-integer TFLite file of a network with TensorFlow's converter."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantise.checkpoint import Conv, Network
from quantise.faces import scaled
from quantise.network import INPUT_SIZE, compute

# TensorFlow reads it when it is imported, hence above that line.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf


class _TensorFlow:
    """The five operations, in TensorFlow."""

    def conv(self, picture: Any, layer: Conv) -> Any:
        weight = np.transpose(layer.weight, (2, 3, 0, 1) if layer.depthwise else (2, 3, 1, 0))
        padding = "SAME" if layer.padding and layer.stride == 1 else "VALID"
        if layer.stride > 1 and layer.padding:
            # TensorFlow's own SAME pads the right and lower edge only; the network was trained with both.
            picture = _padded(picture)
        convolve = tf.nn.depthwise_conv2d if layer.depthwise else tf.nn.conv2d
        strides = [1, layer.stride, layer.stride, 1]
        result = tf.nn.bias_add(convolve(picture, weight, strides, padding), layer.bias)
        return tf.nn.relu(result) if layer.relu else result

    def add_relu(self, one: Any, two: Any) -> Any:
        return tf.nn.relu(one + two)

    def concat(self, pictures: Sequence[Any]) -> Any:
        return tf.concat(pictures, axis=-1)

    def max_pool(self, picture: Any) -> Any:
        return tf.nn.max_pool2d(_padded(picture), 3, 2, "VALID")

    def flatten(self, picture: Any) -> Any:
        return tf.reshape(picture, [1, picture.shape[-1]])


def _padded(picture: Any) -> Any:
    return tf.pad(picture, [[0, 0], [1, 1], [1, 1], [0, 0]])


def _converter(network: Network) -> Any:
    def encode(face: Any) -> Any:
        return compute(network, _TensorFlow(), face)

    shape = tf.TensorSpec([1, INPUT_SIZE, INPUT_SIZE, 3], tf.float32, name="face")
    root = tf.Module()
    root.encode = tf.function(encode, input_signature=[shape])
    return tf.lite.TFLiteConverter.from_concrete_functions([root.encode.get_concrete_function()], root)


def to_float(network: Network) -> bytes:
    """Return the TFLite file in float: RGB scaled to −1 … 1 in, the encoding before normalisation out."""
    content: bytes = _converter(network).convert()
    return content


def to_int8(network: Network, faces: NDArray[np.uint8]) -> bytes:
    """Return the full-integer TFLite file: uint8 RGB in, float out, weights quantised per channel.

    Parameters
    ----------
    network : layers with folded batch normalisation.
    faces : `(n, 112, 112, 3)` uint8 RGB, what the ranges of the activations are taken from.

    """
    faces = faces.copy()
    # Black and white must both occur: the input's own scale is taken from these pictures too.
    faces[0, 0, :2] = ((0, 0, 0), (255, 255, 255))

    def representative() -> Iterator[list[NDArray[np.float32]]]:
        for face in faces:
            yield [scaled(face)[None]]

    converter = _converter(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    content: bytes = converter.convert()
    return content
