"""Float layers + calibration data -> INT8 layers: static, uint8 activations, int8 weights.

The scheme is that of Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference" (CVPR 2018), with two choices of our own:

* Weights take 7 bits by default. x86 without VNNI adds two products in int16 (VPMADDUBSW) and saturates: 255 * 127 * 2 does
  not fit, 255 * 63 * 2 does. So one file gives the same bits on every CPU.
* Activations follow ReLU, are never negative, and so have zero point 0. The logits stay float.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgesoft.workshop.checkpoint import Layer
from edgesoft.workshop.network import SoftmaxMLP, scale_pixels

ACTIVATION_LEVELS = 255
WEIGHT_LEVELS = 63  # 7 bits, symmetric: -63..63
PIXEL_SCALE = np.float32(1 / 255)


@dataclass(frozen=True)
class QuantizedLayer:
    """One linear layer in integers; `scale` times the integer gives the float."""

    weight: NDArray[np.int8]
    """int8 `[outputs, inputs]`."""
    weight_scale: np.float32
    bias: NDArray[np.int32]
    """int32 `[outputs]`, in units of `input_scale * weight_scale`."""
    input_scale: np.float32
    """Scale of the uint8 activations that the layer takes."""

    @property
    def bias_scale(self) -> np.float32:
        """What one unit of the accumulator is worth."""
        return np.float32(self.input_scale * self.weight_scale)


def calibrate(network: SoftmaxMLP, pixels: NDArray[np.uint8], *, batch_size: int = 1000) -> list[float]:
    """The largest output of each hidden layer over the calibration pictures (MinMax; the smallest is ReLU's 0)."""
    largest = [0.0] * (len(network.layers) - 1)
    with torch.inference_mode():
        for start in range(0, len(pixels), batch_size):
            x = scale_pixels(torch.from_numpy(pixels[start : start + batch_size])).flatten(1)
            for index, layer in enumerate(network.layers[:-1]):
                x = torch.relu(layer(x))
                largest[index] = max(largest[index], x.max().item())
    return largest


def quantize(layers: Sequence[Layer], activation_maxima: Sequence[float]) -> list[QuantizedLayer]:
    """Round each layer to integers.

    Parameters
    ----------
    layers
        The float layers.
    activation_maxima
        What `calibrate` measured: one number a hidden layer.
    """
    input_scales = [PIXEL_SCALE, *(_scale(maximum, ACTIVATION_LEVELS) for maximum in activation_maxima)]
    return [_quantize_layer(layer, input_scale) for layer, input_scale in zip(layers, input_scales, strict=True)]


def _quantize_layer(layer: Layer, input_scale: np.float32) -> QuantizedLayer:
    weight_scale = _scale(float(np.abs(layer.weight).max()), WEIGHT_LEVELS)
    weight = np.rint(layer.weight / weight_scale).clip(-WEIGHT_LEVELS, WEIGHT_LEVELS).astype(np.int8)
    limits = np.iinfo(np.int32)
    bias = np.rint(layer.bias.astype(np.float64) / np.float64(input_scale * weight_scale)).clip(limits.min, limits.max)
    return QuantizedLayer(weight, weight_scale, bias.astype(np.int32), input_scale)


def _scale(largest: float, levels: int) -> np.float32:
    # A layer that is all zero (a dead one) has no range; any scale describes it, but 0 would divide by zero.
    return np.float32(largest / levels) if largest > 0 else np.float32(1)


def describe(activation_maxima: Sequence[float], examples: int) -> Mapping[str, Any]:
    """The settings, for the model card."""
    return {
        "format": "QDQ, static",
        "activations": "uint8, zero point 0",
        "weights": "int8, 7 bits, per tensor",
        "calibration": "minmax",
        "calibration_examples": examples,
        "activation_maxima": list(activation_maxima),
        "float_parts": ["logits", "softmax", "argmax"],
    }
