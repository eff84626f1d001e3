"""Flips of training pictures from left to right, where the classes allow them.

A photograph of a cat is one from either side, but a flipped b is a d. Nobody has to say so: a network that has seen no flipped
picture yet is asked what it takes them for.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from edgesoft.data.dataset import Split
from edgesoft.inference.scores import count_confusion
from edgesoft.model.heads import Head
from edgesoft.training.network import SoftmaxNetwork, reference_logits

MOST_ASKED = 5000
"""Pictures that are enough to tell; of more, every so-manieth is taken."""


def keeps_classes(network: SoftmaxNetwork, head: Head, split: Split, classes: int) -> bool:
    """Whether a network takes the flipped pictures of every class for that class more often than for any other.

    Parameters
    ----------
    network
        Trained without flips. One that does not know a class yet cannot tell, and the answer is no.
    head
        What its logits mean.
    split
        Pictures uint8 `[n, height, width]` or `[n, height, width, 3]`, and their classes.
    classes
        How many classes there are.
    """
    step = math.ceil(len(split) / MOST_ASKED)
    flipped = np.ascontiguousarray(split.inputs[::step, :, ::-1])
    matrix = count_confusion(split.targets[::step], head.predict(reference_logits(network, flipped)), classes)
    right = matrix.diagonal().copy()
    np.fill_diagonal(matrix, 0)
    return bool((right > matrix.max(axis=1)).all())


def half_flipped(planes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Flip each picture of `[n, channels, height, width]` from left to right or not, by the toss of a coin."""
    heads = torch.rand((len(planes), 1, 1, 1), generator=generator, device=generator.device) < 0.5
    return torch.where(heads, planes.flip(-1), planes)
