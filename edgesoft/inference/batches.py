"""Pictures or rows in, answers out, a few at a time: memory stays flat however many there are."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.rejection import Doubt, energy_score
from edgesoft.pictures import PictureSpec, Seen, Source, read_picture
from edgesoft.tables.rows import Row

ROWS_AT_ONCE = 256
PICTURES_AT_ONCE = 64
"""Decoding pushes the weights out of the cache, so that a call for each picture takes three times as long as it should."""
MEMORY_AT_ONCE = 2**24
"""Most bytes of pixels that are classified in one call."""
SECONDS_AT_ONCE = 0.2
"""After so long a call is made with fewer pictures: whoever watches large photographs being read sees the answers come."""
UNKNOWN = "unknown"
"""The answer when the model should not be trusted."""

_Input = tuple[str, NDArray[Any] | str, Seen | None, tuple[str, ...]]
"""The name of an input, its array or why there is none, its picture, and its warnings."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one picture or row was taken for."""

    path: str
    label: str
    """The class, or `UNKNOWN`."""
    confidence: float
    """Probability of the class that the model answers, also when `label` is `UNKNOWN`."""
    probabilities: NDArray[np.float32]
    """float32 `[classes]`."""
    seen: Seen | None
    """The pixels that the model was fed, and what there is to doubt about them; None for a row."""
    warnings: tuple[str, ...]
    rejected: bool
    """Whether the answer is `UNKNOWN` because it should not be trusted."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture or row that could not be read."""

    path: str
    error: str
    """One line: what came, what was expected, what to do."""


def read_pictures(
    classifier: Classifier,
    pictures: Iterable[tuple[str, Source]],
    *,
    reject: float | None = None,
    at_once: int = PICTURES_AT_ONCE,
) -> Iterator[Reading | Unreadable]:
    """Classify pictures as they come; one that cannot be read does not stop the rest.

    Parameters
    ----------
    classifier
        A model that takes pictures.
    pictures
        Name and file, or name and bytes, of each picture.
    reject
        Answer `UNKNOWN` below this confidence; None takes the card's.
    at_once
        Pictures that are classified in one call. Each waits for the others: 1 answers at once, for pictures that come slowly.

    Raises
    ------
    UsageError
        The model takes features, or `reject` is no probability.
    """
    spec = classifier.card.input
    if not isinstance(spec, PictureSpec):
        raise UsageError(
            f"{classifier.path}: takes rows with {len(spec.columns)} values, not pictures. Give a .csv or .tsv file, or --features"
        )
    doubt = Doubt.from_card(classifier.card, reject)
    at_once = min(at_once, max(1, MEMORY_AT_ONCE // math.prod(spec.shape)))
    batch: list[_Input] = []
    started = time.monotonic()
    for name, source in pictures:
        batch.append(_see(name, source, spec))
        if len(batch) >= at_once or time.monotonic() - started > SECONDS_AT_ONCE:
            yield from _classified(classifier, doubt, batch)
            batch, started = [], time.monotonic()
    yield from _classified(classifier, doubt, batch)


def _see(name: str, source: Source, spec: PictureSpec) -> _Input:
    """The pixels of a picture, or why it cannot be read."""
    try:
        seen = read_picture(source, spec)
    except EdgesoftError as error:
        return name, str(error), None, ()
    return name, seen.pixels, seen, seen.warnings


def _classified(
    classifier: Classifier,
    doubt: Doubt,
    inputs: Sequence[_Input],
) -> Iterator[Reading | Unreadable]:
    """Answer a few inputs in one call."""
    arrays = [array for _, array, _, _ in inputs if not isinstance(array, str)]
    prediction = classifier(np.stack(arrays)) if arrays else None
    familiar = energy_score(prediction.logits).tolist() if prediction else []
    place = -1
    for name, array, seen, warnings in inputs:
        if isinstance(array, str) or prediction is None:
            yield Unreadable(name, str(array))
            continue
        place += 1
        index, probabilities = int(prediction.indices[place]), prediction.probabilities[place]
        confidence = float(probabilities[index])
        if not math.isfinite(confidence):
            path = classifier.path
            yield Unreadable(name, f"{path} answers with no number. Check it: edgesoft verify {path}")
            continue
        doubts = doubt.about(seen, confidence, familiar[place])
        yield Reading(
            path=name,
            label=UNKNOWN if doubts.rejected else classifier.card.labels[index],
            confidence=confidence,
            probabilities=probabilities,
            seen=seen,
            warnings=(*warnings, *doubts.warnings),
            rejected=doubts.rejected,
        )


def read_rows(
    classifier: Classifier, rows: Iterable[tuple[str, Row]], *, reject: float | None = None
) -> Iterator[Reading | Unreadable]:
    """Classify rows of a table, many at a time; one that cannot be read does not stop the rest.

    Parameters
    ----------
    classifier
        A model that takes features.
    rows
        Name and content of each row.
    reject
        Answer `UNKNOWN` below this confidence; None takes the card's.
    """
    doubt = Doubt.from_card(classifier.card, reject)
    remaining = iter(rows)
    while batch := list(islice(remaining, ROWS_AT_ONCE)):
        inputs = [
            (name, (row.error or "") if row.features is None else row.features, None, row.warnings)
            for name, row in batch
        ]
        yield from _classified(classifier, doubt, inputs)
