"""Scores a model file on labelled examples: how often it is right, which classes it confuses, and whether its confidence is honest.

The examples come one after the other and go again; what is kept of each are a few bytes.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.inference.batches import Reading, Unreadable, classify
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.evaluation import Comparison, Evaluation, Mistake, OtherLabel
from edgesoft.inference.labelled import Example, LabelIndex, LabelledData
from edgesoft.inference.paired import Paired
from edgesoft.inference.rejection import limits
from edgesoft.inference.scores import brier_scores, log_losses
from edgesoft.model.card import ModelCard, Rejection
from edgesoft.names import quoted

MOST_MISTAKES = 50
"""The worst mistakes that are kept, inputs and all."""
MOST_ERRORS = 100
"""Examples that could not be read of which the reasons are kept."""
MOST_NAMED = 5
"""Labels that the model does not know which a message names."""
NOBODY = -1
"""Stands for a class where there is none."""


def evaluate(
    classifier: Classifier,
    data: LabelledData,
    *,
    reject: float | None = None,
    other_labels: bool = False,
    on_example: Callable[[int, int | None], object] = lambda *_: None,
    on_unreadable: Callable[[Unreadable], object] = lambda _: None,
) -> Evaluation:
    """Classify labelled examples as they come, and score the answers; one that cannot be read does not stop the rest.

    Parameters
    ----------
    classifier
        The model.
    data
        The examples.
    reject
        Count an answer as unknown below this confidence; None takes the card's limits.
    other_labels
        Count examples of labels that the model does not know apart, instead of refusing them.
    on_example
        Called after each example with the number so far, and of all where it is known.
    on_unreadable
        Called with each example that cannot be read.

    Raises
    ------
    EdgesoftError
        There is no example to score, or one has a label that the model does not know: the message names all such labels.
    UsageError
        `reject` is no probability.
    """
    rejection = limits(classifier.card, reject)
    tally = _Tally(classifier.card)
    for count, (label, target, reading) in enumerate(_answers(classifier, data, reject, other_labels), start=1):
        tally.add(label, target, reading)
        on_example(count, data.total)
        if isinstance(reading, Unreadable):
            on_unreadable(reading)
    result = tally.result(classifier, data, rejection)
    if not result.examples:
        reason = f"none of its {len(result.targets):,} examples can be scored" if len(result.targets) else "no example"
        raise EdgesoftError(f"{data}: {reason}. Expected labelled examples of {_listed(classifier.card.labels)}")
    return result


def compare(result: Evaluation, other: Evaluation) -> Comparison:
    """Hold two models against each other, example by example.

    Raises
    ------
    EdgesoftError
        They did not see the same examples, or there is none that both can be scored on.
    """
    if len(result.targets) != len(other.targets):
        raise EdgesoftError(
            f"{result.data}: gave {len(result.targets):,} examples to one model and {len(other.targets):,} to the other. "
            "Leave it alone while it is read, and name a file that can be read twice"
        )
    both = result.scored & other.scored
    if not both.any():
        raise EdgesoftError(
            f"{result.data}: holds no example that both {result.model} and {other.model} can be scored on"
        )

    def paired(mine: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> Paired:
        return Paired(int(both.sum()), lost=int((both & theirs & ~mine).sum()), won=int((both & mine & ~theirs).sum()))

    answers = (side.right & ~side.rejected for side in (result, other))
    return Comparison(other, paired(result.right, other.right), paired(*answers))


def _answers(
    classifier: Classifier, data: LabelledData, reject: float | None, other_labels: bool
) -> Iterator[tuple[str | None, int | None, Reading | Unreadable]]:
    """The label of each example, its class, and what the model makes of it."""
    index = LabelIndex(classifier.card.labels)
    waiting: deque[tuple[str | None, int | None]] = deque()

    def sources() -> Iterator[tuple[str, Any]]:
        examples = data.examples()
        for example in examples:
            target = None if example.label is None else index.find(example.label)
            if target is None and example.label is not None and not other_labels:
                raise _refusal(chain([example], examples), index, data, classifier)
            waiting.append((example.label, target))
            yield example.name, example.source

    for reading in classify(classifier, sources(), reject=reject):
        yield *waiting.popleft(), reading


def _refusal(
    examples: Iterator[Example], index: LabelIndex, data: LabelledData, classifier: Classifier
) -> EdgesoftError:
    """What is said of labels that the model does not know: all of them at once."""
    counts = Counter(
        example.label for example in examples if example.label is not None and index.find(example.label) is None
    )
    first = next(iter(counts))
    named = [f"{quoted(label)} ({count:,})" for label, count in counts.most_common(MOST_NAMED)]
    more = f" and {len(counts) - MOST_NAMED:,} more" if len(counts) > MOST_NAMED else ""
    close = index.nearest(first)
    hint = "" if close is None else f" Did you mean {quoted(close)} by {quoted(first)}?"
    return EdgesoftError(
        f"{data}: holds labels that {classifier.path} does not know: {', '.join(named)}{more}. "
        f"It knows {_listed(classifier.card.labels)}.{hint} Correct them, or count them apart: --other-labels, in Python other_labels=True"
    )


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(map(quoted, labels[:10]))
    return shown if len(labels) <= 10 else f"{shown}, ... ({len(labels):,} in all)"


class _Tally:
    """What is kept of the examples while they come."""

    def __init__(self, card: ModelCard) -> None:
        self._labels = card.labels
        self._targets, self._predicted = array("i"), array("i")
        self._confidences, self._rejected = array("f"), array("b")
        self._log_loss = self._brier = 0.0
        self._others: dict[str, list[int]] = {}
        self._unreadable: list[Unreadable] = []
        self._mistakes: list[tuple[bool, float, int, Mistake]] = []
        """A heap whose least is the mildest mistake."""

    def add(self, label: str | None, target: int | None, reading: Reading | Unreadable) -> None:
        """Take one more example into account."""
        self._targets.append(NOBODY if target is None else target)
        if isinstance(reading, Unreadable):
            self._predicted.append(NOBODY)
            self._confidences.append(0.0)
            self._rejected.append(False)
            if len(self._unreadable) < MOST_ERRORS:
                self._unreadable.append(reading)
            return
        self._predicted.append(reading.index)
        self._confidences.append(reading.confidence)
        self._rejected.append(reading.rejected)
        if target is None:
            counts = self._others.setdefault(str(label), [0, 0])
            counts[0] += 1
            counts[1] += not reading.rejected
            return
        probabilities, right = reading.probabilities[np.newaxis], np.array([target])
        self._log_loss += log_losses(probabilities, right).item()
        self._brier += brier_scores(probabilities, right).item()
        if reading.index != target:
            self._add_mistake(target, reading)

    def _add_mistake(self, target: int, reading: Reading) -> None:
        # The number of the example orders equals, so that the earlier one stays.
        key = (not reading.rejected, reading.confidence, -len(self._targets))
        if len(self._mistakes) == MOST_MISTAKES and key < self._mistakes[0][:3]:
            return
        labels = self._labels
        mistake = Mistake(
            reading.path, labels[target], labels[reading.index], reading.confidence, reading.rejected, reading.inputs
        )
        push = heapq.heappush if len(self._mistakes) < MOST_MISTAKES else heapq.heapreplace
        push(self._mistakes, (*key, mistake))

    def result(self, classifier: Classifier, data: LabelledData, rejection: Rejection) -> Evaluation:
        """The scores of all that came."""
        targets, predicted = (np.array(side, np.int64) for side in (self._targets, self._predicted))
        scored = max(1, int(((targets >= 0) & (predicted >= 0)).sum()))
        return Evaluation(
            model=classifier.path,
            card=classifier.card,
            provider=classifier.provider,
            data=data.name,
            split=data.split,
            reading=data.reading,
            rejection=rejection,
            targets=targets,
            predicted=predicted,
            confidences=np.array(self._confidences, np.float32),
            rejected=np.array(self._rejected, np.bool_),
            log_loss=self._log_loss / scored,
            brier_score=self._brier / scored,
            unreadable=tuple(self._unreadable),
            other_labels={label: OtherLabel(*counts) for label, counts in self._others.items()},
            mistakes=tuple(item[3] for item in sorted(self._mistakes, key=lambda item: item[:3], reverse=True)),
        )
