"""Runs a model file in plain numpy: slow, small, and sharing no code with ONNX Runtime or with the exporter.

When a file answers otherwise than it did in the workshop, this tells a changed graph (numpy differs as well) from a runtime that
computes it otherwise (numpy agrees with the workshop).

Layers in integers are computed in integers, with the same few roundings as ONNX Runtime's QGemm, so that a single changed weight
cannot hide behind a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.model.file import ModelFile, Node

Array = NDArray[Any]
BATCH_SIZE = 256


@dataclass(frozen=True)
class _Scaled:
    """Whole numbers that stand for themselves times a scale."""

    whole: Array
    """float64 with integer values: exact up to 2^53, and numpy multiplies such matrices quickly."""
    scale: Array
    """float32, of a shape that spreads over `whole`."""

    def to_float(self) -> Array:
        return np.asarray(self.whole.astype(np.float32) * self.scale)


Value = Array | _Scaled


def run(model: ModelFile, inputs: Array) -> dict[str, Array]:
    """Evaluate the graph.

    Parameters
    ----------
    model
        The file; its graph has passed `edgesoft.model.structure.check_structure`.
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
    try:
        # A hostile file may hold NaN and infinity; they must reach the outputs, not the terminal.
        with np.errstate(all="ignore"):
            batches = [_run(model, inputs[start : start + BATCH_SIZE]) for start in range(0, len(inputs), BATCH_SIZE)]
        return {port.name: np.concatenate([batch[port.name] for batch in batches]) for port in model.outputs}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EdgesoftError(
            f"{model.path}: the graph does not fit together ({error}). Export it again: edgesoft export"
        ) from error


def _run(model: ModelFile, inputs: Array) -> dict[str, Array]:
    values: dict[str, Value] = {
        tensor.name: np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape) for tensor in model.initializers
    }
    values[model.inputs[0].name] = inputs
    for node in model.nodes:
        values[node.outputs[0]] = _OPERATORS[node.operator](node, *(values[name] for name in node.inputs))
    return {port.name: _float(values[port.name]) for port in model.outputs}


def _float(value: Value) -> Array:
    return value.to_float() if isinstance(value, _Scaled) else value


def _dequantize(_: Node, x: Array, scale: Array, zero: Array) -> Value:
    spread = (-1, *[1] * (x.ndim - 1)) if scale.ndim else ()  # one scale for each row of a weight matrix
    return _Scaled(x.astype(np.float64) - zero.reshape(spread), scale.reshape(spread))


def _quantize(_: Node, x: Value, scale: Array, zero: Array) -> Array:
    # Of integers: one product in float32, as QGemm does.
    ratio = x.whole.astype(np.float32) * (x.scale / scale) if isinstance(x, _Scaled) else x / scale
    limits = np.iinfo(zero.dtype)
    return np.asarray(np.nan_to_num(np.rint(ratio) + zero).clip(limits.min, limits.max).astype(zero.dtype))


def _gemm(_: Node, x: Value, weight: Value, bias: Value) -> Value:
    if isinstance(x, _Scaled) and isinstance(weight, _Scaled) and isinstance(bias, _Scaled):
        scale = x.scale * weight.scale.reshape(-1)
        if np.array_equal(np.broadcast_to(scale, bias.whole.shape), np.broadcast_to(bias.scale, bias.whole.shape)):
            return _Scaled(x.whole @ weight.whole.T + bias.whole, scale)
    x, weight, bias = (_float(value).astype(np.float64) for value in (x, weight, bias))
    return np.asarray(x @ weight.T + bias)


def _relu(_: Node, x: Value) -> Value:
    return _Scaled(np.maximum(x.whole, 0), x.scale) if isinstance(x, _Scaled) else np.maximum(x, 0)


def _softmax(_: Node, x: Value) -> Array:
    logits = _float(x).astype(np.float64)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


_OPERATORS: dict[str, Callable[..., Value]] = {
    "ArgMax": lambda _, x: _float(x).argmax(axis=1),
    "DequantizeLinear": _dequantize,
    "Flatten": lambda _, x: x.reshape(len(x), -1),
    "Gemm": _gemm,
    "Mul": lambda _, x, y: _float(x) * y,
    "QuantizeLinear": _quantize,
    "Relu": _relu,
    "Sigmoid": lambda _, x: 1 / (1 + np.exp(-_float(x))),
    "Softmax": _softmax,
    "Sub": lambda _, x, y: _float(x) - y,
}
