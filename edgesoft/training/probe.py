"""`--network auto`: several networks are trained for a while, and the validation split chooses."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgesoft.data.dataset import Dataset
from edgesoft.training.results import Epoch
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train

PICTURES_SHARE, ROWS_SHARE = 5, 2
"""A probe takes this part of the epochs, at least one; rows of a table cost little."""


def choose(
    dataset: Dataset, candidates: Sequence[TrainSettings], on_probe: Callable[[TrainSettings, Epoch], object]
) -> TrainSettings:
    """The settings whose network does best on the validation split after a short training; the first of equals.

    Best is the smallest loss, because of a few hundred rows the accuracy is mostly luck.

    Parameters
    ----------
    dataset
        What to learn.
    candidates
        The settings to choose from.
    on_probe
        Called with each of them, and the best epoch of its short training.
    """
    share = PICTURES_SHARE if dataset.input.is_picture else ROWS_SHARE
    found = []
    for candidate in candidates:
        probe = replace(candidate, epochs=max(1, candidate.epochs // share))
        with tempfile.TemporaryDirectory() as folder:
            result = train(dataset, probe, RunFolder(Path(folder) / "probe"))
        if result.interrupted:
            raise KeyboardInterrupt
        found.append(result.best.validation_loss)
        on_probe(candidate, result.best)
    return candidates[found.index(min(found))]
