"""An evaluation as a page: the worst mistakes as pictures, the confusion matrix, and whether confidence is honest."""

from __future__ import annotations

from collections.abc import Iterator

from edgesoft.inference.evaluation import Comparison, Evaluation, Mistake
from edgesoft.inference.scores import Average, ClassScore
from edgesoft.model.inputs import TableInput
from edgesoft.pages.charts import reliability
from edgesoft.pages.examples import cells, picture
from edgesoft.pages.markup import Markup, element, foreign, note, page, scrolling, section, table
from edgesoft.pages.matrix import confusion

SHOWN_COLUMNS = 8


def evaluation_html(result: Evaluation) -> str:
    """The page: self-contained HTML, no scripts, no fonts, nothing from elsewhere. Needs no template engine."""
    title = f"{result.card.name} on {result.data}"
    where = "" if result.split is None else f", {result.split} split"
    sections = [
        element("h1", foreign(title), where),
        element(
            "p",
            foreign(str(result.model)),
            f" ({result.card.precision}) on {result.provider}; {result.reading}",
            class_="lead",
        ),
        section("Accuracy", *_summary(result)),
        *([] if result.against is None else [section("Against another model", *_comparison(result, result.against))]),
        section("The worst mistakes", *_mistakes(result)),
        section("Per class", _classes(result)),
        section("Confusion", *_confusion(result)),
        section("Confidence", *_confidence(result)),
    ]
    return page(f"{title}: evaluation", *sections)


def _summary(result: Evaluation) -> Iterator[Markup]:
    low, high = result.accuracy_interval
    right = int(result.right.sum())
    yield element(
        "p",
        element("span", _percent(result.accuracy), class_="figure"),
        f" of {result.examples:,} examples are labelled rightly",
    )
    yield note(
        f"{right:,} right; 95 % interval {100 * low:.2f} to {100 * high:.2f} (Wilson). Every example counts, unknown or not."
    )
    answers = result.answered_accuracy
    rows = [
        ["answered", f"{result.answered:,}", _percent(result.answered / result.examples)],
        ["unknown", f"{result.examples - result.answered:,}", _percent(1 - result.answered / result.examples)],
        ["right among the answers", f"{result.right_answers:,}", "-" if answers is None else _percent(answers)],
        [
            "right among all, unknown as wrong",
            f"{result.right_answers:,}",
            _percent(result.right_answers / result.examples),
        ],
    ]
    if result.errors:
        rows.append(["not read, and not counted", f"{result.errors:,}", ""])
    yield scrolling("what the device says", table(["what the device says", "examples", "share"], rows))
    for warning in result.warnings:
        yield note(foreign(warning))


def _comparison(result: Evaluation, comparison: Comparison) -> Iterator[Markup]:
    other, paired = comparison.other, comparison.paired
    low, high = paired.interval
    rows = []
    for side in (result, other):
        first, last = side.accuracy_interval
        rows.append(
            [str(side.model), _percent(side.accuracy), f"{100 * first:.2f} to {100 * last:.2f}", f"{side.answered:,}"]
        )
    yield scrolling("two models", table(["model", "accuracy", "95 % interval", "answered"], rows))
    yield note(
        f"On the same {paired.examples:,} examples the first won {paired.won:,} and lost {paired.lost:,}: "
        f"{100 * paired.difference:+.2f} points, 95 % interval {100 * low:+.2f} to {100 * high:+.2f} (Tango); "
        f"exact McNemar p = {paired.p_value:.2g}."
    )


def _mistakes(result: Evaluation) -> Iterator[Markup]:
    total = result.examples - int(result.right.sum())
    if not total:
        yield element("p", "None.", class_="good")
        return
    shown, kind = result.mistakes, result.card.input
    said = f"{len(shown):,} of {total:,}, the surest first; what was given as unknown comes last."
    if isinstance(kind, TableInput):
        columns = range(min(SHOWN_COLUMNS, len(kind.columns)))
        some = (
            f" The first {SHOWN_COLUMNS} of {len(kind.columns):,} columns." if len(kind.columns) > SHOWN_COLUMNS else ""
        )
        yield note(said, some)
        heading = ["example", "right", "answered", "confidence", *(kind.columns[place].name for place in columns)]
        rows = [
            [
                item.path,
                item.label,
                _answer(item),
                f"{100 * item.confidence:.1f}\u00a0%",
                *cells(kind, item.inputs, columns),
            ]
            for item in shown
        ]
        yield scrolling("the worst mistakes", table(heading, rows), is_tall=True)
        return
    yield note(said)
    yield element("div", *map(_mistake, shown), class_="gallery")


def _mistake(item: Mistake) -> Markup:
    caption = element(
        "figcaption",
        foreign(item.label),
        " answered as ",
        _answer(item),
        f" {100 * item.confidence:.1f}\u00a0%",
        ", given as unknown" if item.rejected else "",
        element("br"),
        foreign(item.path),
    )
    return element("figure", picture(item.inputs, f"a picture of {item.label}"), caption)


def _answer(item: Mistake) -> Markup:
    return element("bdi", item.answer, class_="bad")


def _classes(result: Evaluation) -> Markup:
    unknown = result.unknown_of
    rows = [_row(score.label, score, score.examples, unknown[score.label]) for score in result.classes]
    macro, weighted = result.averages
    total = result.examples - result.answered
    rows += [_row("macro avg", macro, result.examples, total), _row("weighted avg", weighted, result.examples, total)]
    heading = ["class", "precision", "recall", "f1-score", "support", "unknown"]
    return scrolling("scores of each class", table(heading, rows), is_tall=True)


def _row(name: str, score: ClassScore | Average, support: int, unknown: int) -> list[str]:
    return [name, *map(_percent, (score.precision, score.recall, score.f1)), f"{support:,}", f"{unknown:,}"]


def _confusion(result: Evaluation) -> Iterator[Markup]:
    labels = [score.label for score in result.classes]
    yield note(
        "Rows are right classes, columns are answers, unknown or not. A stronger cell is a larger share of its class."
    )
    places = [result.card.labels.index(label) for label in labels]
    yield confusion(result.confusion[places][:, places], labels, str(result.model))


def _confidence(result: Evaluation) -> Iterator[Markup]:
    bins = result.reliability
    yield note(
        f"Expected calibration error {_percent(bins.expected_calibration_error)} in {len(bins.counts)} bins of about as many "
        f"examples each. Log loss {result.log_loss:.4g}, Brier score {result.brier_score:.4g}. "
        "On the dashed line an answer with a confidence of 80 % is right in 80 % of the cases; lines are 95 % intervals."
    )
    yield reliability("reliability diagram", [("as published", "first", bins.bins)])
    rows = [
        [
            f"{item.answers:,}",
            _percent(item.confidence),
            _percent(item.share),
            f"{_percent(item.interval[0])} to {_percent(item.interval[1])}",
        ]
        for item in bins.bins
    ]
    yield scrolling(
        "bins of confidence", table(["examples of a bin", "mean confidence", "right", "95 % interval"], rows)
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
