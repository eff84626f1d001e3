"""Pictures or rows in, answers out, a few at a time: memory stays flat however many there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesoft.device.classifier import Classifier, Prediction
from edgesoft.device.doubt import Doubt
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.pictures import PictureSpec, Seen, read_picture
from edgesoft.tables import Row

ROWS_AT_ONCE = 256
PICTURES_AT_ONCE = 15
"""Decoding pushes the weights out of the cache, so that a call for each picture takes three times as long as it should."""
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
    classifier: Classifier,
    pictures: Iterable[tuple[str, Path | bytes]],
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
        The model takes features.
    """
    spec, labels = classifier.card.input, classifier.card.labels
    if not isinstance(spec, PictureSpec):
        raise UsageError(
            f"{classifier.path}: takes rows with {len(spec.columns)} values, not pictures. Give a .csv or .tsv file, or --features"
        )
    doubt = Doubt.from_card(classifier.card, reject)
    remaining = iter(pictures)
    while batch := list(islice(remaining, at_once)):
        seen = [_see(source, spec) for _, source in batch]
        readable = [one.pixels for one in seen if isinstance(one, Seen)]
        answers = iter(_answers(classifier(np.stack(readable))) if readable else ())
        for (name, _), one in zip(batch, seen, strict=True):
            if not isinstance(one, Seen):
                yield Unreadable(name, one)
                continue
            index, probabilities, logits = next(answers)
            confidence = float(probabilities[index])
            if not math.isfinite(confidence):
                path = classifier.path
                yield Unreadable(name, f"{path} answers with no number. Check it: edgesoft verify {path}")
                continue
            doubts = doubt.about(one, confidence, logits)
            yield Reading(
                path=name,
                label=UNKNOWN if doubts.rejected else labels[index],
                confidence=confidence,
                probabilities=probabilities,
                seen=one,
                warnings=(*one.warnings, *doubts.warnings),
                rejected=doubts.rejected,
            )


def _see(source: Path | bytes, spec: PictureSpec) -> Seen | str:
    """The pixels of a picture, or why it cannot be read."""
    try:
        return read_picture(source, spec)
    except EdgesoftError as error:
        return str(error)


def _answers(prediction: Prediction) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
    """Index, probabilities and logits of each input."""
    return zip(prediction.indices.tolist(), prediction.probabilities, prediction.logits, strict=True)


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
