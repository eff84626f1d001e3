"""The layers of a classifier, as data: what each takes, what it computes, and what a model file says of it.

A network is a row of them. The first ones, which stand in scaling.py, bring what a device feeds, raw, into the network's range; the last
one gives the logits.
Float and integer layers stand side by side: quantizing replaces the ones by the others.

Each layer is defined here once:

* `output_shape`: its shape rule, which raises MisfitError. Only one row for each input comes out of a layer, never more, and of no
  convolution more than MOST_ACTIVATIONS, so that no file can make a runtime allocate what it does not hold.
* `apply`: its numpy rule. Layers in integers are computed in integers, with the same few roundings as ONNX Runtime's QGemm, so that a
  single changed weight cannot hide behind a tolerance.
* `largest`: how large its values can get, whatever the signs and the order of summation, if its inputs are no larger than so much: float32
  `[n, ...]` for `[n, ...]`; infinite where they can leave float32.
* `operators`, `write` and `read`: the nodes that it becomes in an ONNX graph, and the way back. `read` need not check how
  the nodes are joined: whoever reads a file writes the layers again and compares.

PyTorch's network (training/network.py) and ONNX Runtime share nothing with these rules: they are what the rules are held against.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.graph import Array, GraphWriter, Node, Shape
from edgesoft.model.products import multiply, spread
from edgesoft.model.scaling import GreyLevels, Planes, Scale, SmoothClip
from edgesoft.model.values import ACTIVATION_LEVELS, Constants, Integers, Sizes, Value, check, check_dtypes, to_float

if TYPE_CHECKING:
    from typing_extensions import Self

MOST_ACTIVATIONS = 2**23
"""Of a convolution on one picture, 32 MB of floats: a few channels more cost a file nothing, and a device much."""


@dataclass(frozen=True, eq=False)
class Linear:
    """`x @ weight.T + bias`."""

    weight: NDArray[np.float32]
    """float32 `[outputs, inputs]`."""
    bias: NDArray[np.float32]
    """float32 `[outputs]`."""

    operators: ClassVar[tuple[str, ...]] = ("Gemm",)

    def output_shape(self, shape: Shape) -> Shape:
        """What `fit` says."""
        check_dtypes((self.weight, np.float32), (self.bias, np.float32))
        return self.fit(self.weight, self.bias, shape)

    @staticmethod
    def fit(weight: Array, bias: Array, shape: Shape) -> Shape:
        """`(outputs,)`, whatever the weights are in."""
        check(weight.shape == (*bias.shape, *shape) and weight.ndim == 2 and len(shape) == 1)
        return bias.shape

    def apply(self, x: Value) -> Value:
        """`[n, outputs]`, summed in float64: the exact answer, next to which float32 in any order of summation is an error."""
        x, weight, bias = (value.astype(np.float64) for value in (to_float(x), self.weight, self.bias))
        return multiply(x, weight) + spread(bias, weight)

    def largest(self, sizes: Sizes) -> Sizes:
        """The sum of the absolute products."""
        weight = np.abs(self.weight)
        return np.asarray(multiply(sizes, weight) + spread(np.abs(self.bias), weight), np.float32)

    def write(self, graph: GraphWriter, x: str) -> str:
        """One Gemm."""
        weight = graph.constant(f"weight{graph.index}", self.weight)
        return graph.product(self.operators[-1], x, weight, graph.constant(f"bias{graph.index}", self.bias))

    @classmethod
    def read(cls, nodes: Sequence[Node], constants: Constants) -> Self:
        """Weight and bias are constants."""
        return cls(constants[nodes[0].inputs[1]], constants[nodes[0].inputs[2]])


@dataclass(frozen=True, eq=False)
class Convolution(Linear):
    """A linear layer that stands at each place of a picture and sees its 3x3 surroundings; beyond the edge all is 0."""

    weight: NDArray[np.float32]
    """float32 `[outputs, channels, 3, 3]`."""

    operators: ClassVar[tuple[str, ...]] = ("Conv",)

    @staticmethod
    def fit(weight: Array, bias: Array, shape: Shape) -> Shape:
        """`(outputs, height, width)` of `(channels, height, width)`, whatever the weights are in."""
        check(weight.ndim == 4 and len(shape) == 3 and min(shape) > 0)
        check(weight.shape == (*bias.shape, shape[0], 3, 3))
        check(len(bias) * math.prod(shape[1:]) <= MOST_ACTIVATIONS)
        return (*bias.shape, *shape[1:])


def product_of(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> Linear:
    """The layer with these weights: a convolution where they are `[outputs, channels, 3, 3]`."""
    return (Convolution if weight.ndim > 2 else Linear)(weight, bias)


@dataclass(frozen=True)
class Relu:
    """`max(x, 0)`."""

    operators: ClassVar[tuple[str, ...]] = ("Relu",)

    def output_shape(self, shape: Shape) -> Shape:
        """`shape`."""
        return shape

    def apply(self, x: Value) -> Value:
        """Of integers: integers."""
        return Integers(np.maximum(x.whole, 0), x.scale) if isinstance(x, Integers) else np.maximum(x, 0)

    def largest(self, sizes: Sizes) -> Sizes:
        """No larger."""
        return sizes

    def write(self, graph: GraphWriter, x: str) -> str:
        """One Relu."""
        return graph.node("Relu", [x], graph.stage)

    @classmethod
    def read(cls, nodes: Sequence[Node], constants: Constants) -> Self:  # noqa: ARG003 - it has no parameters
        """It has no parameters."""
        return cls()


@dataclass(frozen=True, eq=False)
class Quantize:
    """Rounds what is not negative to uint8, with one scale for all."""

    scale: NDArray[np.float32]
    """float32 `[]`: what one level is worth."""

    operators: ClassVar[tuple[str, ...]] = ("QuantizeLinear",)

    def output_shape(self, shape: Shape) -> Shape:
        """`shape`."""
        check(self.scale.shape == ())
        check_dtypes((self.scale, np.float32))
        return shape

    def apply(self, x: Value) -> Value:
        """Half to even; of integers by one product in float32, as QGemm does."""
        ratio = x.whole.astype(np.float32) * (x.scale / self.scale) if isinstance(x, Integers) else x / self.scale
        whole = np.nan_to_num(np.rint(ratio)).clip(0, ACTIVATION_LEVELS).astype(np.float64)
        return Integers(whole, self.scale)

    def largest(self, sizes: Sizes) -> Sizes:
        """The largest level."""
        return np.full_like(sizes, self.scale * ACTIVATION_LEVELS)

    def write(self, graph: GraphWriter, x: str) -> str:
        """One QuantizeLinear, which ONNX Runtime fuses into the product before it."""
        name = graph.stage
        factor = graph.constant(f"{name}_scale", self.scale)
        zero = graph.constant(f"{name}_zero_point", np.uint8(0))
        return graph.node("QuantizeLinear", [x, factor, zero], f"{name}_quantized")

    @classmethod
    def read(cls, nodes: Sequence[Node], constants: Constants) -> Self:
        """The scale is the second input."""
        return cls(constants[nodes[0].inputs[1]])


@dataclass(frozen=True)
class Dequantize:
    """What `Quantize` made whole numbers of goes on as the floats that they stand for: nothing to compute."""

    operators: ClassVar[tuple[str, ...]] = ("DequantizeLinear",)

    def output_shape(self, shape: Shape) -> Shape:
        """`shape`."""
        return shape

    def apply(self, x: Value) -> Value:
        """Whole numbers know what they stand for."""
        return x

    def largest(self, sizes: Sizes) -> Sizes:
        """No larger."""
        return sizes

    def write(self, graph: GraphWriter, x: str) -> str:
        """One DequantizeLinear with the constants of the `Quantize`; ONNX Runtime fuses it into the product after it."""
        name = graph.stage
        return graph.node("DequantizeLinear", [x, f"{name}_scale", f"{name}_zero_point"], f"{name}_dequantized")

    @classmethod
    def read(cls, nodes: Sequence[Node], constants: Constants) -> Self:  # noqa: ARG003 - it has no parameters
        """It has no parameters."""
        return cls()


@dataclass(frozen=True)
class MaxPool:
    """The largest of each 2x2 block of places: a picture of half the height and width; an odd last line is left out."""

    operators: ClassVar[tuple[str, ...]] = ("MaxPool",)

    def output_shape(self, shape: Shape) -> Shape:
        """`(channels, height // 2, width // 2)`."""
        check(len(shape) == 3 and min(shape[1:]) >= 2)
        return (shape[0], shape[1] // 2, shape[2] // 2)

    def apply(self, x: Value) -> Value:
        """Of integers with one scale: integers."""
        if isinstance(x, Integers) and not x.scale.ndim:
            return Integers(self.pool(x.whole), x.scale)
        return self.pool(to_float(x))

    @staticmethod
    def pool(x: Array) -> Array:
        """`[n, channels, height, width]`."""
        n, channels, height, width = x.shape
        blocks = x[:, :, : height // 2 * 2, : width // 2 * 2].reshape(n, channels, height // 2, 2, width // 2, 2)
        return np.asarray(blocks.max(axis=(3, 5)))

    def largest(self, sizes: Sizes) -> Sizes:
        """No larger."""
        return self.pool(sizes)

    def write(self, graph: GraphWriter, x: str) -> str:
        """One MaxPool."""
        return graph.node("MaxPool", [x], f"{graph.stage}_pooled", kernel_shape=(2, 2), strides=(2, 2))

    @classmethod
    def read(cls, nodes: Sequence[Node], constants: Constants) -> Self:  # noqa: ARG003 - it has no parameters
        """It has no parameters."""
        return cls()


@dataclass(frozen=True)
class Flatten:
    """A picture as one row of numbers: channel by channel, line by line."""

    operators: ClassVar[tuple[str, ...]] = ("Flatten",)

    def output_shape(self, shape: Shape) -> Shape:
        """`(channels * height * width,)`."""
        return (math.prod(shape),)

    def apply(self, x: Value) -> Value:
        """Of integers with one scale: integers."""
        if isinstance(x, Integers) and not x.scale.ndim:
            return Integers(x.whole.reshape(len(x.whole), -1), x.scale)
        x = to_float(x)
        return x.reshape(len(x), -1)

    def largest(self, sizes: Sizes) -> Sizes:
        """No larger."""
        return sizes.reshape(len(sizes), -1)

    def write(self, graph: GraphWriter, x: str) -> str:
        """One Flatten."""
        return graph.node("Flatten", [x], f"{graph.stage}_flat", axis=1)

    @classmethod
    def read(cls, nodes: Sequence[Node], constants: Constants) -> Self:  # noqa: ARG003 - it has no parameters
        """It has no parameters."""
        return cls()


@dataclass(frozen=True, eq=False)
class QuantizedLinear:
    """A linear layer in integers; an integer times its scale is the float that it stands for."""

    weight: NDArray[np.int8]
    """int8 `[outputs, inputs]`."""
    weight_scale: NDArray[np.float32]
    """float32 `[]`, or `[outputs]` per channel."""
    bias: NDArray[np.int32]
    """int32 `[outputs]`."""
    bias_scale: NDArray[np.float32]
    """float32 `[]` or `[outputs]`: input scale times weight scale, what one unit of the accumulator is worth."""

    operators: ClassVar[tuple[str, ...]] = ("DequantizeLinear", "DequantizeLinear", "Gemm")
    floats: ClassVar[type[Linear]] = Linear

    def output_shape(self, shape: Shape) -> Shape:
        """As the float layer's."""
        check(self.weight_scale.shape == self.bias_scale.shape and self.weight_scale.shape in ((), self.bias.shape))
        check_dtypes((self.weight, np.int8), (self.bias, np.int32))
        check_dtypes((self.weight_scale, np.float32), (self.bias_scale, np.float32))
        return self.floats.fit(self.weight, self.bias, shape)

    def apply(self, x: Value) -> Value:
        """In integers, where input and bias are in the same units; a bias with a scale of its own is taken at its word."""
        if isinstance(x, Integers):
            scale = np.broadcast_to(x.scale * self.weight_scale, self.bias.shape)
            if np.array_equal(scale, np.broadcast_to(self.bias_scale, self.bias.shape)):
                whole = multiply(x.whole, self.weight.astype(np.float64)) + spread(self.bias, self.weight)
                return Integers(whole, spread(scale, self.weight))
        return self.to_float().apply(x)

    def largest(self, sizes: Sizes) -> Sizes:
        """As the float layer's."""
        return self.to_float().largest(sizes)

    def to_float(self) -> Linear:
        """The float layer that it stands for."""
        weight = self.weight * self.weight_scale.reshape(-1, *[1] * (self.weight.ndim - 1))
        return self.floats(weight.astype(np.float32), (self.bias * self.bias_scale).astype(np.float32))

    def write(self, graph: GraphWriter, x: str) -> str:
        """Weight and bias behind a DequantizeLinear each, and the product: together one QGemm or QLinearConv."""
        weight = graph.dequantized(f"weight{graph.index}", self.weight, self.weight_scale)
        bias = graph.dequantized(f"bias{graph.index}", self.bias, self.bias_scale)
        return graph.product(self.operators[-1], x, weight, bias)

    @classmethod
    def read(cls, nodes: Sequence[Node], constants: Constants) -> Self:
        """The first node holds the weight, the second the bias."""
        weight, bias = nodes[0].inputs, nodes[1].inputs
        return cls(constants[weight[0]], constants[weight[1]], constants[bias[0]], constants[bias[1]])


@dataclass(frozen=True, eq=False)
class QuantizedConvolution(QuantizedLinear):
    """A convolution in integers."""

    weight: NDArray[np.int8]
    """int8 `[outputs, channels, 3, 3]`."""

    operators: ClassVar[tuple[str, ...]] = ("DequantizeLinear", "DequantizeLinear", "Conv")
    floats: ClassVar[type[Linear]] = Convolution


Layer = (
    GreyLevels
    | Planes
    | Scale
    | SmoothClip
    | Quantize
    | Dequantize
    | MaxPool
    | Flatten
    | QuantizedLinear
    | Linear
    | Relu
)
"""A `Convolution` is a `Linear`, and a `QuantizedConvolution` a `QuantizedLinear`."""

FIRST: tuple[type[Layer], ...] = (Planes, GreyLevels)
"""What only the inputs themselves are taken by."""
LAYERS: tuple[type[Layer], ...] = (
    Scale, SmoothClip, QuantizedLinear, QuantizedConvolution, Quantize, Dequantize, MaxPool, Flatten, Linear, Convolution, Relu,
)  # fmt: skip
"""Every other kind of layer; of two that begin with the same operators, the longer one first."""
