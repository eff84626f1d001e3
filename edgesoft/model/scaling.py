"""What happens to the features of a table before the first layer; it is part of the network and of every exported graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scaling:
    """`(x - offset) * factor`, feature by feature, in float32."""

    offset: NDArray[np.float32]
    """float32 `[features]`."""
    factor: NDArray[np.float32]
    """float32 `[features]`."""

    @classmethod
    def standardising(cls, features: NDArray[np.float32], *, is_numeric: NDArray[np.bool_]) -> Scaling:
        """Mean 0 and standard deviation 1 for the numeric features; the 0 and 1 of text columns stay.

        A numeric feature that never changes becomes 0 whatever comes later: its weights were never trained.

        Parameters
        ----------
        features
            float32 `[n, features]`, the training split, raw.
        is_numeric
            bool `[features]`.
        """
        mean = features.mean(axis=0, dtype=np.float64)
        deviation = features.std(axis=0, dtype=np.float64)
        factor = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        offset = np.where(is_numeric, mean, 0.0).astype(np.float32)
        return cls(offset, np.where(is_numeric, factor, 1.0).astype(np.float32))

    @classmethod
    def to_unit_range(cls, features: NDArray[np.float32]) -> Scaling:
        """0 for each feature's smallest value, 1 for its largest: what uint8 with one scale for all features can hold.

        Parameters
        ----------
        features
            float32 `[n, features]`, the calibration examples, raw.
        """
        low = features.min(axis=0).astype(np.float64)
        extent = features.max(axis=0) - low
        factor = np.divide(1.0, extent, out=np.ones_like(extent), where=extent > 0)
        return cls(low.astype(np.float32), factor.astype(np.float32))
