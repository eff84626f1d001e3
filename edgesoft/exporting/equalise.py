"""Brings the channels of a layer closer to one size before they are rounded, because all its weights share one scale.

A ReLU passes a factor above 0 through, and so does pooling: what a channel is divided by, the next layer's weights for it are multiplied
by, and the float network stays the same. Source: Nagel, van Baalen, Blankevoort and Welling, "Data-Free Quantization Through Weight
Equalization and Bias Correction" (ICCV 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.exporting.activation_ranges import activation_maxima
from edgesoft.exporting.quantize import quantize
from edgesoft.exporting.sample import evenly_spread
from edgesoft.model.card import Scheme
from edgesoft.model.heads import Head
from edgesoft.model.layers import Layer, Linear
from edgesoft.model.network import Network

STRENGTHS = (0.0, 0.5, 0.75, 1.0)
"""From leaving all as it is to the same largest weight on both sides of each channel. That makes small activations of some
channels smaller still, so that less may be better."""
SAMPLE = 500
"""Inputs on which the strengths are compared."""
LARGEST_FACTOR = 2.0**10
"""Of one channel, so that float32 holds whatever comes of it."""


def least_error(layers: Sequence[Layer], head: Head, inputs: NDArray[Any], scheme: Scheme) -> tuple[Layer, ...]:
    """The same float network, equalised with the strength that leaves the smallest error of the rounded logits.

    Parameters
    ----------
    layers
        Float layers as `quantize` takes them.
    head
        What the logits mean.
    inputs
        Calibration examples `[n, ...]`, raw; a sample of them, evenly spread, is looked at.
    scheme
        How the weights will be rounded; with a scale for each channel there is nothing to equalise.
    """
    if scheme.per_channel:
        return tuple(layers)
    sample = evenly_spread(inputs, SAMPLE)
    wanted = Network(tuple(layers), head).logits(sample)

    def error(candidate: tuple[Layer, ...]) -> float:
        rounded = quantize(candidate, activation_maxima(candidate, sample), scheme)
        return float(np.square(Network(rounded, head).logits(sample) - wanted, dtype=np.float64).mean())

    return min((equalised(layers, strength) for strength in STRENGTHS), key=error)


def equalised(layers: Sequence[Layer], strength: float) -> tuple[Layer, ...]:
    """The same float network with other factors on its hidden channels.

    Parameters
    ----------
    layers
        Float layers.
    strength
        0 changes nothing; 1 makes the largest weight that leads to a channel as large as the largest that leads from it.
    """
    products = [layer for layer in layers if isinstance(layer, Linear)]
    weights = [layer.weight.astype(np.float64) for layer in products]
    biases = [layer.bias.astype(np.float64) for layer in products]
    for place, channels in enumerate(map(len, weights[:-1])):
        # Flattened maps lie channel by channel.
        following = weights[place + 1].reshape(len(weights[place + 1]), channels, -1)
        into = np.abs(weights[place]).reshape(channels, -1).max(axis=1)
        out = np.abs(following).max(axis=(0, 2))
        ratios = np.divide(into, out, out=np.ones(channels), where=(into > 0) & (out > 0))
        factors = (ratios ** (strength / 2)).clip(1 / LARGEST_FACTOR, LARGEST_FACTOR)
        weights[place] /= factors.reshape(-1, *[1] * (weights[place].ndim - 1))
        biases[place] /= factors
        weights[place + 1] = (following * factors[:, np.newaxis]).reshape(weights[place + 1].shape)
    changed = iter(zip(weights, biases, strict=True))
    return tuple(
        type(layer)(*(array.astype(np.float32) for array in next(changed))) if isinstance(layer, Linear) else layer
        for layer in layers
    )
