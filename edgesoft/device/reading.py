"""Pictures or rows in, answers out, a few at a time: memory stays flat however many there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesoft.device.classifier import Classifier
from edgesoft.device.doubt import Doubt
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.pictures import PictureSpec, Seen, read_picture
from edgesoft.tables import Row

ROWS_AT_ONCE = 256
UNKNOWN = "unknown"
"""The answer when the model should not be trusted."""


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
    classifier: Classifier, pictures: Iterable[tuple[str, Path | bytes]], *, reject: float | None = None
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

    Raises
    ------
    UsageError
        The model takes features.
    """
    spec, labels = classifier.card.input, classifier.card.labels
    if not isinstance(spec, PictureSpec):
        raise UsageError(
            f"{classifier.path}: takes rows with {len(spec.columns)} values, not pictures. Give a .csv or .tsv file, or --features"
        )
    doubt = Doubt.from_card(classifier.card, reject)
    for name, source in pictures:
        try:
            seen = read_picture(source, spec)
        except EdgesoftError as error:
            yield Unreadable(name, str(error))
            continue
        prediction = classifier(seen.pixels)
        index = int(prediction.indices[0])
        probabilities = prediction.probabilities[0]
        confidence = float(probabilities[index])
        if not math.isfinite(confidence):
            yield Unreadable(
                name, f"{classifier.path} answers with no number. Check it: edgesoft verify {classifier.path}"
            )
            continue
        doubts = doubt.about(seen, confidence, prediction.logits[0])
        yield Reading(
            path=name,
            label=UNKNOWN if doubts.rejected else labels[index],
            confidence=confidence,
            probabilities=probabilities,
            seen=seen,
            warnings=(*seen.warnings, *doubts.warnings),
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
        readable = [row.features for _, row in batch if row.features is not None]
        prediction = classifier(np.stack(readable)) if readable else None
        place = 0
        for name, row in batch:
            if row.features is None or prediction is None:
                yield Unreadable(name, row.error or "")
                continue
            index, probabilities = int(prediction.indices[place]), prediction.probabilities[place]
            place += 1
            doubts = doubt.about(None, float(probabilities[index]), prediction.logits[place - 1])
            yield Reading(
                path=name,
                label=UNKNOWN if doubts.rejected else classifier.card.labels[index],
                confidence=float(probabilities[index]),
                probabilities=probabilities,
                seen=None,
                warnings=(*row.warnings, *doubts.warnings),
                rejected=doubts.rejected,
            )
