"""`--network auto`: several networks are trained for a while, and the validation split chooses."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.dataset import Dataset
from edgesoft.model.heads import cross_entropy
from edgesoft.training.network import SoftmaxNetwork, reference_logits
from edgesoft.training.objective import balanced_weights
from edgesoft.training.results import Epoch, TrainResult
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train

PICTURES_SHARE, ROWS_SHARE = 5, 2
"""A probe takes this part of the epochs, at least one; rows of a table cost little."""


def choose(
    dataset: Dataset,
    candidates: Sequence[TrainSettings],
    on_probe: Callable[[TrainSettings, Epoch], object],
    on_probe_batch: Callable[[int, int], object],
) -> TrainSettings:
    """The settings whose network does best on the validation split after a short training.

    Best is the smallest loss, because of a few hundred rows the accuracy is mostly luck. The first are kept unless another's loss is
    smaller by more than one standard error of the difference, example by example.

    Parameters
    ----------
    dataset
        What to learn.
    candidates
        The settings to choose from, the usual ones first.
    on_probe
        Called with each of them, and the best epoch of its short training.
    on_probe_batch
        Called after each step of a short training with the number of steps so far, and of all of them.
    """
    share = PICTURES_SHARE if dataset.input.is_picture else ROWS_SHARE
    probes = [replace(candidate, epochs=max(1, candidate.epochs // share)) for candidate in candidates]
    steps = sum(probe.epochs * probe.batches(len(dataset.train)) for probe in probes)
    done = count(1)
    losses: list[NDArray[np.float64]] = []
    for candidate, probe in zip(candidates, probes, strict=True):
        with tempfile.TemporaryDirectory() as folder:
            result = train(
                dataset, probe, RunFolder(Path(folder) / "probe"), on_batch=lambda *_: on_probe_batch(next(done), steps)
            )
        if result.interrupted:
            raise KeyboardInterrupt
        losses.append(_losses(result))
        on_probe(candidate, result.best)
    return candidates[best_of(losses)]


def best_of(losses: Sequence[NDArray[np.float64]]) -> int:
    """Which of several float64 `[n]`, the losses of the same examples, has the smallest mean; 0 where none is clearly smaller."""
    gains = [losses[0] - other for other in losses]
    clear = [place for place, gain in enumerate(gains) if gain.mean() > gain.std() / math.sqrt(max(1, len(gain) - 1))]
    return max(clear, key=lambda place: gains[place].mean(), default=0)


def _losses(result: TrainResult) -> NDArray[np.float64]:
    """Cross entropy of each validation example in nats, float64 `[n]`; times the weight of its class, where classes have some."""
    data, head = result.dataset, result.checkpoint.card.head
    logits = reference_logits(SoftmaxNetwork(result.checkpoint.layers), data.validation.inputs)
    losses: NDArray[np.float64] = cross_entropy(head.class_logits(logits), data.validation.targets)
    if result.settings.class_weights:
        losses = losses * balanced_weights(data.train.targets, len(data.labels))[data.validation.targets]
    return losses
