"""Some of many examples, the same ones each time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def evenly_spread(examples: NDArray[Any], most: int) -> NDArray[Any]:
    """At most so many of the examples `[n, ...]`, from the first to the last; all of them, not copied, where they are no more."""
    if len(examples) <= most:
        return examples
    chosen: NDArray[Any] = examples[np.linspace(0, len(examples) - 1, most).astype(int)]
    return chosen
