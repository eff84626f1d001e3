"""What an evaluation gives: the answers of one model on labelled examples, scored; and two models side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgesoft.inference.batches import Unreadable
from edgesoft.inference.paired import Paired
from edgesoft.inference.parity import wilson_interval
from edgesoft.inference.scores import (
    Average,
    ClassScore,
    Reliability,
    averages,
    class_scores,
    count_confusion,
    equal_count_reliability,
)
from edgesoft.model.card import ModelCard, Rejection
from edgesoft.names import quoted
from edgesoft.pages.markup import element, foreign, joined, table

SHOWN = 10
"""Labels that the warnings name."""


class Mistake(NamedTuple):
    """An example that was answered wrongly."""

    path: str
    label: str
    """The right class."""
    answer: str
    """The class that the model answers."""
    confidence: float
    """Probability of that class."""
    rejected: bool
    """Whether the answer was given as unknown."""
    inputs: NDArray[Any]
    """What the model was fed."""


@dataclass(frozen=True)
class OtherLabel:
    """Examples of one label that the model does not know."""

    examples: int
    answered: int
    """Those that were taken for one of its classes; the rest was given as unknown."""


@dataclass(frozen=True, repr=False)
class Evaluation:
    """How a model did on labelled examples.

    Accuracy, the scores of the classes and calibration judge the class that the model finds most probable (or that its threshold
    chooses), for every example: as scikit-learn does, and as training and export do. What `infer` would give as unknown is counted
    beside: `answered`, `answered_accuracy`, `right_answers`.
    """

    model: Path
    card: ModelCard
    provider: str
    data: str
    split: str | None
    reading: str
    """How an example became an input, in words."""
    rejection: Rejection
    """The limits below which an answer is unknown."""
    targets: NDArray[np.int64] = field(repr=False)
    """int64 `[n]`, the right class of each example in the order of the data; -1 where the model does not know it."""
    predicted: NDArray[np.int64] = field(repr=False)
    """int64 `[n]`, the class that the model answers; -1 where the example cannot be read."""
    confidences: NDArray[np.float32] = field(repr=False)
    """float32 `[n]`, the probability of that class."""
    rejected: NDArray[np.bool_] = field(repr=False)
    """bool `[n]`, whether the answer was given as unknown."""
    log_loss: float
    """Mean negative logarithm of the right class's probability, in nats."""
    brier_score: float
    unreadable: tuple[Unreadable, ...]
    """The first of those that could not be read."""
    other_labels: Mapping[str, OtherLabel]
    """Labels that the model does not know."""
    mistakes: tuple[Mistake, ...]
    """The worst: answered before unknown ones, the surest first."""
    against: Comparison | None = None
    """Another model on the same examples."""

    def __repr__(self) -> str:
        return f"Evaluation({str(self.model)!r} on {self.data!r}, {self.examples:,} examples, accuracy {100 * self.accuracy:.2f} %)"

    def _repr_html_(self) -> str:
        low, high = self.accuracy_interval
        rows = [
            [
                score.label,
                *(f"{100 * share:.2f} %" for share in (score.precision, score.recall, score.f1)),
                f"{score.examples:,}",
            ]
            for score in self.classes
        ]
        return joined(
            [
                element("b", foreign(f"{self.card.name} on {self.data}")),
                f": accuracy {100 * self.accuracy:.2f} %, 95 % interval {100 * low:.2f} to {100 * high:.2f}; "
                f"{self.answered:,} of {self.examples:,} answered",
                table(["class", "precision", "recall", "f1-score", "support"], rows),
            ]
        )

    @cached_property
    def scored(self) -> NDArray[np.bool_]:
        """Which examples, bool `[n]`, were read and have a class that the model knows: those that count."""
        return (self.targets >= 0) & (self.predicted >= 0)

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which examples, bool `[n]`, the model labels rightly, unknown or not."""
        return np.asarray(self.scored & (self.targets == self.predicted))

    @property
    def examples(self) -> int:
        """How many count."""
        return int(self.scored.sum())

    @property
    def errors(self) -> int:
        """How many could not be read."""
        return int((self.predicted < 0).sum())

    @property
    def accuracy(self) -> float:
        """Share of the examples that the model labels rightly, had it always answered."""
        return int(self.right.sum()) / self.examples

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """Its 95 % interval, after Wilson."""
        return wilson_interval(self.accuracy, self.examples)

    @property
    def answered(self) -> int:
        """How many of the examples that count were answered, and not given as unknown."""
        return int((self.scored & ~self.rejected).sum())

    @property
    def right_answers(self) -> int:
        """How many were answered rightly: unknown is no right answer."""
        return int((self.right & ~self.rejected).sum())

    @property
    def answered_accuracy(self) -> float | None:
        """Share of the answers that are right; None where everything was given as unknown."""
        return self.right_answers / self.answered if self.answered else None

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """int64 `[classes, classes]`: row = right class, column = answered class, unknown or not."""
        return count_confusion(self.targets[self.scored], self.predicted[self.scored], len(self.card.labels))

    @cached_property
    def classes(self) -> tuple[ClassScore, ...]:
        """The classes that the data hold or that were answered: those of which scikit-learn's report speaks, too."""
        scores = class_scores(self.confusion, self.card.labels)
        seen = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) > 0
        return tuple(score for score, is_seen in zip(scores, seen, strict=True) if is_seen)

    @property
    def averages(self) -> tuple[Average, Average]:
        """The macro and the weighted average over `classes`."""
        return averages(self.classes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to bear in mind with the scores, one sentence each."""
        found, training = [], self.card.training
        if self.split in ("train", "validation"):
            found.append(f"this is the {self.split} split: a model that was made with it is flattered")
        if self.split is None and training is not None and len(self.targets) == sum(training.examples.values()):
            parts = ", ".join(f"{count:,} {name}" for name, count in training.examples.items())
            found.append(
                f"the model was made with as many examples ({parts}): if these are the same, it is flattered. "
                "Score data that it has never seen, or its run's folder: what was held out"
            )
        if self.absent:
            found.append(f"no example of {_listed(self.absent)}")
        for label, item in list(self.other_labels.items())[:SHOWN]:
            found.append(
                f"the model does not know the label {quoted(label)}: its {item.examples:,} examples are not in the scores; "
                f"{item.answered:,} of them were taken for another class"
            )
        if len(self.other_labels) > SHOWN:
            found.append(f"and {len(self.other_labels) - SHOWN:,} more labels that it does not know")
        return tuple(found)

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes of the model that no example has."""
        counts = self.confusion.sum(axis=1).tolist()
        return tuple(label for label, count in zip(self.card.labels, counts, strict=True) if not count)

    @cached_property
    def unknown_of(self) -> Mapping[str, int]:
        """Class -> how many of its examples were given as unknown."""
        counts = np.bincount(self.targets[self.scored & self.rejected], minlength=len(self.card.labels))
        return dict(zip(self.card.labels, counts.tolist(), strict=True))

    @cached_property
    def reliability(self) -> Reliability:
        """Confidence against accuracy, in bins of about as many examples each."""
        return equal_count_reliability(self.confidences[self.scored], self.right[self.scored])

    @property
    def confusions(self) -> list[tuple[str, str, int]]:
        """The pairs of classes that are confused, as right class, answered class and how often; the most frequent first."""
        off = self.confusion.copy()
        np.fill_diagonal(off, 0)
        rows, columns = np.nonzero(off)
        order = np.argsort(-off[rows, columns], kind="stable")
        labels = self.card.labels
        return [(labels[rows[i]], labels[columns[i]], int(off[rows[i], columns[i]])) for i in order.tolist()]


@dataclass(frozen=True)
class Comparison:
    """Two models on the same examples; the other one is the reference."""

    other: Evaluation
    paired: Paired
    """The examples that both could read and know the class of; right is what was labelled rightly, unknown or not."""
    answers: Paired
    """The same, where right is only what was answered rightly."""


def _listed(labels: tuple[str, ...]) -> str:
    more = "" if len(labels) <= SHOWN else f" and {len(labels) - SHOWN:,} more classes"
    return ", ".join(map(quoted, labels[:SHOWN])) + more
