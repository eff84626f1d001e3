"""What a model answers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SHOWN = 3
"""Answers that a prediction shows at a prompt."""


class Prediction(NamedTuple):
    """What a model answers for a batch of n inputs."""

    labels: tuple[str, ...]
    """The name of the answered class of each input."""
    probabilities: NDArray[np.float32]
    """float32 `[n, classes]`, each row sums to 1."""
    logits: NDArray[np.float32]
    """float32 `[n, classes]`, the scores before softmax; `[n, 1]` where the card says that the head is a sigmoid."""
    indices: NDArray[np.int64]
    """int64 `[n]`, `labels` as indices into the card's labels."""

    def __repr__(self) -> str:
        sure = self.probabilities[range(len(self.indices)), self.indices]
        shown = [f"{label!r} {100 * share:.1f} %" for label, share in zip(self.labels[:SHOWN], sure, strict=False)]
        more = [f"and {len(self.labels) - SHOWN:,} more"] if len(self.labels) > SHOWN else []
        return f"Prediction({', '.join([*shown, *more])})"
