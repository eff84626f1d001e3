"""Measures how large the activations get, which decides the scales of an INT8 model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from edgesoft.model.layers import Layer, Relu, Value, to_float

BATCH_SIZE = 1000


def activation_maxima(layers: Sequence[Layer], inputs: NDArray[Any]) -> list[float]:
    """The largest activation of each hidden layer, which the largest INT8 level will stand for.

    Computed by the layers' own numpy rules, in float64: the same on every machine that exports.

    Parameters
    ----------
    layers
        The float layers, from the raw inputs to the logits.
    inputs
        Calibration examples `[n, ...]`, raw.
    """
    maxima = [0.0] * sum(isinstance(layer, Relu) for layer in layers)
    for start in range(0, len(inputs), BATCH_SIZE):
        x: Value = inputs[start : start + BATCH_SIZE]
        hidden = 0
        for layer in layers[:-1]:
            x = layer.apply(x)
            if isinstance(layer, Relu):
                maxima[hidden] = max(maxima[hidden], float(to_float(x).max()))
                hidden += 1
    return maxima
