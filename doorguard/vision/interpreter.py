"""The one seam to the TFLite interpreter, with two makes: LiteRT and its forerunner tflite-runtime.

Both offer the same `Interpreter` class. LiteRT is the maintained one and hands int8 models to XNNPACK;
tflite-runtime 2.14 computes the same numbers more slowly.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from doorguard.errors import ModelError

Runtime: TypeAlias = Literal["auto", "litert", "tflite-runtime"]

_MAKES = {
    "litert": ("ai_edge_litert.interpreter", "ai-edge-litert"),
    "tflite-runtime": ("tflite_runtime.interpreter", "doorguard[tflite-runtime]"),
}

_FILE_IDENTIFIER = b"TFL3"
"""Bytes 4 to 7 of every TFLite file (FlatBuffers file identifier of its schema, version 3)."""


@dataclass(frozen=True, slots=True)
class Quantisation:
    """What an integer tensor's numbers mean: `value = scale * (number - zero_point)`; 0 if floats."""

    scale: float = 0.0
    zero_point: int = 0


class Interpreter(Protocol):
    """One loaded model with one input. Not thread-safe."""

    @property
    def runtime_name(self) -> str:
        """`litert` or `tflite-runtime`."""
        ...

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape the model wants, batch of one included."""
        ...

    @property
    def input_dtype(self) -> np.dtype[Any]:
        """Element type the model wants."""
        ...

    @property
    def input_quantisation(self) -> Quantisation:
        """What the numbers of the input mean."""
        ...

    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of what `run` returns, in that order."""
        ...

    @property
    def output_quantisations(self) -> tuple[Quantisation, ...]:
        """What the numbers of each output mean."""
        ...

    def run(self, array: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Run the model on an array of exactly `input_shape` and `input_dtype`; returns copies.

        Raises `ModelError`.
        """
        ...


class _TfliteInterpreter:
    """Either make: their Python classes have the same methods."""

    def __init__(self, native: Any, runtime_name: str) -> None:
        self._native = native
        self.runtime_name = runtime_name
        native.allocate_tensors()
        (entry,) = native.get_input_details()
        exits = native.get_output_details()
        self._input_index = entry["index"]
        self._output_indices = [output["index"] for output in exits]
        self.input_shape = tuple(int(size) for size in entry["shape"])
        self.input_dtype: np.dtype[Any] = np.dtype(entry["dtype"])
        self.input_quantisation = _quantisation(entry)
        self.output_quantisations = tuple(_quantisation(output) for output in exits)
        self.output_shapes = tuple(tuple(int(size) for size in output["shape"]) for output in exits)

    def run(self, array: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        try:
            self._native.set_tensor(self._input_index, array)
            self._native.invoke()
            return tuple(self._native.get_tensor(index) for index in self._output_indices)
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"the interpreter refused an input: {_one_line(error)}") from error


def _quantisation(tensor: Mapping[str, Any]) -> Quantisation:
    scale, zero_point = tensor["quantization"]
    return Quantisation(float(scale), int(zero_point))


def open_interpreter(model: bytes | Path, runtime: Runtime, threads: int) -> Interpreter:
    """Load a TFLite model.

    Parameters
    ----------
    model : the file's content, or its path. Check its digest first: tflite-runtime crashes the process on a
        damaged file, where LiteRT refuses it.
    runtime : `litert`, `tflite-runtime`, or `auto` for the first of them that can be imported.
    threads : number of threads the interpreter computes with, at least 1.

    Raises
    ------
    ModelError : no interpreter can be imported, or it cannot read the model.

    """
    name, make = _find_make(runtime)
    try:
        content = model if isinstance(model, bytes) else model.read_bytes()
        with _silent():
            return _TfliteInterpreter(_load(make, content, threads), name)
    except OSError as error:
        raise ModelError(f"cannot read the model {error.filename}: {error.strerror}") from error
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{name} cannot load the model: {_one_line(error)}") from error


def count_multiply_adds(model: bytes, runtime: Runtime) -> int:
    """Return how many multiplications with a weight one run of a TFLite model takes, from its graph.

    Convolutions and fully connected layers are counted, as the papers do; sums, pooling and activations are
    not. Raises `ModelError` as `open_interpreter`.
    """
    _, make = _find_make(runtime)
    try:
        with _silent():
            native = _load(make, model, 1)
            native.allocate_tensors()
        # The older make and the newer both tell of operators only through this method of their own.
        operators = native._get_ops_details()
    except (ValueError, RuntimeError, AttributeError) as error:
        raise ModelError(f"the model's graph cannot be read: {_one_line(error)}") from error
    shapes = {each["index"]: [int(size) for size in each["shape"]] for each in native.get_tensor_details()}
    return sum(_multiply_adds(each, shapes) for each in operators)


def _load(make: Any, content: bytes, threads: int) -> Any:
    """Hand a file to the interpreter; what is no TFLite file at all could crash the older make."""
    if content[4:8] != _FILE_IDENTIFIER:
        raise ValueError("it is no TFLite file")
    return make(model_content=content, num_threads=threads)


def _multiply_adds(operator: Mapping[str, Any], shapes: Mapping[int, list[int]]) -> int:
    """Return the multiply-adds of one operator; weights lie as TFLite lays them (output channels first)."""
    name = operator["op_name"]
    if name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"):
        return 0
    weights = shapes[operator["inputs"][1]]
    if name == "TRANSPOSE_CONV":  # each value that goes in is spread by the whole kernel
        return math.prod(shapes[operator["inputs"][2]]) * math.prod(weights[:3])
    per_value = weights[1] * weights[2] if name == "DEPTHWISE_CONV_2D" else math.prod(weights[1:])
    return math.prod(shapes[operator["outputs"][0]]) * per_value


def _find_make(runtime: Runtime) -> tuple[str, Any]:
    """Return the name and the `Interpreter` class of the make asked for."""
    names: Sequence[str] = tuple(_MAKES) if runtime == "auto" else (runtime,)
    problems = []
    for name in names:
        module, package = _MAKES[name]
        try:
            return name, importlib.import_module(module).Interpreter
        # A binary built for another NumPy breaks at import with whatever its C code raises.
        except Exception as error:  # noqa: BLE001
            problems.append(f"{name} cannot be imported ({_one_line(error)}; pip install '{package}')")
    raise ModelError(f"no TFLite interpreter: {', '.join(problems)}")


@contextmanager
def _silent() -> Iterator[None]:
    """Keep "INFO: Created TensorFlow Lite XNNPACK delegate" off the terminal: the C code offers no switch.

    What goes wrong meanwhile is raised as well as printed.
    """
    try:
        kept = os.dup(2)
    except OSError:  # a service may run with no standard error at all
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)


def _one_line(error: BaseException) -> str:
    """Shorten a library's message to one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__
