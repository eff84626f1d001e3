"""Nodes and constants: the form between layers and the bytes of an ONNX file, without the onnx package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]
"""Sizes without the batch."""
PRODUCTS: Mapping[str, tuple[Mapping[str, int | tuple[int, ...]], str]] = {
    "Gemm": ({"transB": 1}, "linear"),
    "Conv": ({"pads": (1, 1, 1, 1)}, "convolution"),
}
"""Operator of a product with weights -> its attributes, and what its output is called."""


@dataclass(frozen=True)
class Node:
    """One operation of the graph."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, int | tuple[int, ...]]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of the graph."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    """A number is fixed; a word ("batch") may be any size."""


class GraphWriter:
    """Collects nodes and constants in the order in which layers and heads write them.

    Parameters
    ----------
    products
        How many products with weights the network has: the output of the last one is called "logits".
    """

    def __init__(self, products: int) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self._products = products
        self.index = 0
        """Products written so far: the parameters of the next one carry this number."""

    @property
    def stage(self) -> str:
        """What the value between two products is called: "features" before the first, "hidden0" after it."""
        return f"hidden{self.index - 1}" if self.index else "features"

    def constant(self, name: str, value: Array | np.generic) -> str:
        """Add a constant; returns its name."""
        self.constants[name] = np.asarray(value)
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: int | tuple[int, ...]) -> str:
        """Add a node; returns the name of its output."""
        self.nodes.append(Node(operator, tuple(inputs), (output,), attributes))
        return output

    def product(self, operator: str, x: str, weight: str, bias: str) -> str:
        """Add the product of x with weights, and a bias, by a Gemm or a Conv; returns the name of its output."""
        self.index += 1
        # Gemm, not MatMul + Add: only Gemm becomes one QGemm.
        attributes, name = PRODUCTS[operator]
        output = "logits" if self.index == self._products else f"{name}{self.index - 1}"
        return self.node(operator, [x, weight, bias], output, **attributes)

    def dequantized(self, name: str, values: Array, scale: Array) -> str:
        """Add a constant in integers that stand for themselves times `scale`; returns the name of the float value."""
        quantized = self.constant(f"{name}_quantized", values)
        factor = self.constant(f"{name}_scale", scale)
        zero = self.constant(f"{name}_zero_point", np.zeros(scale.shape, values.dtype))
        axis = {"axis": 0} if scale.ndim else {}
        return self.node("DequantizeLinear", [quantized, factor, zero], name, **axis)
