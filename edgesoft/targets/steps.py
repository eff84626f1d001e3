"""Layers -> the few steps that a device takes one after the other, and their constants: what every target writes in its language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.graph import Array, Shape
from edgesoft.model.layers import Dequantize, Flatten, Layer, Linear, MaxPool, Quantize, QuantizedLinear, Relu
from edgesoft.model.network import Network
from edgesoft.model.scaling import REACH, GreyLevels, Planes, Scale, SmoothClip
from edgesoft.model.values import UNIT_SCALE

INT32_MAX = 2**31 - 1
BYTE_MAX = 255
Kind = Literal["bytes", "floats"]
Function = Literal[
    "dense_bytes",
    "dense_bytes_to_floats",
    "dense",
    "convolve_bytes",
    "convolve_bytes_to_floats",
    "convolve",
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
* `convolve_bytes`, `convolve_bytes_to_floats`, `convolve`: the same at each place of a picture, where x is its 3x3 surroundings, column by
  column from the top down, with 0 beyond the edge; and of each 2x2 block of places the largest, if it pools. Pictures lie line by line, and
  the channels of a place side by side. What grows with the sum, as `byte` of it does, may as well be done once to the largest one.
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


class Picture(NamedTuple):
    """What a convolution goes over."""

    height: int
    width: int
    channels: int
    pools: bool
    """Whether only the largest of each 2x2 block is given; an odd last line is left out."""

    @property
    def side(self) -> int:
        """Of a block of places, which gives one."""
        return 2 if self.pools else 1

    @property
    def given(self) -> tuple[int, int]:
        """Height and width of what comes out."""
        return self.height // self.side, self.width // self.side


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
    `[inputs]`; of a convolution the inputs are the surroundings of one place, and the outputs its channels."""
    picture: Picture | None = None
    """Of a convolution."""

    @property
    def multiplications(self) -> int:
        """Of weights, also with the 0 beyond the edge; the few others do not count."""
        if "weights" not in self.constants:
            return 0
        places = 1 if self.picture is None else prod(self.picture.given) * self.picture.side**2
        return self.constants["weights"].size * places


def steps(network: Network, shape: Shape) -> tuple[Step, ...]:
    """Lay a network out.

    Parameters
    ----------
    network
        Layers and head.
    shape
        Of one input: bytes of a picture, floats of a table.

    Raises
    ------
    InexpressibleError
        A layer, or a row of layers, has no such form.
    """
    row = _Row(prod(shape))
    layers = list(network.layers)
    while layers:
        layer = layers.pop(0)
        if isinstance(layer, Linear | QuantizedLinear) and layer.weight.ndim > 2:
            row.begin_picture(pools=_pooling(layers))
        if isinstance(layer, QuantizedLinear):
            row.quantized(layer, _rounding(layers))
        else:
            row.float_layer(layer)
    return tuple(row.steps)


def _pooling(layers: list[Layer]) -> bool:
    """Take the pooling away that follows a convolution; nothing that stands between them decreases, so that either may be done first."""
    place = 0
    while place < len(layers) and isinstance(layers[place], Relu | Quantize | Dequantize):
        place += 1
    pools = place < len(layers) and isinstance(layers[place], MaxPool)
    if pools:
        del layers[place]
    return pools


def _rounding(layers: list[Layer]) -> Quantize | None:
    """Take the rounding away that follows a product; a byte cannot be negative, so it does what a Relu before it does."""
    rest = layers[1:] if layers and isinstance(layers[0], Relu) else layers
    rounding = rest[0] if rest else None
    if not isinstance(rounding, Quantize):
        return None
    layers[:] = rest[1:]
    return rounding


@dataclass
class _Row:
    size: int
    """Of what the last step gave."""
    shape: Shape = ()
    """Height, width and channels of it, where it is a picture."""
    picture: Picture | None = None
    """Of the convolution that comes next."""
    scale: NDArray[np.float32] | None = None
    """What one of its bytes is worth; None for floats."""
    steps: list[Step] = field(default_factory=list)

    def add(self, function: Function, gives: Kind, **constants: Array) -> None:
        self.steps.append(Step(function, self.size, self.size, gives, constants))

    def begin_picture(self, *, pools: bool) -> None:
        if not self.shape:
            raise InexpressibleError("a convolution of what is no picture")
        height, width, channels = self.shape
        self.picture = Picture(height, width, channels, pools)

    def add_product(self, suffix: str, gives: Kind, layer: Linear | QuantizedLinear, **constants: Array) -> None:
        outputs = len(layer.bias)
        constants = {"weights": self._laid_out(layer.weight), "bias": layer.bias, **constants}
        name = ("dense" if self.picture is None else "convolve") + suffix
        size = outputs * (1 if self.picture is None else prod(self.picture.given))
        self.steps.append(Step(cast(Function, name), self.size, size, gives, constants, self.picture))
        self.shape = () if self.picture is None else (*self.picture.given, outputs)
        self.size, self.picture = size, None

    def _laid_out(self, weight: Array) -> Array:
        """In the order in which a device meets the inputs."""
        outputs = len(weight)
        if self.picture is not None:
            weight = weight.transpose(0, 3, 2, 1)
        elif self.shape:
            height, width, channels = self.shape
            weight = weight.reshape(outputs, channels, height, width).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(weight.reshape(outputs, -1))

    def float_layer(self, layer: Layer) -> None:
        match layer:
            case GreyLevels():
                self.scale = np.asarray(UNIT_SCALE)
            case Planes():
                self.scale, self.shape = np.asarray(UNIT_SCALE), layer.shape
            case Scale():
                self.add("scale_features", "floats", offset=layer.offset, factor=layer.factor)
            case SmoothClip():
                self.add("smooth_clip", "floats", limit=layer.limit.reshape(1), reach=np.array([REACH], np.float32))
            case Linear():
                if self.scale is not None:
                    self.add("floats_of_bytes", "floats", level=self.scale.reshape(1))
                    self.scale = None
                self.add_product("", "floats", layer)
            case Quantize():
                self.add("bytes_of_floats", "bytes", level=layer.scale.reshape(1))
                self.scale = layer.scale
            case Relu():
                self.add("relu", "floats")
            case Dequantize() | Flatten():
                pass  # bytes know what they are worth, and weights in which order they take them
            case _:
                raise InexpressibleError(f"a layer {type(layer).__name__}")

    def quantized(self, layer: QuantizedLinear, rounding: Quantize | None) -> None:
        """A product of integers, and the rounding of what comes out of it."""
        if self.scale is None:
            raise InexpressibleError("integer weights whose inputs are not rounded")
        scale = np.broadcast_to(self.scale * layer.weight_scale, layer.bias.shape)
        if not np.array_equal(scale, np.broadcast_to(layer.bias_scale, layer.bias.shape)):
            raise InexpressibleError("a bias in other units than its products")
        largest = BYTE_MAX * np.abs(layer.weight.astype(np.int64)).reshape(len(scale), -1).sum(axis=1)
        if (largest + np.abs(layer.bias.astype(np.int64))).max() > INT32_MAX:
            raise InexpressibleError("sums that may leave 32 bits")
        factors = scale if rounding is None else scale / rounding.scale
        if self.picture is not None and self.picture.pools and not (factors > 0).all():
            raise InexpressibleError("pooled values that fall where their sums grow")
        factors = factors if layer.weight_scale.ndim else factors[:1]
        if rounding is None:
            self.add_product("_bytes_to_floats", "floats", layer, factors=factors)
            self.scale = None
        else:
            self.add_product("_bytes", "bytes", layer, factors=factors)
            self.scale = rounding.scale
