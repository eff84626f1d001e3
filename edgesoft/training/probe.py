"""`--network auto`: each kind of network is trained for a while, and the validation split chooses."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgesoft.data.dataset import Dataset
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train

SHARE = 5
"""A probe takes this part of the epochs, at least one."""


def choose(
    dataset: Dataset, candidates: Sequence[TrainSettings], on_probe: Callable[[TrainSettings, float], object]
) -> TrainSettings:
    """The settings whose network does best on the validation split after a short training; the first of equals.

    Parameters
    ----------
    dataset
        What to learn.
    candidates
        The settings to choose from.
    on_probe
        Called with each of them, and its accuracy on the validation split as a fraction.
    """
    found = []
    for candidate in candidates:
        probe = replace(candidate, epochs=max(1, candidate.epochs // SHARE))
        with tempfile.TemporaryDirectory() as folder:
            result = train(dataset, probe, RunFolder(Path(folder) / "probe"))
        if result.interrupted:
            raise KeyboardInterrupt
        found.append(result.best.validation_accuracy)
        on_probe(candidate, found[-1])
    return candidates[found.index(max(found))]
