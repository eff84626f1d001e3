"""How well each class is recognised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
