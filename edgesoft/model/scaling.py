"""The first layers of a classifier: they bring what a device feeds, raw, into the network's range. See edgesoft/model/layers.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.graph import GraphWriter, Node, Shape
from edgesoft.model.values import UNIT_SCALE, Constants, Integers, Sizes, Value, check, check_dtypes, to_float

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class GreyLevels:
    """Raw pixels uint8, flattened: 0 to 255 become 0 to 1.

    A DequantizeLinear scales them, so that the first layer of an INT8 network consumes the bytes exactly.
    """

    operators: ClassVar[tuple[str, ...]] = ("Flatten", "DequantizeLinear")

    def output_shape(self, shape: Shape) -> Shape:
        """`(pixels,)`."""
        return (math.prod(shape),)

    def apply(self, x: Value) -> Value:
        """uint8 `[n, ...]` -> `[n, pixels]`."""
        pixels = to_float(x)
        return Integers(pixels.reshape(len(pixels), -1).astype(np.float64), np.asarray(UNIT_SCALE))

    def largest(self, sizes: Sizes) -> Sizes:
        """1, whatever the pixels."""
        return np.ones((len(sizes), math.prod(sizes.shape[1:])), np.float32)

    def write(self, graph: GraphWriter, x: str) -> str:
        """Flatten and DequantizeLinear."""
        scale = graph.constant("pixel_scale", UNIT_SCALE)
        zero = graph.constant("pixel_zero_point", np.uint8(0))
        flat = graph.node("Flatten", [x], "pixels_flat", axis=1)
        return graph.node("DequantizeLinear", [flat, scale, zero], "pixels_scaled")

    @classmethod
    def read(cls, nodes: Sequence[Node], constants: Constants) -> Self:  # noqa: ARG003 - it has no parameters
        """It has no parameters."""
        return cls()


@dataclass(frozen=True)
class Planes:
    """Raw pixels uint8 as planes, one for each colour: 0 to 255 become 0 to 1. What a convolution takes."""

    shape: Shape
    """Height, width, and colours: 1 or 3."""

    operators: ClassVar[tuple[str, ...]] = ("Reshape", "Transpose", "DequantizeLinear")

    def output_shape(self, shape: Shape) -> Shape:
        """`(colours, height, width)` of `(height, width)` or `(height, width, 3)`."""
        check(
            len(self.shape) == 3
            and self.shape in ((*shape, 1), (*shape[:2], 3))
            and shape in (self.shape, self.shape[:2])
        )
        return (self.shape[2], *self.shape[:2])

    def apply(self, x: Value) -> Value:
        """uint8 `[n, height, width, ...]` -> `[n, colours, height, width]`."""
        pixels = to_float(x)
        planes = pixels.reshape(len(pixels), *self.shape).transpose(0, 3, 1, 2)
        return Integers(planes.astype(np.float64), np.asarray(UNIT_SCALE))

    def largest(self, sizes: Sizes) -> Sizes:
        """1, whatever the pixels."""
        return np.ones((len(sizes), self.shape[2], *self.shape[:2]), np.float32)

    def write(self, graph: GraphWriter, x: str) -> str:
        """Reshape, which gives grey pictures their one colour, Transpose and DequantizeLinear."""
        shape = graph.constant("pixels_shape", np.array([0, *self.shape], np.int64))  # 0: as many as there are
        planes = graph.node(
            "Transpose", [graph.node("Reshape", [x, shape], "pixels_coloured")], "pixels_planes", perm=(0, 3, 1, 2)
        )
        scale = graph.constant("pixel_scale", UNIT_SCALE)
        return graph.node(
            "DequantizeLinear", [planes, scale, graph.constant("pixel_zero_point", np.uint8(0))], "pixels_scaled"
        )

    @classmethod
    def read(cls, nodes: Sequence[Node], constants: Constants) -> Self:
        """The shape stands behind the 0 for the batch."""
        shape = constants[nodes[0].inputs[1]]
        return cls(tuple(int(side) for side in shape.reshape(-1)[1:]))


SMALLEST_WIDTH = 1e-30
"""Of a feature, so that what it is multiplied by stays in float32."""
REACH = np.float32(1e9)
"""What lies farther out counts as lying here, where the limit of a clip is reached and squares are still far from leaving float32."""


@dataclass(frozen=True, eq=False)
class Scale:
    """`(x - offset) * factor`, feature by feature, in float32: what happens to the features of a table first."""

    offset: NDArray[np.float32]
    """float32 `[features]`."""
    factor: NDArray[np.float32]
    """float32 `[features]`."""

    operators: ClassVar[tuple[str, ...]] = ("Sub", "Mul")

    def output_shape(self, shape: Shape) -> Shape:
        """`(features,)`."""
        check(self.offset.shape == self.factor.shape == shape and len(shape) == 1)
        check_dtypes((self.offset, np.float32), (self.factor, np.float32))
        return shape

    def apply(self, x: Value) -> Value:
        """float32 `[n, features]`."""
        return np.asarray((to_float(x) - self.offset) * self.factor)

    def largest(self, sizes: Sizes) -> Sizes:
        """A difference that leaves float32 stays infinite, or becomes NaN by a factor of 0."""
        centred = sizes + np.abs(self.offset)
        return np.where(np.isfinite(centred), centred * np.abs(self.factor), np.float32(np.inf))

    def write(self, graph: GraphWriter, x: str) -> str:
        """Sub and Mul."""
        what = "range" if "feature_offset" in graph.constants else "feature"  # of a table in INT8 it is the second
        centred = graph.node("Sub", [x, graph.constant(f"{what}_offset", self.offset)], f"{what}s_centred")
        return graph.node("Mul", [centred, graph.constant(f"{what}_factor", self.factor)], f"{what}s_scaled")

    @classmethod
    def read(cls, nodes: Sequence[Node], constants: Constants) -> Self:
        """Offset and factor are the second inputs."""
        return cls(constants[nodes[0].inputs[1]], constants[nodes[1].inputs[1]])

    @classmethod
    def robust(cls, features: NDArray[np.float32], *, is_numeric: NDArray[np.bool_]) -> Self:
        """Median 0 and distance 1 between the quartiles for the numeric features; the 0 and 1 of text columns stay.

        Where half of the numbers are equal, the quartiles may be, too: the whole range then becomes 2. A numeric feature that never
        changes becomes 0 whatever comes later: its weights were never trained.

        Source: Holzmüller, Grinsztajn and Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data"
        (NeurIPS 2024).

        Parameters
        ----------
        features
            float32 `[n, features]`, the training split, raw.
        is_numeric
            bool `[features]`.
        """
        offset, factor = np.zeros(len(is_numeric), np.float32), np.ones(len(is_numeric), np.float32)
        for place in np.flatnonzero(is_numeric):
            low, first, median, third, high = np.quantile(
                features[:, place].astype(np.float64), (0, 0.25, 0.5, 0.75, 1)
            )
            width = third - first if third > first else (high - low) / 2
            offset[place] = median
            factor[place] = 1 / max(width, SMALLEST_WIDTH) if high > low else 0
        return cls(offset, factor)

    @classmethod
    def to_unit_range(cls, features: NDArray[np.float32], *, beyond: int = 0) -> Self:
        """0 for each feature's smallest value, 1 for its largest: what uint8 with one scale for all features can hold.

        Parameters
        ----------
        features
            float32 `[n, features]`, the calibration examples, raw.
        beyond
            How many values may lie below 0, and as many above 1. Of a feature whose other values are all equal, none.
        """
        ordered = np.sort(features, axis=0).astype(np.float64)
        beyond = min(beyond, (len(ordered) - 1) // 2)
        low, high = ordered[beyond], ordered[len(ordered) - 1 - beyond]
        low, high = np.where(high > low, (low, high), (ordered[0], ordered[-1]))
        extent = high - low
        factor = np.divide(1.0, extent, out=np.ones_like(extent), where=extent > 0)
        return cls(low.astype(np.float32), factor.astype(np.float32))


@dataclass(frozen=True, eq=False)
class SmoothClip:
    """`x / sqrt(1 + (x / limit)^2)`: almost x where x is small, and never beyond the limit, so that no number far out outweighs all others.

    Each operation rounds once, as IEEE 754 demands, so that every CPU gives the same bits. Source: as of `Scale.robust`.
    """

    limit: NDArray[np.float32]
    """float32 `[]`."""

    operators: ClassVar[tuple[str, ...]] = ("Clip", "Div", "Mul", "Add", "Sqrt", "Div")

    def output_shape(self, shape: Shape) -> Shape:
        """`shape`."""
        check(self.limit.shape == () and bool(self.limit > 0))
        check_dtypes((self.limit, np.float32))
        return shape

    def apply(self, x: Value) -> Value:
        """float32 `[n, ...]`."""
        x = to_float(x).clip(-REACH, REACH)
        ratio = x / self.limit
        return np.asarray(x / np.sqrt(ratio * ratio + np.float32(1)))

    def largest(self, sizes: Sizes) -> Sizes:
        """The limit, where the input does not leave float32."""
        return np.where(np.isfinite(sizes), np.minimum(sizes, self.limit), np.float32(np.inf))

    def write(self, graph: GraphWriter, x: str) -> str:
        """One node an operation."""
        ends = [graph.constant("clip_low", -REACH), graph.constant("clip_high", REACH)]
        near = graph.node("Clip", [x, *ends], "clip_near")
        ratio = graph.node("Div", [near, graph.constant("clip_limit", self.limit)], "clip_ratio")
        square = graph.node("Mul", [ratio, ratio], "clip_square")
        one_more = graph.node("Add", [square, graph.constant("clip_one", np.float32(1))], "clip_sum")
        return graph.node("Div", [near, graph.node("Sqrt", [one_more], "clip_root")], "features_clipped")

    @classmethod
    def read(cls, nodes: Sequence[Node], constants: Constants) -> Self:
        """The limit is what is divided by first."""
        return cls(constants[nodes[1].inputs[1]])
