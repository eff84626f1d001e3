"""The confusion matrix as an SVG that shrinks to a phone where it can, and scrolls where its numbers would become too small."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgesoft.pages.charts import Drawing
from edgesoft.pages.markup import Markup, element, joined, scrolling, table

MOST_CLASSES = 40
"""Of more classes the matrix would be unreadable."""
COUNTED_CLASSES = 20
"""Up to so many, cells show their numbers."""
SHOWN_CONFUSIONS = 20
STRONGEST = 0.5
"""Opacity of a cell that holds its whole class, so that the number in it stays legible in either theme."""
_CELLS = ((12, 30), (COUNTED_CLASSES, 24), (MOST_CLASSES, 14), (100, 6))
"""Up to so many classes, a cell is so many units wide."""
_FITTING = 400
"""Units of a drawing that a phone shows at its width."""
LONGEST = 170
"""Units of the longest name that is not shortened."""


def confusion(counts: NDArray[np.int64], labels: Sequence[str], title: str) -> Markup:
    """Right class against answered class.

    Parameters
    ----------
    counts
        int64 `[classes, classes]`, row = right class, column = answered class.
    labels
        The class names.
    title
        What was counted.
    """
    caption = element("figcaption", element("strong", title))
    if len(labels) > MOST_CLASSES:
        return element("figure", caption, _frequent(counts, labels))
    drawn = confusion_drawing(counts, labels, title)
    if drawn.width <= _FITTING:
        return element("figure", caption, drawn.inline())
    return element("figure", caption, scrolling(title, drawn.inline(style="wide", scale=1)), _frequent(counts, labels))


def confusion_drawing(counts: NDArray[np.int64], labels: Sequence[str], title: str) -> Drawing:
    """The matrix alone, of any number of classes; of more than `MOST_CLASSES` without their names."""
    classes = len(labels)
    names = [_shortened(label) for label in labels] if classes <= MOST_CLASSES else []
    cell = next((size for most, size in _CELLS if classes <= most), 2)
    longest = max(map(_width, names), default=0)
    left, is_turned = max(longest + 14, 40), longest > cell
    top, side = (longest if is_turned else 14) + 24, cell * classes
    parts = [
        element("text", "answered", x=left + side / 2, y=12, text_anchor="middle", class_="faint"),
        element("text", "right", x=left - 6, y=top - 6, text_anchor="end", class_="faint"),
        element("rect", x=left, y=top, width=side, height=side, class_="frame"),
    ]
    style = "" if cell >= 24 else "small"
    for place, name in enumerate(names):
        middle = cell * place + cell / 2
        parts.append(element("text", name, x=left - 6, y=round(top + middle + 4), text_anchor="end", class_=style))
        x, y = round(left + middle + (4 if is_turned else 0)), top - 6
        turned = {"transform": f"rotate(-90 {x} {y})"} if is_turned else {"text_anchor": "middle"}
        parts.append(element("text", name, x=x, y=y, class_=style, **turned))
    parts += _cells(counts, labels, cell, left, top)
    wrong, total = int(counts.sum() - counts.trace()), int(counts.sum())
    says = f"{title}: confusion matrix of {classes} classes, {wrong:,} of {total:,} answered wrongly"
    return Drawing(says, parts, left + side + 4, top + side + 4)


def _cells(counts: NDArray[np.int64], labels: Sequence[str], cell: int, left: float, top: float) -> list[Markup]:
    """Colours show the share of each class, on a root scale: a few mistakes in a thousand must still be seen."""
    strengths = STRONGEST * np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    found = []
    for row, column in np.argwhere(counts > 0).tolist():
        x, y, count = left + cell * column, top + cell * row, int(counts[row, column])
        is_right = row == column
        inner: list[Markup] = []
        if len(labels) <= COUNTED_CLASSES:
            inner = [element("title", f"{labels[row]} answered as {labels[column]}: {count:,}")]
        found.append(
            element(
                "rect",
                *inner,
                x=f"{x:g}",
                y=f"{y:g}",
                width=cell,
                height=cell,
                fill_opacity=f"{max(0.08, strengths[row, column]):.2f}",
                class_="right" if is_right else "wrong",
            )
        )
        if len(labels) <= COUNTED_CLASSES:
            style = "small" if count > 999 or cell < 30 else ""
            middle = f"{x + cell / 2:g}"
            found.append(
                element("text", str(count), x=middle, y=f"{y + cell / 2 + 4:g}", text_anchor="middle", class_=style)
            )
    return found


def _frequent(counts: NDArray[np.int64], labels: Sequence[str]) -> Markup:
    """The pairs of classes that are confused most often."""
    off = counts - np.diag(counts.diagonal())
    rows, columns = np.nonzero(off)
    if not len(rows):
        return element("p", "No class is taken for another.", class_="good")
    order = np.argsort(-off[rows, columns], kind="stable").tolist()
    lines = [[labels[rows[i]], labels[columns[i]], f"{off[rows[i], columns[i]]:,}"] for i in order[:SHOWN_CONFUSIONS]]
    more = (
        f"The most frequent {len(lines)} of {len(rows):,} confusions." if len(rows) > len(lines) else "All confusions."
    )
    heading = ["right", "answered as", "examples"]
    return joined([element("p", more, class_="note"), scrolling("confusions", table(heading, lines), is_tall=True)])


def _shortened(label: str) -> str:
    """What a drawing has room for of a name: its beginning and its end, by which long names often differ."""
    head = tail = label
    if _width(label) <= LONGEST:
        return label
    while _width(head) > LONGEST / 2:
        head = head[:-1]
    while _width(tail) > LONGEST / 2:
        tail = tail[1:]
    return f"{head.rstrip()}…{tail.lstrip()}"


def _width(text: str) -> float:
    """About how many units it takes in a wide font."""
    return sum(map(_letter, text))


def _letter(letter: str) -> float:
    if unicodedata.combining(letter):
        return 0
    if unicodedata.east_asian_width(letter) in "WF" or letter in "mwMW@%":
        return 12
    return 5 if letter in " .,:;'|!ijlftI()[]" else 9.5 if letter.isupper() else 7.8
