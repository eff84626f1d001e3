"""What a line about one answer holds, wherever lines are written: stdout, files, other machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgesoft.escape import csv_cell
from edgesoft.inference.batches import Reading, Unreadable
from edgesoft.inference.classifier import Classifier

CSV_HEADING = ("path", "label", "rejected", "confidence", "warnings", "error")


@dataclass(frozen=True)
class AnswerForm:
    """How the answers of one model are told."""

    labels: tuple[str, ...]
    top_k: int
    """How many classes are told."""
    model: dict[str, str]
    """What gave the answers: the keys `model`, `precision` and `provider`."""

    @classmethod
    def of(cls, classifier: Classifier, top_k: int, *, name: str | None = None) -> AnswerForm:
        """The form of the answers that `classifier` gives; it is called by its path, if it has no other name."""
        precision, provider = classifier.card.precision, classifier.provider
        model = {"model": name or str(classifier.path), "precision": precision, "provider": provider}
        return cls(classifier.card.labels, top_k, model)

    def ranking(self, reading: Reading) -> list[tuple[str, float]]:
        """The likeliest classes, each with its probability; the answer comes first."""
        order = reading.probabilities.argsort(kind="stable")[::-1].tolist()
        # A sigmoid head may have another threshold than one half. A class may be called as what is rejected is.
        if not reading.rejected and order[0] != reading.index:
            order.sort(key=lambda index: index != reading.index)
        order = order[: self.top_k]
        return [(self.labels[index], round(float(reading.probabilities[index]), 6)) for index in order]

    def document(self, reading: Reading | Unreadable) -> dict[str, Any]:
        """Plain JSON values: the answer and what gave it, or path and error."""
        if isinstance(reading, Unreadable):
            return {"path": reading.path, "error": reading.error}
        return {
            "path": reading.path,
            "label": reading.label,
            "rejected": reading.rejected,
            "confidence": round(reading.confidence, 6),
            "probabilities": dict(self.ranking(reading)),
            **self.model,
            "warnings": list(reading.warnings),
        }


def csv_cells(reading: Reading | Unreadable) -> list[str]:
    """The cells under `CSV_HEADING`, none of which a spreadsheet takes for a formula."""
    if isinstance(reading, Unreadable):
        cells = [reading.path, "", "", "", "", reading.error]
    else:
        rejected, confidence = str(reading.rejected).lower(), f"{reading.confidence:.6f}"
        cells = [reading.path, reading.label, rejected, confidence, "; ".join(reading.warnings), ""]
    return [csv_cell(cell) for cell in cells]
