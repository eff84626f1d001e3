"""Pictures of numbers, as PNG or SVG bytes. Figures are made without pyplot, so nothing global is touched."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

if TYPE_CHECKING:
    from edgesoft.training.results import Epoch

LONGEST_LABEL = 24  # letters beside a picture; the rest is cut off
BLUE, ORANGE, GREY = "#2563a8", "#d9822b", "#8a8f98"


def learning_curve(epochs: Sequence[Epoch]) -> bytes:
    """Loss and validation accuracy over the epochs, as a PNG."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    numbers = [epoch.number for epoch in epochs]
    marker = "o" if len(epochs) < 3 else ""  # a line through one point is invisible
    left.plot(numbers, [epoch.loss for epoch in epochs], color=GREY, marker=marker, label="training (as augmented)")
    left.plot(numbers, [epoch.validation_loss for epoch in epochs], color=BLUE, marker=marker, label="validation")
    left.set(title="Cross entropy", xlabel="epoch", ylabel="nats", yscale="log")
    left.legend(frameon=False)
    right.plot(numbers, [100 * epoch.validation_accuracy for epoch in epochs], color=BLUE, marker=marker)
    right.set(title="Validation accuracy", xlabel="epoch", ylabel="%")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return draw(figure)


def confusion_matrix(
    matrix: NDArray[np.int64], labels: Sequence[str], *, title: str = "Test split", kind: Literal["png", "svg"] = "png"
) -> bytes:
    """Right class against answered class.

    Parameters
    ----------
    matrix
        int64 `[classes, classes]`, row = right class, column = answered class.
    labels
        The class names.
    title
        Heading of the picture.
    kind
        Format of the picture.
    """
    classes = len(labels)
    labels = [label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…" for label in labels]
    side = min(20.0, 2.0 + 0.45 * classes) + 0.1 * max(0, max(map(len, labels)) - 2)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    # Colours show the share of each class, on a root scale: a few mistakes in a thousand must still be seen.
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    axes.set(title=title, xlabel="answered", ylabel="right")
    if classes <= 40:
        names = _drawable(labels)
        # A label is not a formula, whatever dollar signs it holds.
        axes.set_xticks(range(classes), names, rotation=0 if max(map(len, names)) <= 2 else 90, parse_math=False)
        axes.set_yticks(range(classes), names, parse_math=False)
    if classes <= 20:
        for row, column in np.argwhere(matrix > 0):
            colour = "white" if share[row, column] > 0.4 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=8)
    return draw(figure, kind)


def _drawable(labels: Sequence[str]) -> list[str]:
    """The class names; a number instead of one that the font has no letters for, or that would be read as a formula."""
    known = get_font(findfont(FontProperties())).get_charmap()
    return [
        label if all(ord(letter) in known for letter in label) and "$" not in label else f"class {index}"
        for index, label in enumerate(labels)
    ]


def draw(figure: Figure, kind: Literal["png", "svg"] = "png") -> bytes:
    """The bytes of a figure: the same numbers give the same ones."""
    buffer = io.BytesIO()
    # Without date and random element names.
    # An SVG keeps its text, which a browser writes in any script; a PNG shows a box where the font has no such letter.
    with mpl.rc_context({"svg.hashsalt": "edgesoft", "svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(buffer, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()
