"""The learning rate over a run."""

from __future__ import annotations

import math


def one_cycle(progress: float) -> float:
    """Learning rate, as a fraction of the largest, after `progress` (0..1) of all steps: up for 15 %, then down to 0, along cosines.

    Source: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates" (2018).
    """
    start, warm_up = 0.04, 0.15
    if progress < warm_up:
        return start + (1 - start) * (1 - math.cos(math.pi * progress / warm_up)) / 2
    return (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))) / 2
