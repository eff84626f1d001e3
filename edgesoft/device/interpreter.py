"""Runs a model file in plain numpy: slow, small, and sharing no code with ONNX Runtime or with the exporter.

When a file answers otherwise than it did in the workshop, this tells a changed graph (numpy differs as well) from a runtime that
computes it otherwise (numpy agrees with the workshop).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.device.modelfile import ModelFile, Node
from edgesoft.errors import EdgesoftError

Array = NDArray[Any]


def run(model: ModelFile, inputs: Array) -> dict[str, Array]:
    """Evaluate the graph in float64.

    Parameters
    ----------
    model
        The file.
    inputs
        `[n, ...]` in the dtype and shape that the model takes.

    Returns
    -------
    dict
        Output name -> array.

    Raises
    ------
    EdgesoftError
        The nodes do not fit together.
    """
    values: dict[str, Array] = {
        tensor.name: np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape) for tensor in model.initializers
    }
    values[model.inputs[0].name] = inputs
    try:
        # A hostile file may hold NaN and infinity; they must reach the outputs, not the terminal.
        with np.errstate(all="ignore"):
            for node in model.nodes:
                values[node.outputs[0]] = _OPERATORS[node.operator](node, *(values[name] for name in node.inputs))
        return {port.name: values[port.name] for port in model.outputs}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EdgesoftError(
            f"{model.path}: the graph does not fit together ({error}). Export it again: edgesoft export"
        ) from error


def _dequantize(node: Node, x: Array, scale: Array, zero: Array) -> Array:
    shape = (-1, *[1] * (x.ndim - 1 - node.attributes.get("axis", 0))) if scale.ndim else ()
    return (x.astype(np.float64) - zero.reshape(shape).astype(np.float64)) * scale.reshape(shape).astype(np.float64)


def _quantize(_: Node, x: Array, scale: Array, zero: Array) -> Array:
    limits = np.iinfo(zero.dtype)
    return np.asarray(np.nan_to_num(np.rint(x / scale) + zero).clip(limits.min, limits.max).astype(zero.dtype))


def _softmax(_: Node, x: Array) -> Array:
    shifted = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


_OPERATORS: dict[str, Callable[..., Array]] = {
    "ArgMax": lambda _, x: x.argmax(axis=1),
    "DequantizeLinear": _dequantize,
    "Flatten": lambda _, x: x.reshape(len(x), -1),
    "Gemm": lambda _, x, weight, bias: x.astype(np.float64) @ weight.T.astype(np.float64) + bias,
    "Mul": lambda _, x, y: x * y,
    "QuantizeLinear": _quantize,
    "Relu": lambda _, x: np.maximum(x, 0),
    "Softmax": _softmax,
}
