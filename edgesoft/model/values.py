"""What flows between the layers of a network: floats, or whole numbers with a scale; and how a layer refuses what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.graph import Array

ACTIVATION_LEVELS = 255
UNIT_SCALE = np.float32(1 / ACTIVATION_LEVELS)
"""What one of 256 levels is worth between 0 and 1: of grey levels, and of features scaled to their range."""

Constants = Mapping[str, Array]
Sizes = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Integers:
    """Whole numbers that stand for themselves times a scale."""

    whole: Array
    """float64 `[n, ...]` with integer values: exact up to 2^53, and numpy multiplies such matrices quickly."""
    scale: Array
    """float32, of a shape that spreads over `whole`."""

    def to_float(self) -> Array:
        """float32 `[n, ...]`: one product, as ONNX Runtime does it."""
        return np.asarray(self.whole.astype(np.float32) * self.scale)


Value = Array | Integers
"""What flows from layer to layer: `[n, ...]`."""


class MisfitError(ValueError):
    """A layer cannot take what it is given, or has parameters that no such layer has."""


def to_float(value: Value) -> Array:
    """A value as floats, whatever it is in."""
    return value.to_float() if isinstance(value, Integers) else value


def check(holds: bool) -> None:
    """Raise MisfitError where it does not hold."""
    if not holds:
        raise MisfitError


def check_dtypes(*arrays: tuple[Array, type[np.generic]]) -> None:
    """Raise MisfitError where an array is of another type than it must be."""
    check(all(array.dtype == dtype for array, dtype in arrays))
