"""The softmax MLP in PyTorch: the reference that every exported model is held to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class SoftmaxMLP(nn.Module):
    """Linear layers with ReLU between them; softmax over the last one's outputs gives the probabilities.

    `forward` returns the logits, because cross entropy and every comparison work on those.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], classes: int) -> None:
        super().__init__()
        widths = [inputs, *hidden, classes]
        with torch.random.fork_rng(devices=[]):  # new layers draw from the global generator, which is the caller's
            self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the first weights from `generator`: normal, scaled for ReLU; biases are 0.

        Source: He, Zhang, Ren and Sun, "Delving Deep into Rectifiers" (ICCV 2015).
        """
        linears = self.linears()
        with torch.no_grad():
            for linear in linears:
                gain = 1 if linear is linears[-1] else 2
                linear.weight.normal_(0, math.sqrt(gain / linear.in_features), generator=generator)
                linear.bias.zero_()

    def linears(self) -> list[nn.Linear]:
        """The linear layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, x: Tensor) -> Tensor:
        """Logits float32 `[n, classes]` of scaled inputs float32 `[n, ...]`, which are flattened."""
        x = x.flatten(1)  # (n, d)
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)  # type: ignore[no-any-return]


def scale_pixels(pixels: Tensor) -> Tensor:
    """Grey levels uint8 0..255 -> float32 0..1."""
    return pixels.float() / 255


def reference_logits(network: SoftmaxMLP, inputs: NDArray[Any], *, batch_size: int = 1000) -> NDArray[np.float32]:
    """PyTorch's answer: logits float32 `[n, classes]` of raw pixels uint8 `[n, ...]`, in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()
    with torch.inference_mode():
        batches = [
            network(scale_pixels(torch.from_numpy(inputs[start : start + batch_size]).to(device))).cpu().numpy()
            for start in range(0, len(inputs), batch_size)
        ]
    return np.concatenate(batches)
