"""One export as a page that a person wants to look at: what it is worth, how it answers, where it errs, and what the words mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgesoft.data.dataset import Dataset
from edgesoft.exporting.gate import paired_words
from edgesoft.exporting.lesson import lesson
from edgesoft.exporting.report_examples import Examples
from edgesoft.exporting.results import BENCH_BATCHES, ExportResult, StagedModel
from edgesoft.inference.parity import wilson_interval
from edgesoft.inference.scores import Bin, class_scores, count_confusion, equal_count_reliability, log_losses
from edgesoft.model.card import ModelCard
from edgesoft.model.file import parse_model
from edgesoft.model.heads import probabilities
from edgesoft.model.network import read_network
from edgesoft.pages.charts import Bar, bars, reliability
from edgesoft.pages.markup import Markup, element, foreign, note, page, scrolling, section, table, terms
from edgesoft.pages.matrix import confusion
from edgesoft.training.charts import learning_drawings
from edgesoft.training.results import Epoch


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
    compared = [models[0], models[-1]] if len(models) > 1 else models
    model = parse_model(result.float_model.content, Path(f"{result.name}.onnx"))
    network = read_network(model)
    examples = Examples(result.recommended, network, dataset)
    card = model.card
    learned = [section("Learning curve", *_learning(result.epochs))] if result.epochs else []
    sections = [
        element("h1", foreign(result.name)),
        element("p", *_lead(result), class_="lead"),
        section("Accuracy and parity", *_facts(result, card), *_parity(models)),
        section("How an answer comes about", lesson(*examples.telling())),
        section("What the network looks at", *examples.looks()),
        section("The worst mistakes", *examples.mistakes()),
        section("Labels that changed", *examples.changes(models[-1])),
        section("Confusion", *_confusion(compared, dataset)),
        section("Per class", *_per_class(compared, result.recommended, dataset)),
        section("Confidence", *_confidence(models, compared, card, dataset)),
        *learned,
        section("Latency", *_latency(models)),
        section("Settings", *_settings(card)),
    ]
    return page(f"{result.name}: export report", *sections)


def _lead(result: ExportResult) -> Iterator[str]:
    published = element("span", "published", class_="good")
    yield from ("Float file ", published, ".")
    if not result.attempts:
        yield " No INT8 file was asked for."
    elif result.int8_model is None:
        yield from (" INT8 ", element("span", "missed its gate", class_="bad"), " and was not published.")
    else:
        yield from (" INT8 file ", published, f" too: {result.int8_model.arithmetic}.")
        yield f" The file to take is {result.recommended.arithmetic}."


def _facts(result: ExportResult, card: ModelCard) -> Iterator[Markup]:
    model, parity = result.recommended, result.recommended.parity
    accuracy = parity.candidate_accuracy or 0.0
    low, high = wilson_interval(accuracy, parity.examples)
    facts = {
        f"{100 * accuracy:.2f} %": f"of {parity.examples:,} test examples are labelled rightly; "
        f"95 % interval {100 * low:.2f} to {100 * high:.2f} %",
        f"{len(model.content):,}": f"bytes, {model.arithmetic}",
        f"{model.microseconds(1):,.1f} \u00b5s": "for one answer, on one CPU thread of the machine that exported",
    }
    yield element(
        "div",
        *(element("p", element("span", figure, class_="figure"), says) for figure, says in facts.items()),
        class_="facts",
    )
    noun, layers = card.input.noun, card.architecture.describe()
    kind = f"A {card.head.kind} classifier: it answers each {noun} with one of {len(card.labels)} classes"
    yield element("p", f"{kind}. Hidden layers: {layers}; {card.architecture.parameters:,} weights and biases.")


def _parity(models: Sequence[StagedModel]) -> Iterator[Markup]:
    parity = models[0].parity
    heading = ["", "accuracy", "labels changed", "logits within", "bytes", "gate"]
    rows: list[list[str]] = [["PyTorch", f"{100 * (parity.reference_accuracy or 0.0):.2f} %", "", "", "", ""]]
    rows += [_measured(model) for model in models]
    yield scrolling("accuracy and parity of each file", table(heading, rows))
    for model in models[1:]:
        if model.passed:
            yield note(f"{model.arithmetic}: {paired_words(model.parity)}.")
        else:
            missed = element("span", f"{model.arithmetic} missed: ", class_="bad")
            yield element("p", missed, "; ".join(model.failures), ".")
    yield terms(
        {
            "accuracy": "The share of the test examples that are labelled rightly; the network never learned from these.",
            "95 % interval": "Of a hundred such test splits, about 95 give an interval that holds the accuracy on all examples there are.",
            "parity": "Whether the file answers like the network in PyTorch that was trained, example by example.",
            "labels changed": "Examples that the file gives another class than PyTorch does, for better or worse.",
            "logits within": "The largest difference from PyTorch of any number that the network gives for a class.",
            "INT8": "Weights and intermediate values are whole numbers of one byte: a quarter of the size.",
            "gate": "What a file must hold to be published; one that misses it is not.",
        }
    )


def _measured(model: StagedModel) -> list[str]:
    parity = model.parity
    return [
        model.arithmetic,
        f"{100 * (parity.candidate_accuracy or 0.0):.2f} %",
        f"{len(parity.label_changes)} of {parity.examples:,}",
        f"{parity.max_logit_difference:.2g}",
        f"{len(model.content):,}",
        element("span", "held", class_="good") if model.passed else element("span", "missed", class_="bad"),
    ]


def _confusion(compared: Sequence[StagedModel], dataset: Dataset) -> Iterator[Markup]:
    yield note(
        "Rows are right classes, columns are answers: what lies off the diagonal is a mistake. "
        "A stronger cell is a larger share of its class."
    )
    targets, labels = dataset.test.targets, dataset.labels
    matrices = (
        confusion(count_confusion(targets, model.predictions, len(labels)), labels, model.arithmetic)
        for model in compared
    )
    yield element("div", *matrices, class_="pair")


def _per_class(compared: Sequence[StagedModel], taken: StagedModel, dataset: Dataset) -> Iterator[Markup]:
    targets, labels = dataset.test.targets, dataset.labels
    each = [class_scores(count_confusion(targets, model.predictions, len(labels)), labels) for model in compared]
    chosen = class_scores(count_confusion(targets, taken.predictions, len(labels)), labels)
    heading = ["class", "examples", *(f"recall, {model.arithmetic}" for model in compared), "precision", "F1"]
    rows = []
    for score, *recalls in zip(chosen, *each, strict=True):
        shares = [f"{100 * recall.recall:.2f} %" if score.examples else "-" for recall in recalls]
        last = [f"{100 * score.precision:.2f} %", f"{100 * score.f1:.2f} %"]
        rows.append([score.label, f"{score.examples:,}", *shares, *last])
    yield scrolling("scores of each class", table(heading, rows), is_tall=True)
    yield terms(
        {
            "recall": "Of the examples of a class, the share that is answered as it.",
            "precision": f"Of the examples answered as a class, the share that belongs to it ({taken.arithmetic}).",
            "F1": "The harmonic mean of the two: high only where both are.",
        }
    )


def _confidence(
    models: Sequence[StagedModel], compared: Sequence[StagedModel], card: ModelCard, dataset: Dataset
) -> Iterator[Markup]:
    yield note(
        "Each dot stands for about as many answers; its line is the 95 % interval. "
        "On the dashed line, answers that are 80 % sure are right in 80 % of the cases."
    )
    yield element("div", *(_reliability(model, card, dataset) for model in compared), class_="pair")
    heading = ["", "temperature", "calibration error at 1", "with it", "log loss at 1", "with it"]
    rows = []
    worse = []
    for model in models:
        errors = [bins.expected_calibration_error for bins in (model.unscaled, model.scaled)]
        losses = [_log_loss(model, card, dataset, temperature) for temperature in (1.0, model.temperature)]
        changes = [[f"{100 * error:.2f} %" for error in errors], [f"{loss:.4f}" for loss in losses]]
        rows.append([model.arithmetic, f"{model.temperature:.3f}", *changes[0], *changes[1]])
        for name, values, (before, after) in zip(
            ("the expected calibration error", "the log loss"), (errors, losses), changes, strict=True
        ):
            if values[1] > values[0] and before != after:
                worse.append(f"{name} of {model.arithmetic} from {before} to {after}")
    yield scrolling("calibration of each file", table(heading, rows))
    if worse:
        yield element(
            "p",
            element("span", "On the test split the temperature made worse: ", class_="bad"),
            f"{'; '.join(worse)}. It was chosen on the {len(dataset.validation):,} examples of the validation split, "
            "and what is best there need not be best here, the less so the fewer they are.",
        )
    yield terms(
        {
            "confidence": "The probability that the model gives its own answer.",
            "calibration error": "How far confidence and the share that is right lie apart on average, in 15 bins of equal width "
            "(expected calibration error): 0 is honest.",
            "temperature": "The one number that logits are divided by to make confidence honest; it changes no answer.",
            "log loss": "The mean of -ln(probability of the right class): 0 is perfect, and being sure and wrong costs most.",
        }
    )


def _reliability(model: StagedModel, card: ModelCard, dataset: Dataset) -> Markup:
    right = model.predictions == dataset.test.targets

    def bins(temperature: float) -> tuple[Bin, ...]:
        shares = probabilities(card.head.at(temperature), model.logits)
        return equal_count_reliability(shares[range(len(right)), model.predictions], right).bins

    published = f"temperature {model.temperature:.3f}, as published"
    return reliability(
        model.arithmetic, [("temperature 1", "second", bins(1.0)), (published, "first", bins(model.temperature))]
    )


def _log_loss(model: StagedModel, card: ModelCard, dataset: Dataset, temperature: float) -> float:
    shares = probabilities(card.head.at(temperature), model.logits)
    return float(log_losses(shares.astype(np.float32), dataset.test.targets).mean())


def _learning(epochs: Sequence[Epoch]) -> Iterator[Markup]:
    drawings = (element("figure", drawing.inline()) for drawing in learning_drawings(epochs))
    yield element("div", *drawings, class_="pair")
    yield terms(
        {
            "epoch": "One pass over all training examples.",
            "cross entropy": "What training makes small: the mean of -ln(probability of the right class), the same as the log loss.",
            "training": "The loss on the examples that are learned from, distorted and mixed as they were fed: often the higher one.",
            "validation": "The loss on examples that are not learned from; they choose the epoch whose weights are kept.",
        }
    )


def _latency(models: Sequence[StagedModel]) -> Iterator[Markup]:
    blocks = []
    for batch in BENCH_BATCHES:
        times = [model.microseconds(batch) for model in models]
        rows = [
            Bar(model.arithmetic, time, f"{time:,.1f} \u00b5s ({times[0] / time:.2f}x)")
            for model, time in zip(models, times, strict=True)
        ]
        says = f"Batch of {batch}"
        blocks.append(element("div", element("h3", says), bars(says, rows)))
    yield element("div", *blocks, class_="pair")
    for model in models[1:]:
        for warning in model.slower_than(models[0]):
            yield element("p", warning, class_="bad")
    yield note(
        "Median of 40 rounds in turns, on one CPU thread of the machine that exported; 2.00x is twice as fast as float32."
    )
    yield terms({"batch": "How many inputs are answered in one call: 1 as they come, many where they lie ready."})


def _settings(card: ModelCard) -> Iterator[Markup]:
    training = card.training
    if training is None:
        yield note("The checkpoint does not tell.")
        return
    counts = ", ".join(f"{count:,} {split}" for split, count in training.examples.items())
    yield element("p", "Trained on ", foreign(training.data), f": {counts} examples.")
    rows = [*_rows(training.settings), *([name, version] for name, version in training.versions.items())]
    yield scrolling("settings of the training", table(["setting", "value"], rows), is_tall=True)


def _rows(settings: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from ([f"{name} {inner}", said] for inner, said in _rows(value))
        else:
            yield [name, _said(value)]


def _said(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
