"""Layers -> the few steps that a device takes one after the other, and their constants: what every target writes in its language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.graph import Array
from edgesoft.model.layers import Layer, Linear, Quantize, QuantizedLinear, Relu
from edgesoft.model.network import Network
from edgesoft.model.scaling import REACH, GreyLevels, Scale, SmoothClip
from edgesoft.model.values import UNIT_SCALE

INT32_MAX = 2**31 - 1
BYTE_MAX = 255
Kind = Literal["bytes", "floats"]
Function = Literal[
    "dense_bytes",
    "dense_bytes_to_floats",
    "dense",
    "relu",
    "scale_features",
    "smooth_clip",
    "bytes_of_floats",
    "floats_of_bytes",
]
"""What a step does; x is what it reads, y what it gives.

* `dense_bytes`, from bytes to bytes: `y = byte(factors * (weights @ x + bias))`. The sum is a whole number of 32 bits, which becomes a
  float32, and the product is one in float32; one factor for all outputs, or one for each.
* `dense_bytes_to_floats`: the same without `byte`.
* `dense`, from floats to floats: `y = weights @ x + bias`.
* `relu`: `y = max(x, 0)`.
* `scale_features`: `y = (x - offset) * factor`, in float32.
* `smooth_clip`: x is first brought between -reach and reach; then `r = x / limit`, `y = x / sqrt(r * r + 1)`, each of the four operations
  rounded to float32, none of them fused.
* `bytes_of_floats`: `y = byte(x / level)`.
* `floats_of_bytes`: `y = level * x`.

`byte` is the nearest whole number from 0 to 255, half to even, and 0 for NaN.
"""


class InexpressibleError(Exception):
    """The network holds something that no target can compute: the text says what."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step."""

    function: Function
    inputs: int
    """How many numbers it reads."""
    outputs: int
    """How many it gives."""
    gives: Kind
    constants: Mapping[str, Array] = field(default_factory=dict)
    """In the order of the formula: weights `[outputs, inputs]`, bias `[outputs]`, factors `[1]` or `[outputs]`, the others `[1]` or
    `[inputs]`."""

    @property
    def multiplications(self) -> int:
        """Of weights; the few others do not count."""
        return self.inputs * self.outputs if "weights" in self.constants else 0


def steps(network: Network, size: int) -> tuple[Step, ...]:
    """Lay a network out.

    Parameters
    ----------
    network
        Layers and head.
    size
        How many numbers one input has: bytes of pictures, floats of tables.

    Raises
    ------
    InexpressibleError
        A layer, or a row of layers, has no such form.
    """
    row = _Row(size)
    layers = list(network.layers)
    while layers:
        layer = layers.pop(0)
        if isinstance(layer, QuantizedLinear):
            row.quantized(layer, _rounding(layers))
        else:
            row.float_layer(layer)
    return tuple(row.steps)


def _rounding(layers: list[Layer]) -> Quantize | None:
    """Take the rounding away that follows a product; a byte cannot be negative, so it does what a Relu before it does."""
    rest = layers[1:] if layers and isinstance(layers[0], Relu) else layers
    if not rest or not isinstance(rest[0], Quantize):
        return None
    layers[:] = rest[1:]
    return rest[0]


@dataclass
class _Row:
    size: int
    """Of what the last step gave."""
    scale: NDArray[np.float32] | None = None
    """What one of its bytes is worth; None for floats."""
    steps: list[Step] = field(default_factory=list)

    def add(self, function: Function, gives: Kind, outputs: int | None = None, **constants: Array) -> None:
        outputs = self.size if outputs is None else outputs
        self.steps.append(Step(function, self.size, outputs, gives, constants))
        self.size = outputs

    def float_layer(self, layer: Layer) -> None:
        match layer:
            case GreyLevels():
                self.scale = np.asarray(UNIT_SCALE)
            case Scale():
                self.add("scale_features", "floats", offset=layer.offset, factor=layer.factor)
            case SmoothClip():
                self.add("smooth_clip", "floats", limit=layer.limit.reshape(1), reach=np.array([REACH], np.float32))
            case Linear():
                if self.scale is not None:
                    self.add("floats_of_bytes", "floats", level=self.scale.reshape(1))
                    self.scale = None
                self.add("dense", "floats", len(layer.bias), weights=layer.weight, bias=layer.bias)
            case Quantize():
                self.add("bytes_of_floats", "bytes", level=layer.scale.reshape(1))
                self.scale = layer.scale
            case Relu():
                self.add("relu", "floats")
            case _:
                raise InexpressibleError(f"a layer {type(layer).__name__}")

    def quantized(self, layer: QuantizedLinear, rounding: Quantize | None) -> None:
        """A product of integers, and the rounding of what comes out of it."""
        if self.scale is None:
            raise InexpressibleError("integer weights whose inputs are not rounded")
        scale = np.broadcast_to(self.scale * layer.weight_scale, layer.bias.shape)
        if not np.array_equal(scale, np.broadcast_to(layer.bias_scale, layer.bias.shape)):
            raise InexpressibleError("a bias in other units than its products")
        largest = BYTE_MAX * np.abs(layer.weight.astype(np.int64)).sum(axis=1) + np.abs(layer.bias.astype(np.int64))
        if largest.max() > INT32_MAX:
            raise InexpressibleError("sums that may leave 32 bits")
        factors = scale if rounding is None else scale / rounding.scale
        constants: dict[str, Array] = {
            "weights": layer.weight,
            "bias": layer.bias,
            "factors": factors if layer.weight_scale.ndim else factors[:1],
        }
        if rounding is None:
            self.add("dense_bytes_to_floats", "floats", len(layer.bias), **constants)
            self.scale = None
        else:
            self.add("dense_bytes", "bytes", len(layer.bias), **constants)
            self.scale = rounding.scale
