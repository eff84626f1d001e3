"""Inputs as Python's users hold them: arrays, tensors, nested lists."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError


def as_array(values: Any) -> NDArray[Any]:
    """A numpy array of numbers or words; a torch tensor is fetched from wherever it lies.

    Raises
    ------
    EdgesoftError
        It is none, or some of its values are masked.
    """
    try:
        if hasattr(values, "detach"):
            values = values.detach().cpu().numpy()
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:  # ragged lists, sparse tensors
        detail = " ".join(str(error).split())[:200]
        raise EdgesoftError(f"cannot be made an array ({detail}). Expected rows of equal length") from error
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        count = int(np.ma.getmaskarray(values).sum())
        raise EdgesoftError(f"{count:,} values are masked. Fill them in or remove these rows")
    return array


def picture_advice(array: NDArray[Any], shape: tuple[int, ...]) -> str:
    """How pictures of another type or shape than uint8 `[n, *shape]` are brought there; "" where that is not plain."""
    code = "x"
    if array.dtype.kind == "b":
        code = "255 * x"
    elif array.dtype.kind == "f" and array.size and array.min() >= 0 and array.max() <= 255:
        code = "numpy.rint(255 * x)" if array.max() <= 1 else "numpy.rint(x)"
    elif array.dtype != np.uint8:
        return "Grey levels are integers from 0 to 255" if array.dtype.kind in "iuf" else ""
    if array.dtype != np.uint8:
        code = f"({code}).astype(numpy.uint8)" if " " in code and "(" not in code else f"{code}.astype(numpy.uint8)"
    if array.ndim in (1, 2) and array.shape[-1] == math.prod(shape):
        code = f"{code}.reshape(-1, {', '.join(map(str, shape))})"
    return "" if code == "x" else f"Perhaps it is {code}"
