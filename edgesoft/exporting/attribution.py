"""What speaks for an answer: gradient x input.

Source: Shrikumar, Greenside, Shcherbina and Kundaje, "Not Just a Black Box" (2016). Where a value is 0, which is a black pixel or a feature
at its median, nothing speaks for or against anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgesoft.model.layers import Layer
from edgesoft.model.network import examples_at_once
from edgesoft.training.network import SoftmaxNetwork


def attributions(layers: Sequence[Layer], inputs: NDArray[Any], answers: NDArray[np.int64]) -> NDArray[np.float32]:
    """How far each value of an input raises the answer's logit above the mean of all, along the slope at that input.

    Parameters
    ----------
    layers
        Float layers, from the raw inputs to the logits.
    inputs
        `[n, ...]`, raw.
    answers
        int64 `[n]`, the class that each is asked of.

    Returns
    -------
    NDArray[np.float32]
        float32 `[n, ...]`, of the shape of `inputs`.
    """
    network, size = SoftmaxNetwork(layers), examples_at_once(layers, inputs.shape[1:])
    batches = []
    for start in range(0, len(inputs), size):
        x = network.prepare(torch.from_numpy(inputs[start : start + size])).detach().requires_grad_()
        logits, chosen = network(x), torch.from_numpy(answers[start : start + size])
        if logits.shape[1] == 1:  # z stands for the two logits 0 and z
            logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
        margins = logits.gather(1, chosen[:, None])[:, 0] - logits.mean(dim=1)
        (slope,) = torch.autograd.grad(margins.sum(), x)
        batches.append((slope * x).detach().numpy())
    return np.concatenate(batches)
