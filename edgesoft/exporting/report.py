"""One export as a page that a person wants to look at: what stands in `edgesoft/pages/report.html`."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from edgesoft.data.dataset import Dataset
from edgesoft.exporting.charts import reliability
from edgesoft.exporting.gate import paired_words
from edgesoft.exporting.results import BENCH_BATCHES, ExportResult, StagedModel
from edgesoft.inference.parity import LabelChange, wilson_interval
from edgesoft.inference.scores import count_confusion
from edgesoft.model.inputs import InputKind
from edgesoft.pages import render
from edgesoft.pictures import encode_png
from edgesoft.training.charts import confusion_matrix

SHOWN_CHANGES = 60
SHOWN_FEATURES = 8

Row = list[str]


def report_html(result: ExportResult, dataset: Dataset) -> str:
    """The page: self-contained HTML, no scripts, no fonts, nothing from elsewhere.

    Parameters
    ----------
    result
        What the export measured.
    dataset
        The data whose test split it was measured on.
    """
    models = [result.float_model, *result.attempts]
    compared = (models[0], models[-1]) if len(models) > 1 else models
    return render(
        "report.html",
        name=result.name,
        attempted=bool(result.attempts),
        published=None if result.int8_model is None else result.int8_model.arithmetic,
        recommended=result.recommended.arithmetic,
        paired=[f"{model.arithmetic}: {paired_words(model.parity)}" for model in result.attempts],
        summary=_summary(models),
        changes=_changes(models[-1], dataset),
        per_class=_per_class(models, dataset),
        confusion=[_confusion(model, dataset) for model in compared],
        confidence=_confidence(models, compared),
        latency=_latency(models),
    )


def _summary(models: Sequence[StagedModel]) -> dict[str, Any]:
    parity = models[0].parity
    examples = parity.examples
    heading = (
        "",
        "accuracy",
        "95 % interval",
        "labels changed",
        "logits within",
        "probabilities within",
        "bytes",
        "gate",
    )
    pytorch = ["PyTorch", *_accuracy(parity.reference_accuracy or 0.0, examples), "", "", "", ""]
    rows: list[dict[str, Any]] = [{"cells": pytorch, "failures": None}]
    rows += [{"cells": _measured(model), "failures": model.failures} for model in models]
    return {"heading": heading, "rows": rows, "examples": f"{examples:,}"}


def _measured(model: StagedModel) -> Row:
    parity = model.parity
    return [
        model.arithmetic,
        *_accuracy(parity.candidate_accuracy or 0.0, parity.examples),
        f"{len(parity.label_changes)} of {parity.examples:,}",
        f"{parity.max_logit_difference:.2g} (mean {parity.mean_logit_difference:.1g})",
        f"{parity.max_probability_difference:.2g}",
        f"{len(model.content):,}",
    ]


def _accuracy(accuracy: float, examples: int) -> Row:
    low, high = wilson_interval(accuracy, examples)
    return [f"{100 * accuracy:.2f} %", f"{100 * low:.2f} to {100 * high:.2f}"]


def _changes(model: StagedModel, dataset: Dataset) -> dict[str, Any]:
    changes = model.parity.label_changes
    more = f"The first {SHOWN_CHANGES} of {len(changes)}." if len(changes) > SHOWN_CHANGES else ""
    shown = [_change(change, dataset) for change in changes[:SHOWN_CHANGES]]
    return {"arithmetic": model.arithmetic, "shown": shown, "more": more}


def _change(change: LabelChange, dataset: Dataset) -> dict[str, Any]:
    right = int(dataset.test.targets[change.example])
    inputs, kind = dataset.test.inputs[change.example], dataset.input
    sides = (
        (change.reference, change.reference_probability),
        (change.candidate, change.candidate_probability),
    )
    return {
        "example": change.example,
        "right": dataset.labels[right],
        "picture": base64.b64encode(encode_png(inputs)).decode() if kind.is_picture else None,
        "features": _features(inputs, kind),
        "sides": [
            {"label": dataset.labels[label], "percent": f"{100 * probability:.0f}", "is_right": label == right}
            for label, probability in sides
        ],
    }


def _features(row: Any, kind: InputKind) -> Row:
    """The first features in words; none of a picture."""
    if kind.is_picture:
        return []
    lines = [f"{name} {value:g}" for name, value in zip(kind.names[:SHOWN_FEATURES], row, strict=False)]
    return [*lines, "..."] if len(row) > SHOWN_FEATURES else lines


def _per_class(models: Sequence[StagedModel], dataset: Dataset) -> list[Row]:
    targets = dataset.test.targets
    rows = [["class", "examples", *(model.arithmetic for model in models)]]
    for index, label in enumerate(dataset.labels):
        members = targets == index
        count = int(members.sum())
        recalls = [f"{100 * (model.predictions[members] == index).mean():.2f} %" if count else "-" for model in models]
        rows.append([label, f"{count:,}", *recalls])
    return rows


def _confusion(model: StagedModel, dataset: Dataset) -> str:
    matrix = count_confusion(dataset.test.targets, model.predictions, len(dataset.labels))
    return _inline(confusion_matrix(matrix, dataset.labels, title=model.arithmetic, kind="svg"))


def _confidence(models: Sequence[StagedModel], compared: Sequence[StagedModel]) -> dict[str, Any]:
    rows = [["", "temperature", "expected calibration error before", "after"]]
    rows += [
        [
            model.arithmetic,
            f"{model.temperature:.3f}",
            f"{100 * model.unscaled.expected_calibration_error:.2f} %",
            f"{100 * model.scaled.expected_calibration_error:.2f} %",
        ]
        for model in models
    ]
    pictures = [_inline(reliability(model.unscaled, model.scaled, title=model.arithmetic)) for model in compared]
    return {"rows": rows, "pictures": pictures}


def _latency(models: Sequence[StagedModel]) -> dict[str, Any]:
    blocks = []
    for batch in BENCH_BATCHES:
        times = [model.microseconds(batch) for model in models]
        bars = [
            {
                "name": model.arithmetic,
                "width": f"{100 * time / max(times):.1f}",
                "text": f"{time:,.1f} \u00b5s ({times[0] / time:.2f}x)",
            }
            for model, time in zip(models, times, strict=True)
        ]
        blocks.append({"batch": batch, "bars": bars})
    slower = [warning for model in models[1:] for warning in model.slower_than(models[0])]
    return {"blocks": blocks, "slower": slower}


def _inline(svg: bytes) -> str:
    """An SVG document as an element of the page: without its XML declaration and document type; matplotlib has escaped its words."""
    text = svg.decode()
    return text[text.index("<svg") :]
