"""Pictures or rows in, answers out, a few at a time: memory stays flat however many there are."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.rejection import energy_score, judge, limits
from edgesoft.model.card import Rejection
from edgesoft.model.inputs import Sample

SECONDS_AT_ONCE = 0.2
"""After so long a call is made with fewer inputs: whoever watches large photographs being read sees the answers come."""
UNKNOWN = "unknown"
"""The answer when the model should not be trusted."""

_Input = tuple[str, Sample | str]
"""The name of an input, and what was read or why it cannot be."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one picture or row was taken for."""

    path: str
    label: str
    """The class, or `UNKNOWN`."""
    index: int
    """Of the class that the model answers among the card's labels, also when `label` is `UNKNOWN`."""
    confidence: float
    """Probability of the class that the model answers, also when `label` is `UNKNOWN`."""
    probabilities: NDArray[np.float32]
    """float32 `[classes]`."""
    inputs: NDArray[Any] = field(repr=False)
    """What the model was fed: uint8 pixels, or float32 features."""
    warnings: tuple[str, ...]
    rejected: bool
    """Whether the answer is `UNKNOWN` because it should not be trusted."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture or row that could not be read."""

    path: str
    error: str
    """One line: what came, what was expected, what to do."""


def classify(
    classifier: Classifier,
    sources: Iterable[tuple[str, Any]],
    *,
    reject: float | None = None,
    at_once: int | None = None,
) -> Iterator[Reading | Unreadable]:
    """Classify pictures or rows as they come; one that cannot be read does not stop the rest.

    Parameters
    ----------
    classifier
        The model.
    sources
        Name and source of each input: what the model's kind of input reads (a picture file or its bytes, a `Row`); or an array that
        is an input already; or the error that says why there is none.
    reject
        Answer `UNKNOWN` below this confidence; None takes the card's.
    at_once
        Inputs that are classified in one call; None takes what is quickest. Each waits for the others: 1 answers at once, for
        inputs that come slowly.

    Raises
    ------
    UsageError
        `reject` is no probability.
    """
    kind = classifier.card.input
    rejection = limits(classifier.card, reject)
    size = kind.at_once if at_once is None else min(at_once, kind.at_once)
    batch: list[_Input] = []
    started = time.monotonic()
    for name, source in sources:
        batch.append((name, _read(source, classifier)))
        if len(batch) >= size or time.monotonic() - started > SECONDS_AT_ONCE:
            yield from _classified(classifier, rejection, batch)
            batch, started = [], time.monotonic()
    yield from _classified(classifier, rejection, batch)


def _read(source: Any, classifier: Classifier) -> Sample | str:
    """What an input holds, or why it cannot be read or classified."""
    if isinstance(source, EdgesoftError):
        return str(source)
    try:
        is_read = isinstance(source, np.ndarray)
        sample = Sample(source, (), is_unfamiliar=False) if is_read else classifier.card.input.read(source)
    except EdgesoftError as error:
        return str(error)
    return classifier.complaint(sample.values[np.newaxis]) or sample


def _classified(
    classifier: Classifier, rejection: Rejection, inputs: Sequence[_Input]
) -> Iterator[Reading | Unreadable]:
    """Answer a few inputs in one call."""
    arrays = [sample.values for _, sample in inputs if not isinstance(sample, str)]
    prediction = classifier(np.stack(arrays)) if arrays else None
    energies = energy_score(prediction.logits).tolist() if prediction else []
    place = -1
    for name, sample in inputs:
        if isinstance(sample, str) or prediction is None:
            yield Unreadable(name, str(sample))
            continue
        place += 1
        index, probabilities = int(prediction.indices[place]), prediction.probabilities[place]
        confidence = float(probabilities[index])
        if not math.isfinite(confidence):
            path = classifier.path
            yield Unreadable(name, f"{path} answers with no number. Check it: edgesoft verify {path}")
            continue
        judgement = judge(
            rejection,
            confidence,
            energies[place],
            is_unfamiliar=sample.is_unfamiliar,
            noun=classifier.card.input.noun,
        )
        yield Reading(
            path=name,
            label=UNKNOWN if judgement.rejected else classifier.card.labels[index],
            index=index,
            confidence=confidence,
            probabilities=probabilities,
            inputs=sample.values,
            warnings=(*sample.warnings, *judgement.warnings),
            rejected=judgement.rejected,
        )
