"""Measures how large the activations get, which decides the scales of an INT8 model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.exporting.sample import evenly_spread
from edgesoft.model.layers import Layer, Relu
from edgesoft.model.values import Value, to_float

BATCH_SIZE = 1000
SAMPLE = 2000
"""Examples that are enough for a quantile over all units of a layer."""


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
        for hidden, x in enumerate(_activations(layers, inputs[start : start + BATCH_SIZE])):
            maxima[hidden] = max(maxima[hidden], float(x.max()))
    return maxima


def activation_quantiles(layers: Sequence[Layer], inputs: NDArray[Any], share: float) -> list[float]:
    """What that share of the activations above 0 of each hidden layer do not exceed.

    Parameters
    ----------
    layers, inputs
        As for `activation_maxima`; a sample of the inputs, evenly spread, is looked at.
    share
        From 0 to 1.
    """
    sample = evenly_spread(inputs, SAMPLE)
    found = [x[x > 0] for x in _activations(layers, sample)]
    return [float(np.quantile(x, share)) if len(x) else 0.0 for x in found]


def _activations(layers: Sequence[Layer], inputs: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """What comes out of each ReLU."""
    x: Value = inputs
    for layer in layers[:-1]:
        x = layer.apply(x)
        if isinstance(layer, Relu):
            yield to_float(x)
