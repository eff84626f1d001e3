"""One export as a page that a person wants to look at: self-contained HTML, no scripts, no fonts, nothing from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

from numpy.typing import NDArray

from edgesoft.data.dataset import Dataset
from edgesoft.exporting.results import BENCH_BATCHES, ExportResult, StagedModel
from edgesoft.inference.parity import LabelChange, wilson_interval
from edgesoft.model.inputs import TableInput
from edgesoft.pictures import encode_png
from edgesoft.training import charts

SHOWN_CHANGES = 60

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2430; background: #f5f6f8; margin: 0; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 0 0 12px; }
.lead { color: #5b6472; margin: 0 0 24px; }
section { background: #fff; border: 1px solid #e1e4ea; border-radius: 10px; padding: 20px 24px; margin: 0 0 20px; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid #eceef2; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; } th { font-weight: 600; color: #5b6472; }
.good { color: #1a7f4b; font-weight: 600; } .bad { color: #b42318; font-weight: 600; } .note { color: #5b6472; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr)); gap: 16px; }
.pair svg { width: 100%; height: auto; }
.changes { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 14px; }
figure { margin: 0; }
figure img { width: 112px; height: 112px; object-fit: contain; image-rendering: pixelated; background: #000;
  border-radius: 6px; }
figcaption { font-size: 13px; }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: 6px 12px; align-items: center; margin: 0 0 14px; }
.bar { background: #2563a8; height: 14px; border-radius: 3px; min-width: 2px; }
"""


def report_html(result: ExportResult, dataset: Dataset) -> str:
    """The page.

    Parameters
    ----------
    result
        What the export measured.
    dataset
        The data whose test split it was measured on.
    """
    models = [result.float_model, *result.attempts]
    verdict = _verdict(result)
    sections = [
        ("Accuracy and parity", _summary(result, models)),
        ("Labels that changed", _changes(result.attempts[-1] if result.attempts else result.float_model, dataset)),
        ("Per class", _per_class(models, dataset)),
        ("Confusion", _confusion(models, dataset)),
        ("Confidence", _confidence(models)),
        ("Latency", _latency(models)),
    ]
    body = "\n".join(f"<section><h2>{title}</h2>{content}</section>" for title, content in sections)
    name = escape(result.name)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{name}: export report</title><style>{_STYLE}</style></head><body><main>"
        f'<h1>{name}</h1><p class="lead">{verdict}</p>{body}</main></body></html>\n'
    )


def _verdict(result: ExportResult) -> str:
    if not result.attempts:
        return 'Float file <span class="good">published</span>. No INT8 file was asked for.'
    if result.int8_model is None:
        return 'Float file <span class="good">published</span>. INT8 <span class="bad">missed its gate</span> and was not published.'
    return f'Float and INT8 files <span class="good">published</span>. The device file is {escape(result.int8_model.arithmetic)}.'


def _summary(result: ExportResult, models: Sequence[StagedModel]) -> str:
    examples = result.float_model.parity.examples
    rows = [
        [
            "",
            "accuracy",
            "95 % interval",
            "labels changed",
            "logits within",
            "probabilities within",
            "bytes",
            "gate",
        ]
    ]
    rows.append(
        ["PyTorch", *_accuracy(result.float_model.parity.reference_accuracy or 0.0, examples), "", "", "", "", ""]
    )
    for model in models:
        parity = model.parity
        gate = (
            '<span class="good">held</span>'
            if model.passed
            else f'<span class="bad">{escape("; ".join(model.failures))}</span>'
        )
        rows.append(
            [
                escape(model.arithmetic),
                *_accuracy(parity.candidate_accuracy or 0.0, examples),
                f"{len(parity.label_changes)} of {examples:,}",
                f"{parity.max_logit_difference:.2g} (mean {parity.mean_logit_difference:.1g})",
                f"{parity.max_probability_difference:.2g}",
                f"{len(model.content):,}",
                gate,
            ]
        )
    return (
        _table(rows)
        + f'<p class="note">Measured on the {examples:,} examples of the test split, against PyTorch in float32.</p>'
    )


def _accuracy(accuracy: float, examples: int) -> list[str]:
    low, high = wilson_interval(accuracy, examples)
    return [f"{100 * accuracy:.2f} %", f"{100 * low:.2f} to {100 * high:.2f}"]


def _changes(model: StagedModel, dataset: Dataset) -> str:
    changes = model.parity.label_changes
    if not changes:
        return f'<p class="good">None: {escape(model.arithmetic)} labels every example like PyTorch.</p>'
    figures = "".join(_change_figure(change, dataset) for change in changes[:SHOWN_CHANGES])
    more = f'<p class="note">The first {SHOWN_CHANGES} of {len(changes)}.</p>' if len(changes) > SHOWN_CHANGES else ""
    return f'<p class="note">PyTorch against {escape(model.arithmetic)}.</p><div class="changes">{figures}</div>{more}'


def _change_figure(change: LabelChange, dataset: Dataset) -> str:
    labels = [escape(label) for label in dataset.labels]
    right = int(dataset.test.targets[change.example])
    sides = [
        f'<span class="{"good" if answer == right else "bad"}">{labels[answer]}</span> {100 * probability:.0f} %'
        for answer, probability in (
            (change.reference, change.reference_probability),
            (change.candidate, change.candidate_probability),
        )
    ]
    inputs = dataset.test.inputs[change.example]
    picture = _features(inputs, dataset.input) if isinstance(dataset.input, TableInput) else _picture(inputs)
    caption = f"{sides[0]} &rarr; {sides[1]}<br>right: {labels[right]}, test example {change.example}"
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _picture(pixels: NDArray[Any]) -> str:
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(encode_png(pixels)).decode()}">'


def _features(row: NDArray[Any], spec: TableInput) -> str:
    shown = [f"{escape(name)} {value:g}" for name, value in zip(spec.features[:8], row, strict=False)]
    return f'<p class="note">{"<br>".join(shown)}{"<br>..." if len(row) > 8 else ""}</p>'


def _per_class(models: Sequence[StagedModel], dataset: Dataset) -> str:
    targets = dataset.test.targets
    rows = [["class", "examples", *(f"{escape(model.arithmetic)}" for model in models)]]
    for index, label in enumerate(dataset.labels):
        members = targets == index
        count = int(members.sum())
        recalls = [f"{100 * (model.predictions[members] == index).mean():.2f} %" if count else "-" for model in models]
        rows.append([escape(label), f"{count:,}", *recalls])
    return _table(rows) + '<p class="note">Share of each class that is labelled rightly.</p>'


def _confusion(models: Sequence[StagedModel], dataset: Dataset) -> str:
    pictures = []
    for model in (models[0], models[-1]) if len(models) > 1 else models:
        matrix = charts.count_confusion(dataset.test.targets, model.predictions, len(dataset.labels))
        pictures.append(_inline(charts.confusion_matrix(matrix, dataset.labels, title=model.arithmetic, kind="svg")))
    return f'<div class="pair">{"".join(pictures)}</div>'


def _confidence(models: Sequence[StagedModel]) -> str:
    rows = [["", "temperature", "expected calibration error before", "after"]]
    rows += [
        [
            escape(model.arithmetic),
            f"{model.temperature:.3f}",
            f"{100 * model.unscaled.expected_calibration_error:.2f} %",
            f"{100 * model.scaled.expected_calibration_error:.2f} %",
        ]
        for model in models
    ]
    shown = (models[0], models[-1]) if len(models) > 1 else models
    pictures = "".join(
        _inline(charts.reliability(model.unscaled, model.scaled, title=model.arithmetic)) for model in shown
    )
    return f'{_table(rows)}<div class="pair">{pictures}</div>'


def _latency(models: Sequence[StagedModel]) -> str:
    blocks = []
    for batch in BENCH_BATCHES:
        slowest = max(model.microseconds(batch) for model in models)
        bars = "".join(
            f"<span>{escape(model.arithmetic)}</span>"
            f'<span class="bar" style="width:{100 * model.microseconds(batch) / slowest:.1f}%"></span>'
            f"<span>{model.microseconds(batch):,.1f} &micro;s ({models[0].microseconds(batch) / model.microseconds(batch):.2f}x)</span>"
            for model in models
        )
        blocks.append(f'<p class="note">Batch of {batch}</p><div class="bars">{bars}</div>')
    slower = [warning for model in models[1:] for warning in model.slower_than(models[0])]
    return (
        "".join(blocks)
        + "".join(f'<p class="bad">{escape(warning)}</p>' for warning in slower)
        + ('<p class="note">Median of 40 rounds in turns, on one CPU thread of the machine that exported.</p>')
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{cell}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _inline(svg: bytes) -> str:
    """An SVG document as an element of the page: without its XML declaration and document type."""
    text = svg.decode()
    return f"<div>{text[text.index('<svg') :]}</div>"
