"""Honest probabilities: a temperature that makes confidence equal accuracy, and the error that is left.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgesoft.inference.rejection import energy_score
from edgesoft.inference.scores import Reliability
from edgesoft.model.card import Rejection
from edgesoft.model.heads import Logits, softmax

BINS = 15
TEMPERATURES = (0.05, 20.0)
"""Between these a fitted temperature stays: a validation split without a single mistake would drive it to 0."""

RARE = 0.001
"""Share of right answers on the validation split that may fall below each limit."""
RARE_DISTORTED = 0.005
"""Share of right answers on distorted validation pictures that may fall below the energy of a network that learned from outliers."""
EVEN_CONFIDENCE = 0.5
"""Where an answer is as often wrong as right."""
EVEN_ENERGY_SCORE = 0.0
"""Where, to a network that learned from outliers, "none of the classes" is as probable as all of them together."""


def reliability(logits: Logits, targets: NDArray[np.int64], *, temperature: float = 1.0) -> Reliability:
    """Sort answers into bins of confidence.

    Parameters
    ----------
    logits
        float32 `[n, classes]`.
    targets
        int64 `[n]`, the right classes.
    temperature
        What the logits are divided by.
    """
    probabilities = softmax((logits / np.float32(temperature)).astype(np.float32))
    confidence = probabilities.max(axis=1)
    right = logits.argmax(axis=1) == targets
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    filled = np.maximum(counts, 1)
    return Reliability(
        counts=counts,
        confidences=np.bincount(bins, confidence, minlength=BINS) / filled,
        accuracies=np.bincount(bins, right, minlength=BINS) / filled,
    )


def fit_temperature(logits: Logits, targets: NDArray[np.int64]) -> float:
    """The temperature that minimises cross entropy; it never changes a label.

    Cross entropy is convex in the inverse temperature, so its slope is searched for its only zero by bisection.

    Parameters
    ----------
    logits
        float32 `[n, classes]` on examples that were not trained on.
    targets
        int64 `[n]`, the right classes.
    """
    # One more example is counted, spread evenly over the classes: a small split without a mistake must not make the model
    # certain. Source: Platt, "Probabilistic Outputs for Support Vector Machines" (1999).
    share = 1 / (len(targets) + 1)
    observed = logits[np.arange(len(targets)), targets].mean(dtype=np.float64)
    right = (1 - share) * observed + share * logits.mean(dtype=np.float64)

    def slope(inverse: float) -> float:
        expected = (softmax((logits * np.float32(inverse)).astype(np.float32)) * logits).sum(axis=1)
        return float(expected.mean() - right)

    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return float(np.float32(1 / low))


def rejection_limits(
    logits: Logits, targets: NDArray[np.int64], temperature: float, *, distorted: Logits | None = None
) -> Rejection:
    """The limits below which an answer is given as unknown, for the model card.

    Parameters
    ----------
    logits
        float32 `[n, classes]` on the validation split.
    targets
        int64 `[n]`, the right classes.
    temperature
        What the logits are divided by.
    distorted
        float32 `[n, classes]` on distorted pictures of the same split, of a network that learned from outliers, so that its energy
        score means something by itself; None of any other.
    """
    right = logits.argmax(axis=1) == targets
    if distorted is None:
        # Of two classes, only the difference was learned.
        energy = _rarest(energy_score(logits[right]), RARE) if logits.shape[1] > 2 else None
    else:
        # Other people's pictures are as far from the training data as distorted ones. What loses few of those is below even odds, and
        # by how much depends on the run: what an unusual digit's energy is, and the lowest that can be trusted, move together.
        rarest = _rarest(energy_score(distorted[distorted.argmax(axis=1) == targets]), RARE_DISTORTED)
        energy = EVEN_ENERGY_SCORE if rarest is None else min(rarest, EVEN_ENERGY_SCORE)
    confidence = _rarest(softmax((logits / np.float32(temperature)).astype(np.float32)).max(axis=1)[right], RARE)
    if confidence is None:
        return Rejection(None if distorted is None else EVEN_CONFIDENCE, energy)
    # Confidence is calibrated: below one half, an answer is more often wrong than right. Nor is the limit higher for a model that is
    # hardly ever unsure of its own data, because other people's pictures leave it less sure, and it still reads them rightly.
    return Rejection(min(confidence, EVEN_CONFIDENCE), energy)


def _rarest(values: NDArray[np.floating], share: float) -> float | None:
    """What this share of the values falls below; None of so few that they hold no such share: their smallest would reject far more."""
    return None if len(values) * share < 1 else round(float(np.quantile(values, share)), 4)
