"""`edgesoft evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesoft.cli import options
from edgesoft.cli.console import percent, say
from edgesoft.cli.render import show
from edgesoft.terminal import UNKNOWN_WIDTH, Block, Facts, Prose, Screen, Table, Text, odd, strong

if TYPE_CHECKING:
    from edgesoft.inference.classifier import Classifier
    from edgesoft.inference.evaluation import Comparison, Evaluation
    from edgesoft.inference.labelled import LabelledData
    from edgesoft.inference.paired import Paired
    from edgesoft.inference.scores import Average, ClassScore

MOST_CLASSES = 40
"""Of more classes only those with the lowest F1 are shown."""
SIGNIFICANCE = 0.05
"""A difference that chance brings about more seldom than this is called more than chance."""
SHOWN = 10
"""Mistakes and confusions that are shown; JSON has more."""


def command(
    model: Annotated[
        Path, typer.Argument(help="Model file, or its path without .onnx, or a folder.", show_default=False)
    ],
    data: Annotated[
        str,
        typer.Argument(
            help="A known set (mnist, fashion-mnist, ...), a folder with one subfolder a class, an .npz file, a table with the labels "
            "(for a model of pictures it lists their paths), or a run's folder: the data that it held out.",
            show_default=False,
        ),
    ],
    against: Annotated[
        Path | None,
        typer.Option(help="Score this model on the same examples too, and compare pair by pair.", show_default=False),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="train, validation or test. (default: the test split where there is one, else everything)",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="The column that holds the labels. (default: the one of the training, or the only one that the model does not take)",
            show_default=False,
        ),
    ] = None,
    root: Annotated[str, typer.Option(help="Folder of the archives of known sets.")] = "data",
    other_labels: Annotated[
        bool,
        typer.Option(
            "--other-labels",
            help="Count examples of labels that the model does not know apart, and do not refuse them.",
        ),
    ] = False,
    provider: options.Provider = "auto",
    device_id: options.DeviceId = None,
    threads: options.Threads = None,
    tf32: options.Tf32 = False,
    reject: options.Reject = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page with the worst mistakes, the confusion matrix and a reliability diagram to this file.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Do not say what is scored, and show no progress.")
    ] = False,
) -> None:
    """Score an exported model on labelled pictures or rows.

    Pictures and rows are read as infer reads them. One that cannot be read does not stop the others; the exit code is then 1.
    """
    from edgesoft.api.scores import evaluate

    if html is not None:
        from edgesoft.pages.markup import check_page

        check_page(html)
    with _progress(quiet=quiet) as on_example:
        result = evaluate(
            model,
            data,
            against=against,
            split=split,
            target=target,
            root=root,
            reject=reject,
            other_labels=other_labels,
            provider=provider,
            device_id=device_id,
            threads=threads,
            tf32=tf32,
            on_start=(lambda *_: None) if quiet else _announce,
            on_example=on_example,
            on_unreadable=lambda example: say(f"error: {example.path}: {example.error}"),
        )
    for warning in result.warnings:
        say(f"warning: {warning}")
    document = _document(result)
    if result.against is not None:
        document |= {"against": _document(result.against.other), "paired": _paired(result.against)}
    show(document, _blocks(result), as_json=as_json)
    if html is not None:
        from edgesoft.files import write_atomically
        from edgesoft.inference.evaluation_page import evaluation_html

        write_atomically(html, evaluation_html(result).encode())
        say(f"{html} shows the worst mistakes")
    if result.errors or (result.against is not None and result.against.other.errors):
        raise typer.Exit(1)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int | None], object]]:
    """What is told of each example: a bar on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from edgesoft.cli.streams import unguarded
    from edgesoft.progress import CountProgress

    with CountProgress(unguarded(sys.stderr), quiet=False) as progress:
        yield progress.on_count


def _announce(classifier: Classifier, data: LabelledData) -> None:
    from edgesoft.inference.providers import int8_warning

    count = "" if data.total is None else f"{data.total:,} "
    say(f"{classifier.path} ({classifier.card.precision}) on {classifier.provider}: {data}: {count}{data.reading}")
    for note in data.notes:
        say(f"note: {note}")
    if (warning := int8_warning(classifier.card.precision, classifier.provider)) is not None:
        say(f"warning: {classifier.path}: {warning}")


def _document(result: Evaluation) -> dict[str, Any]:
    low, high = result.accuracy_interval
    macro, weighted = result.averages
    return {
        "model": result.model,
        "name": result.card.name,
        "precision": result.card.precision,
        "provider": result.provider,
        "data": result.data,
        "split": result.split,
        "reading": result.reading,
        "examples": result.examples,
        "errors": result.errors,
        "right": int(result.right.sum()),
        "accuracy": result.accuracy,
        "accuracy_interval": {"low": low, "high": high, "level": 0.95, "method": "Wilson"},
        "answered": {
            "limits": result.rejection,
            "examples": result.answered,
            "unknown": result.examples - result.answered,
            "right": result.right_answers,
            "accuracy": result.answered_accuracy,
            "right_of_all": result.right_answers / result.examples,
        },
        "classes": {score.label: _scores(score, score.examples) for score in result.classes},
        "macro avg": _scores(macro, result.examples),
        "weighted avg": _scores(weighted, result.examples),
        "unknown": {label: count for label, count in result.unknown_of.items() if count},
        "absent": result.absent,
        "other_labels": result.other_labels,
        "confusion_matrix": {"labels": result.card.labels, "counts": result.confusion.tolist()},
        "calibration": {
            "expected_calibration_error": result.reliability.expected_calibration_error,
            "bins": [
                {"examples": count, "confidence": confidence, "accuracy": accuracy}
                for count, confidence, accuracy in zip(
                    result.reliability.counts.tolist(),
                    result.reliability.confidences.tolist(),
                    result.reliability.accuracies.tolist(),
                    strict=True,
                )
            ],
            "log_loss": result.log_loss,
            "brier_score": result.brier_score,
        },
        "mistakes": [
            {
                "path": item.path,
                "label": item.label,
                "answer": item.answer,
                "confidence": item.confidence,
                "rejected": item.rejected,
            }
            for item in result.mistakes
        ],
        "unreadable": [{"path": item.path, "error": item.error} for item in result.unreadable],
        "warnings": result.warnings,
    }


def _scores(score: ClassScore | Average, support: int) -> dict[str, float]:
    return {"precision": score.precision, "recall": score.recall, "f1-score": score.f1, "support": support}


def _paired(comparison: Comparison) -> dict[str, Any]:
    return {
        "examples": comparison.paired.examples,
        **{name: _pairs(pairs) for name, pairs in (("labels", comparison.paired), ("answers", comparison.answers))},
    }


def _pairs(pairs: Paired) -> dict[str, Any]:
    low, high = pairs.interval
    return {
        "won": pairs.won,
        "lost": pairs.lost,
        "p_value": pairs.p_value,
        "test": "McNemar, exact, two-sided",
        "difference": pairs.difference,
        "interval": {"low": low, "high": high, "level": 0.95, "method": "Tango"},
    }


def _blocks(result: Evaluation) -> Iterator[Block]:
    yield from _classes(result)
    yield ""
    yield from _confusions(result)
    if result.mistakes:
        yield f"the worst of {result.examples - int(result.right.sum()):,} mistakes:"
        for item in result.mistakes[:SHOWN]:
            unknown = (", given as ", odd("unknown")) if item.rejected else ()
            told = f"{item.path}  {item.label} answered as {item.answer}  {percent(item.confidence, 1)}"
            yield Prose((told, *unknown))
        yield ""
    yield Facts([*_summary(result), *([] if result.against is None else _paired_rows(result.against))], 19)


def _classes(result: Evaluation) -> Iterator[Block]:
    classes = result.classes
    unknown = result.unknown_of
    if len(classes) > MOST_CLASSES:
        classes = tuple(sorted(classes, key=lambda score: score.f1)[:MOST_CLASSES])
    rows = [["class", "precision", "recall", "f1-score", "support", "unknown"]]
    rows += [_row(score.label, score, score.examples, unknown[score.label]) for score in classes]
    macro, weighted = result.averages
    total = result.examples - result.answered
    rows += [
        _row(name, mean, result.examples, total) for name, mean in (("macro avg", macro), ("weighted avg", weighted))
    ]
    yield Table(rows)
    if len(result.classes) > MOST_CLASSES:
        yield Prose(
            f"(the {MOST_CLASSES} classes of {len(result.classes):,} with the lowest f1-score; --json has them all)"
        )


def _row(name: str, score: ClassScore | Average, support: int, unknown: int) -> list[str]:
    shares = (percent(share) for share in (score.precision, score.recall, score.f1))
    return [name, *shares, f"{support:,}", odd(f"{unknown:,}") if unknown else "0"]


def _confusions(result: Evaluation) -> Iterator[Block]:
    """The matrix where it fits, else the most frequent confusions."""
    labels = [score.label for score in result.classes]
    places = [result.card.labels.index(label) for label in labels]
    counts = result.confusion[places][:, places].tolist()
    matrix = [["right \\ answered", *labels]]
    matrix += [
        [label, *(str(count) if count else "." for count in row)] for label, row in zip(labels, counts, strict=True)
    ]
    table = Table(matrix)
    if table.width <= (Screen.of(sys.stdout).width or UNKNOWN_WIDTH):
        yield table
        yield ""
    elif result.confusions:
        yield "most frequent confusions:"
        for label, answer, count in result.confusions[:SHOWN]:
            yield Prose(f"{label} answered as {answer}  {count:,}")
        yield ""


def _summary(result: Evaluation) -> Iterator[tuple[str, Text]]:
    low, high = result.accuracy_interval
    right, count = int(result.right.sum()), result.examples
    interval = f"95 % interval {100 * low:.2f} to {100 * high:.2f}, Wilson"
    yield "accuracy", (strong(percent(result.accuracy)), f"  ({right:,} of {count:,} examples; {interval})")
    answers = (
        "" if result.answered_accuracy is None else f"of the answers {percent(result.answered_accuracy)} are right, "
    )
    unknown = f"{count - result.answered:,} unknown; {answers}of all examples {percent(result.right_answers / count)}"
    told = unknown if result.answered < count else "none unknown"
    yield "answered", f"{percent(result.answered / count)}  ({told})"
    bins = f"{len(result.reliability.counts)} bins of equal counts"
    scores = f"log loss {result.log_loss:.4g}, Brier score {result.brier_score:.4g}"
    yield "calibration error", f"{percent(result.reliability.expected_calibration_error)}  ({bins}; {scores})"


def _paired_rows(comparison: Comparison) -> Iterator[tuple[str, Text]]:
    yield "against", f"{percent(comparison.other.accuracy)}  ({comparison.other.model})"
    yield "difference", _paired_words(comparison.paired)
    if comparison.answers != comparison.paired:
        yield "  unknown as wrong", _paired_words(comparison.answers)


def _paired_words(pairs: Paired) -> Text:
    low, high = pairs.interval
    verdict = "may be chance" if pairs.p_value >= SIGNIFICANCE else strong("more than chance")
    counts = f"won {pairs.won:,}, lost {pairs.lost:,} of {pairs.examples:,}"
    interval = f"95 % interval {100 * low:+.2f} to {100 * high:+.2f}, Tango"
    told = f"{100 * pairs.difference:+.2f} points  ({counts}; {interval}; exact McNemar p = {pairs.p_value:.2g}: "
    return told, verdict, ")"
