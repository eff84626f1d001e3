"""Drawings of numbers as SVG elements of a page, which take their colours from its style sheet and so follow its theme."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from edgesoft.pages.markup import Markup, element, foreign, read_style

Colour = Literal["first", "second"]
Point = tuple[float, float]
Bin = tuple[int, float, float, tuple[float, float]]
"""Answers of about the same confidence: how many, their mean confidence, the share that is right, and its interval; from 0 to 1."""
AXIS_STARTS = (0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.96)
"""Where the axes of a reliability diagram may begin."""
MARGIN = 12.0
"""Around the drawings of a file, in units."""
_WIDTH, _HEIGHT = 360, 250


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    name: str
    colour: Colour
    points: Sequence[Point]


class Bar(NamedTuple):
    """One bar of a list."""

    name: str
    value: float
    text: str
    """The value as it is written."""
    is_answer: bool = False
    """Whether it stands out."""


@dataclass(frozen=True)
class _Scale:
    """Numbers from `low` to `high` -> places from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log(x) if self.is_log else x for x in (self.low, self.high, value))
        return round(self.start + (self.end - self.start) * (value - low) / (high - low), 1)


@dataclass(frozen=True)
class Drawing:
    """An SVG, before it is known where it stands."""

    title: str
    """What it shows, for whoever cannot see it."""
    parts: Sequence[Markup]
    width: float
    """In units, of which 12 are the height of a line of text."""
    height: float

    def inline(self, *, style: str = "chart", scale: float = 1.3, **attributes: object) -> Markup:
        """The element of a page; `scale` is the largest number of pixels that a unit takes."""
        sizes = {"width": f"{scale * self.width:g}", "height": f"{scale * self.height:g}", "class": style}
        return self._element(role="img", **sizes, **attributes)

    def at(self, x: float, y: float) -> Markup:
        """A part of a larger SVG."""
        return self._element(x=f"{x:g}", y=f"{y:g}", width=f"{self.width:g}", height=f"{self.height:g}")

    def _element(self, **attributes: object) -> Markup:
        box = {"viewBox": f"0 0 {self.width:g} {self.height:g}"}
        return element("svg", element("title", self.title), *self.parts, **box, **attributes)


def svg_file(title: str, drawings: Sequence[Drawing]) -> bytes:
    """Drawings side by side in a file of its own, which follows the theme of whoever opens it."""
    x, parts = MARGIN, []
    for drawn in drawings:
        parts.append(drawn.at(x, MARGIN))
        x += drawn.width + MARGIN
    height = 2 * MARGIN + max(drawn.height for drawn in drawings)
    style = element("style", Markup("".join(map(read_style, ("colours.css", "drawings.css")))))
    ground = element("rect", width="100%", height="100%", class_="card")
    whole = Drawing(title, [style, ground, *parts], x, height)
    return f"{whole.inline(scale=1, xmlns='http://www.w3.org/2000/svg')}\n".encode()


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers that enclose `low` and `high`, no more than `most`: multiples of 1, 2 or 5 times a power of ten."""
    if low == high:  # a hundredth of an axis, so that it has two ends
        low, high = (low - abs(low) / 100, high) if low else (0.0, 1.0)
    smallest = math.floor(math.log10(high - low)) - 2
    for power in range(smallest, smallest + 6):
        for factor in (1.0, 2.0, 5.0):
            step = factor * 10.0**power
            first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
            if last - first < most:
                return [float(f"{step * place:.12g}") for place in range(first, last + 1)]
    raise AssertionError("a step of a thousand times the span is large enough")


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Numbers that enclose positive ones, no more than `most`: 1, 2 and 5 times powers of ten, or these alone where there would be more."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    marks = [factor * 10.0**power for power in range(first, max(last, first + 1) + 1) for factor in (1.0, 2.0, 5.0)]
    below = max(place for place, mark in enumerate(marks) if mark <= low * (1 + 1e-6))
    above = next(place for place, mark in enumerate(marks) if mark >= high * (1 - 1e-6) and place > below)
    if above - below < most:
        return marks[below : above + 1]
    step = -(-(last - first) // (most - 1))
    return [10.0**power for power in range(first, last + step, step)]


def curves(title: str, lines: Sequence[Line], unit: Callable[[float], str], *, is_log: bool = False) -> Drawing:
    """Lines over the epochs, with what they are called below; `unit` writes the numbers of the axis."""
    values = [value for line in lines for _, value in line.points]
    marks = log_ticks(min(values), max(values)) if is_log else ticks(min(values), max(values))
    last = max(2, *(x for line in lines for x, _ in line.points))
    across, up = _Scale(1, last, 56, _WIDTH - 10), _Scale(marks[0], marks[-1], _HEIGHT - 40, 28, is_log)
    epochs = [tick for tick in ticks(1, last) if 1 <= tick <= last and tick == int(tick)]
    parts = [element("text", title, x=0, y=12, class_="title")]
    parts += [*_grid(across, up, epochs, marks, lambda tick: f"{tick:g}", unit), *_names(across, up, "epoch", None)]
    for line in lines:
        places = [(across(x), up(y)) for x, y in line.points]
        joined_places = " ".join(f"{x},{y}" for x, y in places)
        parts.append(element("polyline", points=joined_places, class_=f"line {line.colour}"))
        if len(places) < 3:  # a line through one point is invisible
            parts += [element("circle", cx=x, cy=y, r=4, class_=line.colour) for x, y in places]
    if len(lines) > 1:
        for place, line in enumerate(lines):
            x, y = 56 + 110 * place, _HEIGHT + 12
            parts.append(element("line", x1=x, x2=x + 24, y1=y, y2=y, class_=f"line {line.colour}"))
            parts.append(element("text", line.name, x=x + 30, y=y + 4, class_="faint"))
    return Drawing(title, parts, _WIDTH, _HEIGHT + 20)


def reliability(title: str, series: Sequence[tuple[str, Colour, Sequence[Bin]]]) -> Markup:
    """`reliability_diagram` as a figure, which says what its colours are."""
    caption = element("figcaption", element("strong", title))
    legend = _legend([(name, colour) for name, colour, _ in series])
    return element("figure", caption, reliability_diagram(title, series).inline(), *legend)


def reliability_diagram(title: str, series: Sequence[tuple[str, Colour, Sequence[Bin]]]) -> Drawing:
    """How often answers are right against how sure they are, each bin with the interval of its share; the axes begin where the bins do."""
    lowest = min(min(confidence, share) for _, _, bins in series for _, confidence, share, _ in bins)
    low = max(start for start in AXIS_STARTS if start <= lowest)
    side = 280
    across, up = _Scale(low, 1, 60, 60 + side), _Scale(low, 1, 10 + side, 10)
    marks = [low + quarter * (1 - low) / 4 for quarter in range(5)]
    parts = list(_grid(across, up, marks, marks, _percent, _percent))
    parts.append(element("line", x1=across(low), y1=up(low), x2=across(1), y2=up(1), class_="ideal"))
    parts += _names(across, up, "confidence", "share that is right")
    for place, (_, colour, row) in enumerate(series):
        # Side by side, where both have the same confidence.
        offset = 3 * (place - (len(series) - 1) / 2)
        for _, confidence, share, interval in row:
            x, ends = round(across(confidence) + offset, 1), [up(max(low, end)) for end in interval]
            parts.append(element("line", x1=x, x2=x, y1=ends[0], y2=ends[1], class_=f"whisker {colour}"))
            parts.append(element("circle", cx=x, cy=up(share), r=4, class_=colour))
    return Drawing(title, parts, 60 + side + 26, 10 + side + 44)


def sigmoid_curve(title: str, logit: float, threshold: float) -> Drawing:
    """The sigmoid, and where one logit lies on it; `threshold` is the probability above which the answer is the second class."""
    reach = max(6.0, math.ceil(abs(logit)))
    across, up = _Scale(-reach, reach, 56, _WIDTH - 10), _Scale(0, 1, _HEIGHT - 40, 10)
    marks = [-reach, -reach / 2, 0.0, reach / 2, reach]
    parts = list(_grid(across, up, marks, [0, 0.25, 0.5, 0.75, 1], lambda tick: f"{tick:g}", _percent))
    parts += _names(across, up, "logit / temperature", "probability")
    steps = [reach * (place / 40 - 1) for place in range(81)]
    points = " ".join(f"{across(z)},{up(_sigmoid(z))}" for z in steps)
    y = up(threshold)
    parts.append(element("line", x1=across(-reach), x2=across(reach), y1=y, y2=y, class_="ideal"))
    parts.append(
        element("text", f"threshold {_percent(threshold)}", x=across(-reach) + 4, y=y - 4, class_="faint small")
    )
    parts.append(element("polyline", points=points, class_="line first"))
    x, y = across(logit), up(_sigmoid(logit))
    parts += [
        element("line", x1=x, x2=x, y1=up(0), y2=y, class_="whisker second"),
        element("line", x1=across(-reach), x2=x, y1=y, y2=y, class_="whisker second"),
        element("circle", cx=x, cy=y, r=5, class_="second"),
    ]
    return Drawing(title, parts, _WIDTH, _HEIGHT)


def bars(name: str, rows: Sequence[Bar]) -> Markup:
    """A list of bars, each below its name and its number; those of negative numbers go to the left of where the others begin."""
    low, high = min(0.0, *(bar.value for bar in rows)), max(0.0, *(bar.value for bar in rows))
    span = high - low or 1.0
    items = []
    for bar in rows:
        start = (min(bar.value, 0) - low) / span
        colour = "negative" if bar.value < 0 else "first"
        rect = element(
            "rect", x=f"{100 * start:.2f}%", width=f"{100 * abs(bar.value) / span:.2f}%", height=10, class_=colour
        )
        drawn = element("svg", rect, aria_hidden="true")
        attributes = {"class": "answer"} if bar.is_answer else {}
        items.append(element("li", element("span", foreign(bar.name)), element("span", bar.text), drawn, **attributes))
    return element("ul", *items, **{"class": "bars", "aria-label": name})


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _grid(
    across: _Scale,
    up: _Scale,
    columns: Sequence[float],
    rows: Sequence[float],
    column_text: Callable[[float], str],
    row_text: Callable[[float], str],
) -> Iterator[Markup]:
    for tick in rows:
        y = up(tick)
        yield element("line", x1=across.start, x2=across.end, y1=y, y2=y, class_="grid")
        yield element("text", row_text(tick), x=across.start - 6, y=y + 4, text_anchor="end")
    for tick in columns:
        x = across(tick)
        yield element("line", x1=x, x2=x, y1=up.start, y2=up.end, class_="grid")
        yield element("text", column_text(tick), x=x, y=up.start + 16, text_anchor="middle")
    yield element("line", x1=across.start, x2=across.end, y1=up.start, y2=up.start, class_="axis")


def _names(across: _Scale, up: _Scale, below: str, beside: str | None) -> Iterator[Markup]:
    yield element(
        "text", below, x=(across.start + across.end) / 2, y=up.start + 34, text_anchor="middle", class_="faint"
    )
    if beside is not None:
        middle = (up.start + up.end) / 2
        turned = f"rotate(-90 12 {middle:g})"
        yield element("text", beside, x=12, y=middle, text_anchor="middle", transform=turned, class_="faint")


def _legend(series: Sequence[tuple[str, Colour]]) -> Iterator[Markup]:
    if len(series) < 2:
        return
    keys = []
    for name, colour in series:
        dot = element("circle", cx=12, cy=5, r=4, class_=colour)
        keys.append(element("span", element("svg", dot, width=24, height=10, aria_hidden="true"), name))
    yield element("p", *keys, class_="legend")
