"""Chooses the golden examples: every class, and the ones that are hardest to get right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.heads import Logits

GOLDEN_EXAMPLES = 64


def select_golden(logits: Logits, targets: NDArray[np.int64]) -> NDArray[np.intp]:
    """Indices of the examples to carry inside the model file, ascending.

    Half of them are the smallest margins between the two largest logits, where a small error changes the label first; the
    other half goes round the classes, one typical example (the median margin) after the other.

    Parameters
    ----------
    logits
        float32 `[n, classes]`, the reference's.
    targets
        int64 `[n]`, the right classes.
    """
    top = np.partition(logits, -2, axis=1)
    by_margin = np.argsort(top[:, -1] - top[:, -2], kind="stable")
    chosen = list(by_margin[: GOLDEN_EXAMPLES // 2])
    queues = [_from_the_middle(by_margin[targets[by_margin] == label]) for label in np.unique(targets)]
    wanted = max(GOLDEN_EXAMPLES, len(chosen) + len(queues))
    taken = set(chosen)
    for round_ in range(max(map(len, queues))):
        for queue in queues:
            if round_ < len(queue) and queue[round_] not in taken and len(chosen) < wanted:
                chosen.append(queue[round_])
                taken.add(queue[round_])
    return np.sort(np.array(chosen))


def _from_the_middle(ordered: NDArray[np.intp]) -> NDArray[np.intp]:
    middle = (len(ordered) - 1) / 2
    return ordered[np.argsort(np.abs(np.arange(len(ordered)) - middle), kind="stable")]
