"""Results as a few lines of HTML, which notebooks show in place of a `repr`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from edgesoft.inference.parity import wilson_interval

if TYPE_CHECKING:
    from edgesoft.exporting.results import ExportResult
    from edgesoft.training.results import TrainResult


def training_html(result: TrainResult) -> str:
    """Accuracy, and each class's scores."""
    best, metrics = result.best, result.checkpoint.card.metrics
    lines = [f"validation accuracy {_percent(best.validation_accuracy)}, epoch {best.number} of {len(result.epochs)}"]
    if "test" in metrics:
        low, high = wilson_interval(metrics["test"]["accuracy"], metrics["test"]["examples"])
        interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}"
        lines.append(f"test accuracy {_percent(metrics['test']['accuracy'])}, {interval}")
    rows = [
        [score.label, _percent(score.precision), _percent(score.recall), _percent(score.f1), f"{score.examples:,}"]
        for score in result.scores
    ]
    head = f"<b>{escape(result.checkpoint.card.name)}</b>: {'; '.join(lines)}<br>checkpoint {escape(str(result.folder.checkpoint))}"
    return head + (_table(["class", "precision", "recall", "F1", "examples"], rows) if rows else "")


def export_html(result: ExportResult) -> str:
    """Accuracy, parity, size and speed of every file."""
    rows = [["PyTorch", _percent(result.float_model.parity.reference_accuracy or 0.0), "", "", "", "", ""]]
    rows += [
        [
            model.arithmetic,
            _percent(model.parity.candidate_accuracy or 0.0),
            f"{len(model.parity.label_changes)} of {model.parity.examples:,}",
            f"{model.parity.max_logit_difference:.2g}",
            f"{len(model.content):,}",
            f"{model.microseconds(1):.1f} us",
            "held" if model.passed else "; ".join(model.failures),
        ]
        for model in (result.float_model, *result.attempts)
    ]
    heading = ["", "accuracy", "labels changed", "logits within", "bytes", "batch 1", "gate"]
    return f"<b>{escape(result.name)}</b>{_table(heading, rows)}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
