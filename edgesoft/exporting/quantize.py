"""Float layers -> INT8 layers: static, uint8 activations, int8 weights.

The scheme is that of Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference" (CVPR 2018), with two choices of our own:

* Weights take 7 bits. x86 without VNNI adds two products in 16 bits and saturates (VPMADDUBSW): 255 * 127 * 2 does not fit,
  255 * 63 * 2 does. So one file gives the same bits on every CPU.
* Activations follow ReLU, are never negative, and so have zero point 0. The logits stay float.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.scaling import Scaling
from edgesoft.training.checkpoint import Layer

ACTIVATION_LEVELS = 255
UNIT_SCALE = np.float32(1 / ACTIVATION_LEVELS)
"""Scale of the first layer's inputs, which lie between 0 and 1: grey levels, or features scaled to their range."""
LARGEST_BIAS = np.float32(2**30)
"""In units of the accumulator: half of int32, the other half is for the products."""


@dataclass(frozen=True)
class Scheme:
    """How weights are rounded."""

    weight_bits: int = 7
    """7: right on every CPU. 8: finer, but wrong answers on x86 without VNNI."""
    per_channel: bool = False
    """One scale for each output of a layer, instead of one for all."""
    float_last: bool = False
    """Leave the last layer in float."""

    @property
    def same_bits_everywhere(self) -> bool:
        """Whether every CPU computes the same logits, bit for bit: whole numbers only, and none that saturates."""
        return self.weight_bits == 7 and not self.float_last

    def __str__(self) -> str:
        scale = "per channel" if self.per_channel else "per tensor"
        return f"{self.weight_bits}-bit weights {scale}{', last layer in float' if self.float_last else ''}"


@dataclass(frozen=True)
class QuantizedLayer:
    """One linear layer in integers; an integer times its scale is the float that it stands for."""

    weight: NDArray[np.int8]
    """int8 `[outputs, inputs]`."""
    weight_scale: NDArray[np.float32]
    """float32 `[]`, or `[outputs]` per channel."""
    bias: NDArray[np.int32]
    """int32 `[outputs]`."""
    bias_scale: NDArray[np.float32]
    """float32 `[]` or `[outputs]`: input scale times weight scale, what one unit of the accumulator is worth."""
    input_scale: np.float32
    """Scale of the uint8 inputs."""


def for_unit_range(first: Layer, scaling: Scaling, unit_range: Scaling) -> Layer:
    """The first layer, changed so that it gives on features scaled by `unit_range` what it gave on features scaled by `scaling`.

    One scale for all inputs, as an integer matrix product needs, then resolves each feature over its own range.
    """
    factor = scaling.factor.astype(np.float64)
    weight = first.weight * (factor / unit_range.factor)
    bias = first.bias + first.weight @ ((unit_range.offset - scaling.offset.astype(np.float64)) * factor)
    return Layer(weight.astype(np.float32), bias.astype(np.float32))


def quantize(
    layers: Sequence[Layer], activation_maxima: Sequence[float], scheme: Scheme
) -> list[QuantizedLayer | Layer]:
    """Round each layer to integers.

    Parameters
    ----------
    layers
        The float layers.
    activation_maxima
        The largest output of each hidden layer.
    scheme
        How to round the weights.

    Returns
    -------
    list
        One entry a layer; a plain `Layer` stays in float.
    """
    input_scales = [UNIT_SCALE, *(np.float32(_scales(maximum, ACTIVATION_LEVELS)) for maximum in activation_maxima)]
    quantized: list[QuantizedLayer | Layer] = [
        _quantize_layer(layer, input_scale, scheme) for layer, input_scale in zip(layers, input_scales, strict=True)
    ]
    if scheme.float_last:
        quantized[-1] = layers[-1]
    return quantized


def _quantize_layer(layer: Layer, input_scale: np.float32, scheme: Scheme) -> QuantizedLayer:
    levels = 2 ** (scheme.weight_bits - 1) - 1
    largest = np.abs(layer.weight).max(axis=1 if scheme.per_channel else None)
    # A unit whose weights have decayed to almost nothing keeps its bias: one that left int32 would be cut off, or overflow.
    bias = np.abs(layer.bias) if scheme.per_channel else np.abs(layer.bias).max()
    weight_scale = np.maximum(_scales(largest, levels), (bias / (input_scale * LARGEST_BIAS)).astype(np.float32))
    weight = np.rint(layer.weight / weight_scale.reshape(-1, 1)).clip(-levels, levels).astype(np.int8)
    bias_scale = np.asarray(input_scale * weight_scale, np.float32)
    whole_bias = np.rint(layer.bias.astype(np.float64) / bias_scale).astype(np.int32)
    return QuantizedLayer(weight, weight_scale, whole_bias, bias_scale, input_scale)


def _scales(largest: NDArray[np.float32] | float, levels: int) -> NDArray[np.float32]:
    # All zero (a dead unit) has no range; any scale describes it, but 0 would be divided by.
    return np.where(
        np.asarray(largest) > 0, np.asarray(largest, np.float32) / np.float32(levels), np.float32(1)
    ).astype(np.float32)
