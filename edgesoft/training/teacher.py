"""A small network learns from a large one: not only which class is right, but how like the others an example is.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from edgesoft.data.dataset import Dataset
from edgesoft.errors import UsageError
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.network import SoftmaxNetwork
from edgesoft.training.objective import divergence
from edgesoft.training.runs import checkpoint_in

TEMPERATURE = 3.0
"""What the logits of both are divided by, so that the classes that are not right count, too."""
SHARE = 0.7
"""Of the loss that is the teacher's; the labels keep the rest."""


class Teacher(NamedTuple):
    """A trained network."""

    network: SoftmaxNetwork
    """In evaluation mode."""
    sha256: str | None
    """Of its checkpoint."""


def load_teacher(path: str, dataset: Dataset, outputs: int, device: torch.device) -> Teacher:
    """The network of a checkpoint.

    Parameters
    ----------
    path
        A checkpoint, or the folder of a run.
    dataset
        What will be learned: the teacher must know the same classes and take the same inputs.
    outputs
        How many logits the student gives.
    device
        Where it computes.

    Raises
    ------
    EdgesoftError
        There is no such checkpoint, or it is damaged.
    UsageError
        It has learned something else.
    """
    checkpoint = Checkpoint.load(checkpoint_in(Path(path)))
    card = checkpoint.card
    for what, found, expected in (
        ("classes", card.labels, dataset.labels),
        ("inputs", card.input, dataset.input),
        ("logits", card.outputs, outputs),
    ):
        if found != expected:
            raise UsageError(
                f"--teacher {path}: it has other {what} than {dataset.name} has here. "
                "Take a checkpoint that was trained on the same kind of data, with the same head"
            )
    return Teacher(SoftmaxNetwork(checkpoint.layers).to(device), checkpoint.sha256)


def warned(dataset: Dataset, path: str) -> Dataset:
    """The data set with what is to be said of the data that a teacher learned from: they may hold what judges its pupil."""
    training = Checkpoint.load(checkpoint_in(Path(path))).card.training
    if training is None or training.data_sha256 == dataset.digest:
        return dataset
    warning = (
        f"the teacher {path} learned from other data, or from the same divided otherwise (by another seed): if examples that are held out "
        "here taught it, validation and test say too much"
    )
    return replace(dataset, warnings=(*dataset.warnings, warning))


def taught(loss: Tensor, logits: Tensor, wanted: Tensor) -> Tensor:
    """The loss of the labels, and of not answering like the teacher, in nats.

    Parameters
    ----------
    loss
        Of the labels, float32 `[]`.
    logits, wanted
        The student's and the teacher's, float32 `[n, outputs]`.
    """
    # The slope of a softened divergence is smaller by the square of the temperature.
    return (1 - SHARE) * loss + SHARE * (divergence(logits, wanted, TEMPERATURE) * TEMPERATURE**2)
