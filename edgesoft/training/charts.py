"""Pictures of numbers, as PNG or SVG bytes. Figures are made without pyplot, in matplotlib's own default style."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from edgesoft.training.matplotlib_import import import_matplotlib

mpl = import_matplotlib()  # before any other module of it is imported

from matplotlib.figure import Figure  # noqa: E402
from matplotlib.font_manager import FontProperties, findfont, get_font  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

if TYPE_CHECKING:
    from edgesoft.training.results import Epoch

LONGEST_LABEL = 24  # letters beside a picture; the rest is cut off
BLUE, ORANGE, GREY = "#2563a8", "#d9822b", "#8a8f98"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches; no window and nothing global belongs to it."""
    return Figure(figsize=(width, height), layout="constrained")


@contextmanager
def default_style() -> Iterator[None]:
    """Whatever style a notebook or a settings file has chosen, a figure made within looks the same everywhere."""
    with mpl.rc_context():
        mpl.rcdefaults()
        # An SVG without date and random element names keeps its text, which a browser writes in any script.
        mpl.rcParams.update({"svg.hashsalt": "edgesoft", "svg.fonttype": "none"})
        yield


@default_style()
def learning_curve(epochs: Sequence[Epoch]) -> bytes:
    """Loss and validation accuracy over the epochs, as a PNG."""
    figure = new_figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    numbers = [epoch.number for epoch in epochs]
    marker = "o" if len(epochs) < 3 else ""  # a line through one point is invisible
    left.plot(numbers, [epoch.loss for epoch in epochs], color=GREY, marker=marker, label="training (as augmented)")
    left.plot(numbers, [epoch.validation_loss for epoch in epochs], color=BLUE, marker=marker, label="validation")
    left.set(title="Cross entropy", xlabel="epoch", ylabel="nats", yscale="log")
    left.legend(frameon=False, loc="upper right")  # "best" measures, and warns when it takes long
    right.plot(numbers, [100 * epoch.validation_accuracy for epoch in epochs], color=BLUE, marker=marker)
    right.set(title="Validation accuracy", xlabel="epoch", ylabel="%")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return draw(figure)


@default_style()
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
    figure = new_figure(side, side)
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
    """The bytes of a figure, within `default_style`: the same numbers give the same ones."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():  # a PNG shows a box where the font has no such letter
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(buffer, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()
