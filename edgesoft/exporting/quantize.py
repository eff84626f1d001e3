"""Float layers -> INT8 layers: static, uint8 activations, int8 weights.

The scheme is that of Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference" (CVPR 2018), with two choices of our own:

* Weights take 7 bits. x86 without VNNI adds two products in 16 bits and saturates (VPMADDUBSW): 255 * 127 * 2 does not fit,
  255 * 63 * 2 does. So one file gives the same bits on every CPU.
* Activations follow ReLU, are never negative, and so have zero point 0. The logits stay float.

It is ours, and not `onnxruntime.quantization`, because the bits of every layer are this project's promise: these few lines give the same
ones as that package (a test holds them to it), deterministically, without its import of a third of a second, and can be followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.card import Scheme
from edgesoft.model.layers import (
    Convolution,
    Dequantize,
    Flatten,
    Layer,
    Linear,
    MaxPool,
    Quantize,
    QuantizedConvolution,
    QuantizedLinear,
)
from edgesoft.model.scaling import GreyLevels, Planes, Scale
from edgesoft.model.values import ACTIVATION_LEVELS, UNIT_SCALE, Value, to_float

TAIL = 0.001
"""Share of a feature's values that its range leaves out at either end: none among fewer than a thousand.

A few values far out would otherwise take most of the 256 levels from all others. In a small table, though, each value counts."""
LARGEST_BIAS = np.float32(2**30)
"""In units of the accumulator: half of int32, the other half is for the products."""
SMALLEST_SCALE = np.float32(2.0**-100)
"""A smaller one counts as 0, because its product with the scale of the other side may be 0 in float32."""


def over_unit_range(layers: Sequence[Layer], inputs: NDArray[Any]) -> tuple[Layer, ...]:
    """The same network with one more layer before its first product, which scales each feature to its own range; pictures as they are.

    One scale for all inputs, as an integer matrix product needs, then resolves each feature over its own range, without its
    tails: values beyond it are taken for its nearest end.

    Parameters
    ----------
    layers
        Float layers.
    inputs
        float32 `[n, features]`, the calibration examples, raw.
    """
    start = first_product(layers)
    linear = layers[start]
    if isinstance(layers[0], GreyLevels | Planes) or not isinstance(linear, Linear):
        return tuple(layers)
    x: Value = inputs
    for layer in layers[:start]:
        x = layer.apply(x)
    unit = Scale.to_unit_range(to_float(x), beyond=int(TAIL * len(inputs)))
    weight = linear.weight / unit.factor.astype(np.float64)
    bias = linear.bias + linear.weight @ unit.offset.astype(np.float64)
    rounded = Linear(weight.astype(np.float32), bias.astype(np.float32))
    return (*layers[:start], unit, rounded, *layers[start + 1 :])


def first_product(layers: Sequence[Layer]) -> int:
    """Place of the first layer with weights."""
    return next(place for place, layer in enumerate(layers) if isinstance(layer, Linear))


def quantize(
    layers: Sequence[Layer],
    activation_maxima: Sequence[float],
    scheme: Scheme,
    weight_maxima: Sequence[NDArray[np.float32]] | None = None,
) -> tuple[Layer, ...]:
    """Round each linear layer, and what it takes, to integers.

    Parameters
    ----------
    layers
        The float layers, from the raw inputs to the logits; where the first is rounded, it takes inputs between 0 and 1
        (`over_unit_range`).
    activation_maxima
        The largest output of each hidden layer.
    scheme
        How to round the weights.
    weight_maxima
        What the largest level of each rounded layer's weights stands for; None takes the largest weight (`largest_weights`).
    """
    activation_scales = _divisible(np.array(activation_maxima, np.float32) / np.float32(ACTIVATION_LEVELS))
    scales = iter([UNIT_SCALE, *activation_scales])
    maxima = iter(weight_maxima or ())
    rounds = iter(scheme.rounds(sum(isinstance(layer, Linear) for layer in layers)))
    quantized: list[Layer] = []
    for layer in layers:
        if not isinstance(layer, Linear):
            quantized.append(layer)
            continue
        scale = next(scales)
        if not next(rounds):
            quantized.append(layer)
            continue
        if not isinstance(quantized[-1], GreyLevels | Planes):  # which are whole numbers already
            # Rounded before they are pooled, because ONNX Runtime then fuses the rounding into the product, and pools bytes.
            place = len(quantized)
            while isinstance(quantized[place - 1], MaxPool | Flatten):
                place -= 1
            quantized.insert(place, Quantize(np.asarray(scale)))
            quantized.append(Dequantize())
        largest = largest_weights(layer, scheme) if weight_maxima is None else next(maxima)
        quantized.append(_quantize_linear(layer, scale, largest, scheme))
    return tuple(quantized)


def largest_weights(layer: Linear, scheme: Scheme) -> NDArray[np.float32]:
    """Largest magnitude of the weights that share one scale: float32 `[]`, or `[outputs]` per channel."""
    return np.asarray(np.abs(layer.weight).max(axis=tuple(range(1, layer.weight.ndim)) if scheme.per_channel else None))


def _quantize_linear(
    layer: Linear, input_scale: np.float32, largest: NDArray[np.float32], scheme: Scheme
) -> QuantizedLinear:
    levels = scheme.weight_levels
    # A unit whose weights are nothing, or almost, keeps its bias: one that left int32 would be cut off, or overflow.
    bias = np.abs(layer.bias) if scheme.per_channel else np.abs(layer.bias).max()
    weight_scale = _divisible(np.maximum(largest / np.float32(levels), bias / (input_scale * LARGEST_BIAS)))
    steps = weight_scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
    weight = np.rint(layer.weight / steps).clip(-levels, levels).astype(np.int8)
    bias_scale = np.asarray(input_scale * weight_scale, np.float32)
    whole_bias = np.rint(layer.bias.astype(np.float64) / bias_scale).astype(np.int32)
    kind = QuantizedConvolution if isinstance(layer, Convolution) else QuantizedLinear
    return kind(weight, np.asarray(weight_scale), whole_bias, bias_scale)


def _divisible(scales: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    # All zero (a dead unit without a bias), or next to it, has no range; any scale describes it, but 0 would be divided by.
    return np.where(scales > SMALLEST_SCALE, scales, np.float32(1))
