"""How large the parts of a network are, before it has any weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edgesoft.model.graph import Shape
from edgesoft.model.layers import Flatten, Layer, Linear, MaxPool, Relu
from edgesoft.model.products import KERNEL
from edgesoft.model.scaling import Planes

SMALLEST_POOLED = 4
"""Height or width in places below which a picture is not made smaller."""

Stages = tuple[tuple[int, ...], ...]
"""Channels of the convolutions of each stage; a stage ends with a `MaxPool`, as long as the picture is large enough for one."""


class _Part(NamedTuple):
    """One product with weights, and what follows it."""

    weight_shape: Shape
    places: int
    """How often its weights are used for one input."""
    pools: bool = False
    """Whether a `MaxPool` follows."""
    flattens: bool = False
    """Whether a `Flatten` follows."""


@dataclass(frozen=True)
class Architecture:
    """Stages of convolutions, or none, then linear layers; a ReLU stands between any two products."""

    input: Shape
    """Shape of one input: features; height and width; or these and 3 colours."""
    stages: Stages
    hidden: tuple[int, ...]
    """Widths of the linear layers before the last, in units."""
    outputs: int
    """How many logits there are."""

    def _parts(self) -> Iterator[_Part]:
        size = math.prod(self.input)
        if self.stages:
            height, width, channels = (*self.input, 1)[:3]
            for place, stage in enumerate(self.stages, start=1):
                pools = min(height, width) >= SMALLEST_POOLED
                for convolution, count in enumerate(stage, start=1):
                    ends = convolution == len(stage)
                    shape = (count, channels, KERNEL, KERNEL)
                    yield _Part(shape, height * width, ends and pools, ends and place == len(self.stages))
                    channels = count
                height, width = (height // 2, width // 2) if pools else (height, width)
            size = channels * height * width
        for units in (*self.hidden, self.outputs):
            yield _Part((units, size), 1)
            size = units

    @property
    def weight_shapes(self) -> tuple[Shape, ...]:
        """Of each product: `[outputs, channels, 3, 3]` of a convolution, `[outputs, inputs]` of a linear layer."""
        return tuple(part.weight_shape for part in self._parts())

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(math.prod(shape) + shape[0] for shape in self.weight_shapes)

    @property
    def activations(self) -> int:
        """Most of one product, for one input."""
        return max(part.weight_shape[0] * part.places for part in self._parts())

    @property
    def multiplications(self) -> int:
        """Of inputs with weights, for one answer."""
        return sum(math.prod(part.weight_shape) * part.places for part in self._parts())

    def first(self, first: Sequence[Layer]) -> tuple[Layer, ...]:
        """What brings raw inputs into the network's range: before convolutions, pictures stay pictures."""
        return (Planes((*self.input, 1)[:3]),) if self.stages else tuple(first)

    def layers(self, first: Sequence[Layer], products: Sequence[Linear]) -> tuple[Layer, ...]:
        """The network, from the raw inputs to the logits.

        Parameters
        ----------
        first
            What brings raw inputs into the network's range.
        products
            Of `weight_shapes`.
        """
        layers = list(first)
        for part, product in zip(self._parts(), products, strict=True):
            layers += [product, Relu()]
            layers += [MaxPool()] if part.pools else []
            layers += [Flatten()] if part.flattens else []
        return tuple(layers[:-1])

    def describe(self) -> str:
        """Its hidden layers in one line: "3x3 convolutions 16,32,32", "64-32", or "none"."""
        convolutions = [f"{KERNEL}x{KERNEL} convolutions {stages_text(self.stages)}"] if self.stages else []
        return ", ".join([*convolutions, *(["-".join(map(str, self.hidden))] if self.hidden else [])]) or "none"


def stages_text(stages: Stages) -> str:
    """Stages as people write them: "16,32,32", and "16+16,32" where a stage has two convolutions."""
    return ",".join("+".join(map(str, stage)) for stage in stages)
