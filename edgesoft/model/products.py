"""Products of inputs and weights in plain numpy: of matrices, and of pictures with 3x3 kernels."""

from __future__ import annotations

import numpy as np

from edgesoft.model.graph import Array

KERNEL = 3
"""Side of the surroundings that a convolution sees."""


def multiply(x: Array, weight: Array) -> Array:
    """`x @ weight.T`; with 3x3 kernels the same at each place of a picture, with its surroundings as the row.

    Parameters
    ----------
    x
        `[n, inputs]`, or `[n, channels, height, width]`.
    weight
        `[outputs, inputs]`, or `[outputs, channels, 3, 3]`.

    Returns
    -------
    NDArray
        `[n, outputs]`, or `[n, outputs, height, width]`.
    """
    if weight.ndim == 2:
        return np.asarray(x @ weight.T)
    height, width = x.shape[2:]
    # The channels stand last, so that each of the nine places of the kernel is one product of matrices.
    padded = np.pad(x.transpose(0, 2, 3, 1), ((0, 0), (1, 1), (1, 1), (0, 0)))
    total = np.zeros((len(x), height, width, len(weight)), x.dtype)
    for row in range(KERNEL):
        for column in range(KERNEL):
            total += padded[:, row : row + height, column : column + width] @ weight[:, :, row, column].T
    return total.transpose(0, 3, 1, 2)


def spread(values: Array, weight: Array) -> Array:
    """One value for all outputs, or `[outputs]`, in the shape that spreads over what `multiply` gives."""
    return values.reshape(*values.shape, *[1] * (weight.ndim - 2))
