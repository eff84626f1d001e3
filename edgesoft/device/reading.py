"""Pictures in, answers out, one at a time: memory stays flat however many there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesoft.device.classifier import Classifier
from edgesoft.device.doubt import Doubt
from edgesoft.errors import EdgesoftError
from edgesoft.pictures import Seen, read_picture

UNKNOWN = "unknown"
"""The answer when the model should not be trusted."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one picture was taken for."""

    path: str
    label: str
    """The class, or `UNKNOWN`."""
    confidence: float
    """Probability of the most probable class, also when the answer is `UNKNOWN`."""
    probabilities: NDArray[np.float32]
    """float32 `[classes]`."""
    seen: Seen
    """The pixels that the model was fed, and what there is to doubt about them."""
    warnings: tuple[str, ...]
    rejected: bool
    """Whether the answer is `UNKNOWN` because it should not be trusted."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture that could not be read."""

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
    """
    spec, labels = classifier.card.input, classifier.card.labels
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
