"""The pictures of docs/lesson.md: one test digit of MNIST, and what the INT8 model of the repository answers to it.

An INT8 file gives the same bits on every processor, so the pictures are the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import edgesoft
from edgesoft.data.mnist import load_mnist
from edgesoft.inference.scores import equal_count_reliability
from edgesoft.model.heads import Softmax, probabilities
from edgesoft.pages.charts import Bar, Drawing, reliability_diagram, sigmoid_curve, svg_file
from edgesoft.pages.markup import Markup, element

MODELS = Path(__file__).resolve().parent.parent / "exported"
EXAMPLE = 4571
"""The test digit that the report of the model works out too: a 6 that the model is 80 % sure of."""
RIVAL = 0
"""The class that comes second."""
LABEL = 6
_LINE = 30


class Answers(NamedTuple):
    """Of the whole test split."""

    head: Softmax
    logits: NDArray[np.float32]
    targets: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    """uint8 `[28, 28]`, the example."""


@cache
def answers() -> Answers:
    model, test = edgesoft.load(MODELS / "mnist.int8.onnx"), load_mnist().test
    head = model.card.head
    if not isinstance(head, Softmax):
        raise SystemExit("the lesson is about a softmax model")
    return Answers(head, model.logits(test.inputs), test.targets, test.inputs[EXAMPLE])


def bar_list(title: str, rows: Sequence[Bar], width: float = 210) -> Drawing:
    """Bars below their names and numbers, as the report has them; those of negative numbers go to the left."""
    low, high = min(0.0, *(bar.value for bar in rows)), max(0.0, *(bar.value for bar in rows))
    unit = width / (high - low or 1.0)
    parts = [element("text", title, x=0, y=12, class_="title")]
    for place, bar in enumerate(rows):
        y, start, long = 34 + _LINE * place, (min(bar.value, 0) - low) * unit, abs(bar.value) * unit
        style = {"class": "title"} if bar.is_answer else {}
        colour = "negative" if bar.value < 0 else "first"
        parts += [
            element("text", bar.name, x=0, y=y, **style),
            element("text", bar.text, x=f"{width:g}", y=y, text_anchor="end", **style),
            element("rect", x=f"{start:.1f}", y=y + 5, width=f"{long:.1f}", height=8, class_=colour),
        ]
    return Drawing(title, parts, width, 34 + _LINE * len(rows))


def digit(pixels: NDArray[np.uint8], title: str, side: float = 5) -> Drawing:
    """A picture as squares, dark where nothing is."""
    height, width = pixels.shape
    size = {"width": f"{side:g}", "height": f"{side:g}"}
    squares = [
        element("rect", x=f"{side * x:g}", y=f"{20 + side * y:g}", **size, fill=f"rgb({level},{level},{level})")
        for (y, x), level in np.ndenumerate(pixels)
        if level
    ]
    ground = element("rect", x=0, y=20, width=f"{side * width:g}", height=f"{side * height:g}", fill="#000")
    picture = element("g", ground, *squares, shape_rendering="crispEdges")  # else each square has a faint edge
    return Drawing(title, [_heading(title), picture], side * width, 20 + side * height)


def _heading(title: str) -> Markup:
    return element("text", title, x=0, y=12, class_="title")


def softmax_steps() -> bytes:
    found = answers()
    row, temperature = found.logits[EXAMPLE].astype(np.float64), found.head.temperature
    shares = probabilities(found.head, found.logits[EXAMPLE : EXAMPLE + 1])[0]
    powers = np.exp((row - row.max()) / temperature)

    def listed(title: str, values: NDArray[np.float64], form: str) -> Drawing:
        return bar_list(title, [Bar(str(k), v, form.format(v), k == LABEL) for k, v in enumerate(values.tolist())])

    drawings = [
        digit(found.pixels, f"test example {EXAMPLE}"),
        listed("1. logits", row, "{:.2f}"),
        listed(f"2. e^((logit - {row.max():.2f}) / {temperature:.3f})", powers, "{:.4f}"),
        listed(f"3. divided by the sum, {powers.sum():.4f}", 100 * shares, "{:.2f} %"),
    ]
    return svg_file("How ten logits become ten probabilities", drawings)


def sigmoid_of_two() -> bytes:
    found = answers()
    logits = found.logits[EXAMPLE]
    scaled = float(logits[LABEL] - logits[RIVAL]) / found.head.temperature
    share = 1 / (1 + math.exp(-scaled))
    title = f"{LABEL} or {RIVAL}? A difference of {scaled:.3f} after the temperature is a probability of {100 * share:.2f} %"
    return svg_file(title, [sigmoid_curve(title, scaled, 0.5)])


def calibration() -> bytes:
    found = answers()
    right = found.logits.argmax(axis=1) == found.targets

    published = found.head.temperature
    series, lines = [], []
    for place, (name, colour, temperature) in enumerate(
        (("temperature 1", "second", 1.0), (f"temperature {published:.3f}", "first", published))
    ):
        shares = probabilities(found.head.at(temperature), found.logits).max(axis=1)
        bins = equal_count_reliability(shares, right)
        series.append((name, colour, bins.bins))
        said = f"{name}: calibration error {100 * bins.expected_calibration_error:.2f} %"
        lines += [
            element("circle", cx=66, cy=12 + 18 * place, r=4, class_=colour),
            element("text", said, x=78, y=16 + 18 * place),
        ]
    title = "How often answers are right, against how sure the model is"
    drawn = reliability_diagram(title, series)
    return svg_file(title, [Drawing(title, [*lines, drawn.at(0, 44)], drawn.width, 44 + drawn.height)])


def rounding() -> bytes:
    found = answers()
    exact = edgesoft.load(MODELS / "mnist.onnx").logits(found.pixels[None])[0]
    drawings = [
        bar_list(title, [Bar(str(k), v, f"{v:.2f}", k == LABEL) for k, v in enumerate(logits.tolist())])
        for title, logits in (("logits in float32", exact), ("logits in INT8", found.logits[EXAMPLE]))
    ]
    return svg_file("The same digit, in float32 and in INT8", drawings)


PICTURES: dict[str, Callable[[], bytes]] = {
    "softmax.svg": softmax_steps,
    "sigmoid.svg": sigmoid_of_two,
    "calibration.svg": calibration,
    "rounding.svg": rounding,
}
