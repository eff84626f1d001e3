"""The softmax MLP in PyTorch: the reference that every exported model is held to."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from edgesoft.errors import UsageError
from edgesoft.model.layers import Layer, Linear, Relu
from edgesoft.model.scaling import GreyLevels, Scale, SmoothClip
from edgesoft.training.checkpoint import stacked

MOST_PARAMETERS = 60_000_000
"""Their float32 values fill the largest model file that is read."""


class SoftmaxMLP(nn.Module):
    """Linear layers with ReLU between them; the head makes probabilities of what the last one gives.

    `forward` returns the logits, because cross entropy and every comparison work on those.

    Parameters
    ----------
    first
        What brings raw inputs into the network's range.
    widths
        Inputs, hidden layers, and outputs, in units.
    """

    offset: Tensor | None
    factor: Tensor | None
    limit: Tensor | None

    def __init__(self, first: Sequence[Layer], widths: Sequence[int]) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # new layers draw from the global generator, which is the caller's
            self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        scale = next((layer for layer in first if isinstance(layer, Scale)), None)
        clip = next((layer for layer in first if isinstance(layer, SmoothClip)), None)
        # Buffers, so that they follow the network to another device.
        self.register_buffer("offset", None if scale is None else torch.from_numpy(scale.offset))
        self.register_buffer("factor", None if scale is None else torch.from_numpy(scale.factor))
        self.register_buffer("limit", None if clip is None else torch.from_numpy(clip.limit))

    @classmethod
    def from_layers(cls, layers: Sequence[Layer]) -> Self:
        """A network with the weights of float layers, on the CPU, in evaluation mode."""
        linears = [layer for layer in layers if isinstance(layer, Linear)]
        first = [layer for layer in layers if not isinstance(layer, Linear | Relu)]
        network = cls(first, [linears[0].weight.shape[1], *(len(linear.bias) for linear in linears)])
        with torch.no_grad():
            for module, linear in zip(network.linears(), linears, strict=True):
                module.weight.copy_(torch.from_numpy(linear.weight))
                module.bias.copy_(torch.from_numpy(linear.bias))
        return network.eval()

    def to_layers(self) -> tuple[Layer, ...]:
        """Copies of the weights as float layers, from the raw inputs to the logits."""
        first: list[Layer] = [GreyLevels()]
        if self.offset is not None and self.factor is not None:
            first = [Scale(_array(self.offset), _array(self.factor))]
            if self.limit is not None:
                first.append(SmoothClip(_array(self.limit)))
        return stacked(first, [Linear(_array(module.weight), _array(module.bias)) for module in self.linears()])

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

    def prepare(self, inputs: Tensor) -> Tensor:
        """Raw inputs -> what `forward` takes: grey levels uint8 become float32 0..1, features float32 are scaled and clipped."""
        if self.offset is None or self.factor is None:
            return inputs.float() / 255
        scaled = (inputs - self.offset) * self.factor
        return scaled if self.limit is None else scaled / torch.hypot(scaled / self.limit, torch.ones_like(scaled))

    def forward(self, x: Tensor) -> Tensor:
        """Logits float32 `[n, outputs]` of prepared inputs float32 `[n, ...]`, which are flattened."""
        x = x.flatten(1)  # (n, d)
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)  # type: ignore[no-any-return]


class LearningMLP(nn.Module):
    """A `SoftmaxMLP` while it learns, with batch normalisation between each hidden linear layer and its ReLU.

    Normalised layers take larger steps and end better; afterwards the normalisation is multiplied into the linear layers, so that
    what is judged, kept and exported is a plain `SoftmaxMLP`. Source: Ioffe and Szegedy, "Batch Normalization" (ICML 2015).
    """

    def __init__(self, network: SoftmaxMLP, *, batch_norm: bool) -> None:
        super().__init__()
        self.network = network
        hidden = network.linears()[:-1] if batch_norm else []
        self.norms = nn.ModuleList(nn.BatchNorm1d(linear.out_features) for linear in hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, outputs]` of prepared inputs float32 `[n, ...]`; in training mode the batch is its own reference."""
        *hidden, last = self.network.linears()
        x = x.flatten(1)
        for index, linear in enumerate(hidden):
            x = linear(x)
            x = torch.relu(self.norms[index](x) if self.norms else x)
        return last(x)  # type: ignore[no-any-return]

    def fold(self) -> SoftmaxMLP:
        """The plain network that gives the same logits as this one in evaluation mode; it shares no memory with it."""
        learnt = copy.deepcopy(self).eval()
        plain = learnt.network
        for index, (linear, norm) in enumerate(
            zip(plain.linears(), learnt.norms, strict=False)
        ):  # the last one has none
            if isinstance(norm, nn.BatchNorm1d):
                plain.layers[index] = fuse_linear_bn_eval(linear, norm)
        return plain


def count_parameters(inputs: int, hidden: Sequence[int], outputs: int) -> int:
    """How many parameters a network has; refuses one that no model file could hold.

    Raises
    ------
    UsageError
        It has too many parameters.
    """
    parameters = sum((before + 1) * after for before, after in pairwise([inputs, *hidden, outputs]))
    if parameters > MOST_PARAMETERS:
        raise UsageError(
            f"hidden layers {'-'.join(map(str, hidden)) or 'none'} on {inputs:,} inputs have {parameters / 1e6:.0f} million parameters, "
            f"expected at most {MOST_PARAMETERS / 1e6:.0f} million. Choose a smaller --size or --hidden"
        )
    return parameters


def reference_logits(network: SoftmaxMLP, inputs: NDArray[Any], *, batch_size: int = 1000) -> NDArray[np.float32]:
    """PyTorch's answer: logits float32 `[n, outputs]` of raw inputs `[n, ...]`, in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()
    with torch.inference_mode():
        batches = [
            network(network.prepare(torch.from_numpy(inputs[start : start + batch_size]).to(device))).cpu().numpy()
            for start in range(0, len(inputs), batch_size)
        ]
    return np.concatenate(batches)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy().copy()
