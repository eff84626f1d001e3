"""An evaluation as a page: the worst mistakes as pictures, the confusion matrix, and whether confidence is honest."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from edgesoft.inference.evaluation import Comparison, Evaluation, Mistake
from edgesoft.inference.scores import Average, ClassScore, Reliability
from edgesoft.model.inputs import InputKind
from edgesoft.pages.markup import Markup, element, foreign, joined, page, table
from edgesoft.pictures import encode_png

MOST_CLASSES = 40
"""Of more classes the matrix would be unreadable."""
SHOWN_CONFUSIONS = 40
SHOWN_FEATURES = 8
AXIS_STARTS = (0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.96)
"""Where the axes of the diagram may begin."""
BLUE, GREY = "#2563a8", "#8a8f98"


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
        _section("Accuracy", *_summary(result)),
        *([] if result.against is None else [_section("Against another model", *_comparison(result, result.against))]),
        _section("The worst mistakes", *_mistakes(result)),
        _section("Per class", _classes(result)),
        _section("Confusion", *_confusion(result)),
        _section("Confidence", *_confidence(result)),
    ]
    return page(f"{title}: evaluation", *sections)


def _section(heading: str, *children: str) -> Markup:
    return element("section", element("h2", heading), *children)


def _note(*children: str) -> Markup:
    return element("p", *children, class_="note")


def _summary(result: Evaluation) -> Iterator[Markup]:
    low, high = result.accuracy_interval
    right = int(result.right.sum())
    yield element(
        "p",
        element("span", _percent(result.accuracy), class_="figure"),
        f" of {result.examples:,} examples are labelled rightly",
    )
    yield _note(
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
    yield table(["what the device says", "examples", "share"], rows)
    for warning in result.warnings:
        yield _note(foreign(warning))


def _comparison(result: Evaluation, comparison: Comparison) -> Iterator[Markup]:
    other, paired = comparison.other, comparison.paired
    low, high = paired.interval
    rows = []
    for side in (result, other):
        first, last = side.accuracy_interval
        rows.append(
            [str(side.model), _percent(side.accuracy), f"{100 * first:.2f} to {100 * last:.2f}", f"{side.answered:,}"]
        )
    yield table(["model", "accuracy", "95 % interval", "answered"], rows)
    yield _note(
        f"On the same {paired.examples:,} examples the first won {paired.won:,} and lost {paired.lost:,}: "
        f"{100 * paired.difference:+.2f} points, 95 % interval {100 * low:+.2f} to {100 * high:+.2f} (Tango); "
        f"exact McNemar p = {paired.p_value:.2g}."
    )


def _mistakes(result: Evaluation) -> Iterator[Markup]:
    total = result.examples - int(result.right.sum())
    if not total:
        yield element("p", "None.", class_="good")
        return
    shown = len(result.mistakes)
    yield _note(f"{shown:,} of {total:,}, the surest first; what was given as unknown comes last.")
    yield element("div", *(_mistake(item, result.card.input) for item in result.mistakes), class_="changes")


def _mistake(item: Mistake, kind: InputKind) -> Markup:
    if kind.is_picture:
        source = base64.b64encode(encode_png(item.inputs)).decode()
        shown = element("img", alt="", src=f"data:image/png;base64,{source}")
    else:
        lines = [f"{name} {value:g}" for name, value in zip(kind.names[:SHOWN_FEATURES], item.inputs, strict=False)]
        lines += ["..."] if len(item.inputs) > SHOWN_FEATURES else []
        shown = _note(*(joined([foreign(line), element("br")]) for line in lines))
    caption = element(
        "figcaption",
        foreign(item.label),
        " answered as ",
        element("bdi", item.answer, class_="bad"),
        f" {100 * item.confidence:.1f}\u00a0%",
        ", given as unknown" if item.rejected else "",
        element("br"),
        foreign(item.path),
    )
    return element("figure", shown, caption)


def _classes(result: Evaluation) -> Markup:
    unknown = result.unknown_of
    rows = [_row(score.label, score, score.examples, unknown[score.label]) for score in result.classes]
    macro, weighted = result.averages
    total = result.examples - result.answered
    rows += [_row("macro avg", macro, result.examples, total), _row("weighted avg", weighted, result.examples, total)]
    return table(["class", "precision", "recall", "f1-score", "support", "unknown"], rows)


def _row(name: str, score: ClassScore | Average, support: int, unknown: int) -> list[str]:
    return [name, *map(_percent, (score.precision, score.recall, score.f1)), f"{support:,}", f"{unknown:,}"]


def _confusion(result: Evaluation) -> Iterator[Markup]:
    labels = [score.label for score in result.classes]
    if len(labels) > MOST_CLASSES:
        yield _note(f"The most frequent of {len(result.confusions):,} confusions.")
        rows = [[label, answer, f"{count:,}"] for label, answer, count in result.confusions[:SHOWN_CONFUSIONS]]
        yield table(["right", "answered as", "examples"], rows)
        return
    yield _note(
        "Rows are right classes, columns are answers, unknown or not. A darker cell is a larger share of its class."
    )
    places = [result.card.labels.index(label) for label in labels]
    counts = result.confusion[places][:, places]
    rows = []
    for place, label in enumerate(labels):
        share = counts[place] / max(1, counts[place].sum())
        cells = [
            _cell(int(count), float(part), place == column)
            for column, (count, part) in enumerate(zip(counts[place], share, strict=True))
        ]
        rows.append([element("th", foreign(label)), *cells])
    yield table(["", *labels], rows, class_="matrix")


def _cell(count: int, share: float, is_right: bool) -> Markup:
    """A cell whose colour shows its share of the class, on a root scale: a few mistakes in a thousand must still be seen."""
    if not count:
        return element("td", "")
    strength = share**0.5
    colour = "37, 99, 168" if is_right else "180, 35, 24"
    ink = "#fff" if strength > 0.6 else "#1d2430"
    return element("td", f"{count:,}", style=f"background: rgba({colour}, {strength:.2f}); color: {ink}")


def _confidence(result: Evaluation) -> Iterator[Markup]:
    bins = result.reliability
    yield _note(
        f"Expected calibration error {_percent(bins.expected_calibration_error)} in {len(bins.counts)} bins of about as many "
        f"examples each. Log loss {result.log_loss:.4g}, Brier score {result.brier_score:.4g}. "
        "On the dashed line an answer with a confidence of 80 % is right in 80 % of the cases."
    )
    yield element("div", _diagram(bins), class_="pair")
    rows = [
        [f"{count:,}", _percent(confidence), _percent(accuracy)]
        for count, confidence, accuracy in zip(bins.counts.tolist(), bins.confidences, bins.accuracies, strict=True)
    ]
    yield table(["examples of a bin", "mean confidence", "right"], rows)


def _diagram(bins: Reliability) -> Markup:
    """Accuracy against confidence, as an SVG of 360 units; the axes begin where the bins do."""
    left, top, side = 58, 10, 290
    pairs = list(zip(bins.confidences.tolist(), bins.accuracies.tolist(), strict=True))
    low = max(start for start in AXIS_STARTS if start <= min(map(min, pairs)))

    def point(confidence: float, accuracy: float) -> tuple[float, float]:
        across, up = (side * (share - low) / (1 - low) for share in (confidence, accuracy))
        return round(left + across, 1), round(top + side - up, 1)

    parts = []
    for quarter in range(5):
        tick = low + quarter * (1 - low) / 4
        x, y = point(tick, tick)
        parts += [
            element("line", x1=left, x2=left + side, y1=y, y2=y, stroke="#e1e4ea"),
            element("line", x1=x, x2=x, y1=top, y2=top + side, stroke="#e1e4ea"),
            element("text", f"{tick:.4g}", x=left - 6, y=y + 4, text_anchor="end"),
            element("text", f"{tick:.4g}", x=x, y=top + side + 16, text_anchor="middle"),
        ]
    parts.append(element("line", x1=left, y1=top + side, x2=left + side, y2=top, stroke=GREY, stroke_dasharray="4 4"))
    points = [point(*pair) for pair in pairs]
    parts.append(element("polyline", points=" ".join(f"{x},{y}" for x, y in points), fill="none", stroke=BLUE))
    parts += [element("circle", cx=x, cy=y, r=4.5, fill=BLUE, fill_opacity=0.8) for x, y in points]
    across, up = left + side / 2, top + side / 2
    parts.append(element("text", "confidence", x=across, y=top + side + 36, text_anchor="middle"))
    turned = f"rotate(-90 12 {up})"
    parts.append(element("text", "share that is right", x=12, y=up, text_anchor="middle", transform=turned))
    attributes = {"viewBox": "0 0 364 348", "role": "img", "aria-label": "reliability diagram"}
    return element("svg", *parts, **attributes, font_size=12, style="max-width: 460px")


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
