"""One answer as plain JSON values: what `infer --json` writes, and what the server answers."""

from __future__ import annotations

from typing import Any

from edgesoft.inference.batches import Reading, Unreadable
from edgesoft.inference.classifier import Classifier


def answer(reading: Reading | Unreadable, classifier: Classifier, *, model: str, top_k: int) -> dict[str, Any]:
    """The answer and what gave it, or path and error.

    Parameters
    ----------
    reading
        Of one picture or row.
    classifier
        What gave it.
    model
        What the model is called.
    top_k
        How many classes stand in `probabilities`.
    """
    if isinstance(reading, Unreadable):
        return {"path": reading.path, "error": reading.error}
    return {
        "path": reading.path,
        "label": reading.label,
        "rejected": reading.rejected,
        "confidence": round(reading.confidence, 6),
        "probabilities": dict(ranking(reading, classifier.card.labels, top_k)),
        "model": model,
        "precision": classifier.card.precision,
        "provider": classifier.provider,
        "warnings": list(reading.warnings),
    }


def ranking(reading: Reading, labels: tuple[str, ...], top_k: int) -> list[tuple[str, float]]:
    """The likeliest classes with their probabilities; the answer stands first."""
    order = reading.probabilities.argsort(kind="stable")[::-1].tolist()
    # A sigmoid head may have another threshold than one half. A class may be called as what is rejected is.
    if not reading.rejected and order[0] != reading.index:
        order.sort(key=lambda index: index != reading.index)
    order = order[:top_k]
    return [(labels[index], round(float(reading.probabilities[index]), 6)) for index in order]
