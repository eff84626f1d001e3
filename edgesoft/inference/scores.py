"""How well a model answers: each class, all of them together, and whether its confidence is honest. Numbers only.

Precision, recall, F1, support and their averages are those of scikit-learn's `classification_report`, with 0 where nothing was there
to count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgesoft.inference.parity import wilson_interval

BINS = 15
"""Most bins of confidence."""
IN_A_BIN = 10
"""Fewest answers that a bin of equal counts should hold: the accuracy of fewer says little."""


@dataclass(frozen=True)
class ClassScore:
    """One class on one split; fractions from 0 to 1, and 0 where nothing was there to count."""

    label: str
    precision: float
    """Of the examples answered as this class, those that are."""
    recall: float
    """Of the examples of this class, those answered as it."""
    f1: float
    """Harmonic mean of the two."""
    examples: int


@dataclass(frozen=True)
class Average:
    """A mean over classes."""

    precision: float
    recall: float
    f1: float


def count_confusion(targets: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """int64 `[classes, classes]`: row = right class, column = answered class."""
    return np.bincount(targets * classes + predicted, minlength=classes**2).reshape(classes, classes)


def class_scores(matrix: NDArray[np.int64], labels: Sequence[str]) -> tuple[ClassScore, ...]:
    """Score every class.

    Parameters
    ----------
    matrix
        int64 `[classes, classes]`, row = right class, column = answered class.
    labels
        The class names.
    """
    hits, answered, examples = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    return tuple(
        ClassScore(
            label=label,
            precision=float(hit / max(answer, 1)),
            recall=float(hit / max(count, 1)),
            f1=float(2 * hit / max(answer + count, 1)),
            examples=int(count),
        )
        for label, hit, answer, count in zip(labels, hits, answered, examples, strict=True)
    )


def macro_f1(scores: Sequence[ClassScore]) -> float:
    """Mean F1 over the classes: each counts the same, however few examples it has."""
    return float(np.mean([score.f1 for score in scores]))


def averages(scores: Sequence[ClassScore]) -> tuple[Average, Average]:
    """The macro average, in which each class counts the same, and the weighted one, in which it counts by its examples."""
    columns = np.array([[score.precision, score.recall, score.f1] for score in scores])
    macro = columns.mean(axis=0)
    weighted = np.average(columns, axis=0, weights=[score.examples for score in scores])
    return Average(*macro.tolist()), Average(*weighted.tolist())


class Bin(NamedTuple):
    """Answers of about the same confidence."""

    answers: int
    """How many."""
    confidence: float
    """Mean, as a fraction."""
    share: float
    """Fraction that is right."""
    interval: tuple[float, float]
    """95 % interval of it, after Wilson."""


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy, in bins of confidence."""

    counts: NDArray[np.int64]
    """int64 `[bins]`, how many answers fall into each bin."""
    confidences: NDArray[np.float64]
    """float64 `[bins]`, mean confidence in each bin; 0 where it is empty."""
    accuracies: NDArray[np.float64]
    """float64 `[bins]`, fraction answered rightly; 0 where it is empty."""

    @property
    def bins(self) -> tuple[Bin, ...]:
        """Those that hold answers."""
        triples = zip(self.counts.tolist(), self.confidences.tolist(), self.accuracies.tolist(), strict=True)
        return tuple(Bin(*triple, wilson_interval(triple[2], triple[0])) for triple in triples if triple[0])

    @property
    def expected_calibration_error(self) -> float:
        """Mean gap between confidence and accuracy, weighted by the answers in each bin, as a fraction."""
        return float(np.sum(self.counts * np.abs(self.confidences - self.accuracies)) / self.counts.sum())


def equal_count_reliability(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> Reliability:
    """Sort answers into bins that hold about as many each; bins without an answer are left out.

    Answers of the same confidence stay together, so that the order of the examples decides nothing. The edges are those of
    scikit-learn's `calibration_curve` with `strategy="quantile"`. Bins of equal width would be nearly all empty for a good model.

    Parameters
    ----------
    confidence
        `[n]`, the probability of each answer.
    right
        `[n]`, whether it is right.
    """
    exact = confidence.astype(np.float64)
    bins = max(1, min(BINS, len(exact) // IN_A_BIN))
    edges = np.percentile(exact, 100 * np.linspace(0, 1, bins + 1))
    place = np.searchsorted(edges[1:-1], exact)
    counts = np.bincount(place, minlength=bins)
    filled = counts > 0
    return Reliability(
        counts=counts[filled],
        confidences=(np.bincount(place, exact, minlength=bins)[filled] / counts[filled]),
        accuracies=(np.bincount(place, right, minlength=bins)[filled] / counts[filled]),
    )


def log_losses(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each example the logarithm of the right class's probability, negative, in nats; their mean is scikit-learn's `log_loss`.

    A probability that float32 rounds to 0 counts as the smallest step next to 1, as there: else one example could cost infinitely much.

    Parameters
    ----------
    probabilities
        float32 `[n, classes]`.
    targets
        int64 `[n]`, the right classes.
    """
    step = float(np.finfo(np.float32).eps)
    right = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    return np.asarray(-np.log(np.clip(right, step, 1 - step)))


def brier_scores(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each example the squared distance of its probabilities from the truth; their mean is scikit-learn's `brier_score_loss`.

    Source: Brier, "Verification of Forecasts Expressed in Terms of Probability" (1950). Summed over the classes; of two classes, of
    which both say the same, one counts.
    """
    truth = np.zeros(probabilities.shape)
    truth[np.arange(len(targets)), targets] = 1
    summed = ((probabilities - truth) ** 2).sum(axis=1)
    return np.asarray(summed / 2 if probabilities.shape[1] == 2 else summed)
