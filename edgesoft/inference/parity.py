"""Compares two arrays of logits for the same examples: numbers only, no opinion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.inference.paired import Z_95, Paired
from edgesoft.model.heads import Head, Logits, softmax


@dataclass(frozen=True)
class LabelChange:
    """One example that the two sides label differently."""

    example: int
    """Its index in the compared arrays."""
    reference: int
    """Class the reference answers."""
    candidate: int
    """Class the candidate answers."""
    reference_probability: float
    """The reference's probability of its own answer."""
    candidate_probability: float
    """The candidate's probability of its own answer."""


@dataclass(frozen=True)
class Parity:
    """How far a candidate's logits are from the reference's."""

    examples: int
    max_logit_difference: float
    """Largest |reference - candidate| over all logits; NaN when either side holds one."""
    mean_logit_difference: float
    max_probability_difference: float
    """Largest |difference| of the probabilities at temperature 1."""
    label_changes: tuple[LabelChange, ...]
    reference_accuracy: float | None
    """Fraction of examples that the reference labels rightly; None without true labels."""
    candidate_accuracy: float | None
    lost: int | None = None
    """Examples that only the reference labels rightly; None without true labels."""
    won: int | None = None
    """Examples that only the candidate labels rightly."""

    @property
    def accuracy_drop(self) -> float | None:
        """How much accuracy the candidate loses, as a fraction; negative when it gains."""
        if self.reference_accuracy is None or self.candidate_accuracy is None:
            return None
        return self.reference_accuracy - self.candidate_accuracy

    @property
    def paired(self) -> Paired:
        """The two sides example by example; without true labels nothing was lost or won."""
        return Paired(self.examples, self.lost or 0, self.won or 0)

    @property
    def largest_drop(self) -> float:
        """The loss of accuracy, as a fraction, that these examples cannot exclude: the upper end of its 95 % interval."""
        return -self.paired.interval[0]


def compare(reference: Logits, candidate: Logits, head: Head, truth: NDArray[np.int64] | None = None) -> Parity:
    """Compare two logit arrays.

    Parameters
    ----------
    reference, candidate
        float32 `[n, outputs]`; row i of both for example i.
    head
        What the logits mean.
    truth
        int64 `[n]`, the right class of each example, where it is known.

    Raises
    ------
    EdgesoftError
        There is nothing to compare, or the shapes differ: both would make a check that checks nothing.
    """
    if reference.shape != candidate.shape or reference.ndim != 2:
        raise EdgesoftError(
            f"cannot compare logits of shape {list(reference.shape)} with logits of shape {list(candidate.shape)}"
        )
    if reference.size == 0:
        raise EdgesoftError("there are no examples to compare: parity over nothing proves nothing")
    difference = np.abs(reference.astype(np.float64) - candidate)
    reference_probabilities, candidate_probabilities = (
        softmax(head.class_logits(side)) for side in (reference, candidate)
    )
    reference_labels, candidate_labels = head.predict(reference), head.predict(candidate)
    changes = tuple(
        LabelChange(
            example=int(example),
            reference=int(reference_labels[example]),
            candidate=int(candidate_labels[example]),
            reference_probability=float(reference_probabilities[example, reference_labels[example]]),
            candidate_probability=float(candidate_probabilities[example, candidate_labels[example]]),
        )
        for example in np.flatnonzero(reference_labels != candidate_labels)
    )
    return Parity(
        examples=len(reference),
        max_logit_difference=float(difference.max()),
        mean_logit_difference=float(difference.mean()),
        max_probability_difference=float(np.abs(reference_probabilities - candidate_probabilities).max()),
        label_changes=changes,
        reference_accuracy=None if truth is None else float((reference_labels == truth).mean()),
        candidate_accuracy=None if truth is None else float((candidate_labels == truth).mean()),
        lost=None if truth is None else int(((reference_labels == truth) & (candidate_labels != truth)).sum()),
        won=None if truth is None else int(((reference_labels != truth) & (candidate_labels == truth)).sum()),
    )


def divergence(reference: Logits, candidate: Logits, head: Head) -> float:
    """Mean Kullback-Leibler divergence in nats of the candidate's probabilities at temperature 1 from the reference's."""
    certain, other = (
        class_logits - np.logaddexp.reduce(class_logits, axis=1, keepdims=True)
        for class_logits in (head.class_logits(side).astype(np.float64) for side in (reference, candidate))
    )
    return float((np.exp(certain) * (certain - other)).sum(axis=1).mean())


def wilson_interval(fraction: float, examples: int) -> tuple[float, float]:
    """95 % confidence interval of a fraction seen on `examples` independent examples.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927).
    """
    z = Z_95
    centre = (fraction + z**2 / (2 * examples)) / (1 + z**2 / examples)
    half = z / (1 + z**2 / examples) * (fraction * (1 - fraction) / examples + z**2 / (4 * examples**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
