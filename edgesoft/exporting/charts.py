"""Pictures of what an export measures."""

from __future__ import annotations

import numpy as np

from edgesoft.inference.scores import Reliability
from edgesoft.training.charts import BLUE, GREY, ORANGE, default_style, draw, new_figure


@default_style()
def reliability(before: Reliability, after: Reliability, *, title: str) -> bytes:
    """Accuracy against confidence, without and with the temperature, as an SVG."""
    figure = new_figure(5, 4.4)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="honest")
    for bins, colour, name in ((before, ORANGE, "temperature 1"), (after, BLUE, "as published")):
        filled = bins.counts > 0
        axes.plot(bins.confidences[filled], bins.accuracies[filled], color=colour, linewidth=1, alpha=0.6)
        # The area of a dot shows how many answers it stands for.
        size = 12 + 180 * np.sqrt(bins.counts[filled] / bins.counts.sum())
        axes.scatter(bins.confidences[filled], bins.accuracies[filled], s=size, color=colour, alpha=0.8, label=name)
    axes.set(title=title, xlabel="confidence", ylabel="share that is right", xlim=(0, 1.03), ylim=(0, 1.03))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="upper left", markerscale=0.5)
    return draw(figure, "svg")
