"""What a training leaves to look at, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgesoft.pages.charts import Drawing, Line, curves, svg_file
from edgesoft.pages.matrix import confusion_drawing

if TYPE_CHECKING:
    from edgesoft.training.results import Epoch


def learning_drawings(epochs: Sequence[Epoch]) -> tuple[Drawing, Drawing]:
    """Loss and validation accuracy over the epochs."""
    losses = [
        Line("training", "second", [(epoch.number, _shown(epoch.loss)) for epoch in epochs]),
        Line("validation", "first", [(epoch.number, _shown(epoch.validation_loss)) for epoch in epochs]),
    ]
    accuracies = [Line("validation", "first", [(epoch.number, epoch.validation_accuracy) for epoch in epochs])]
    return (
        curves("Cross entropy, in nats", losses, lambda tick: f"{tick:g}", is_log=True),
        curves("Accuracy on the validation split", accuracies, lambda tick: f"{100 * tick:.4g} %"),
    )


def _shown(loss: float) -> float:
    """What a logarithmic axis has room for."""
    return min(max(loss, 1e-9), 1e9)


def learning_curve(epochs: Sequence[Epoch]) -> bytes:
    """The same as a file."""
    return svg_file("Loss and accuracy over the epochs", learning_drawings(epochs))


def confusion_matrix(matrix: NDArray[np.int64], labels: Sequence[str]) -> bytes:
    """Right class against answered class on the test split, as a file.

    Parameters
    ----------
    matrix
        int64 `[classes, classes]`, row = right class, column = answered class.
    labels
        The class names.
    """
    return svg_file("Confusion matrix", [confusion_drawing(matrix, labels, "Test split")])
