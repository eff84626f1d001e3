"""Quantization-aware finishing: weights and ranges learn to give the float network's answers through the rounding.

The float network is the teacher, so no labels are needed, and nothing is learned that it does not know. Rounding has no slope; it
is passed by as if it were not there. Source: Bengio, Léonard and Courville, "Estimating or Propagating Gradients Through Stochastic
Neurons for Conditional Computation" (2013). What the largest level of each tensor stands for is learned with the weights. Source:
Esser, McKinstry, Bablani, Appuswamy and Modha, "Learned Step Size Quantization" (ICLR 2020).

It computes on one thread and draws from a generator of its own: the same checkpoint gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgesoft.exporting.activation_ranges import activation_quantiles
from edgesoft.exporting.quantize import first_product, largest_weights
from edgesoft.model.card import Scheme
from edgesoft.model.layers import Convolution, Flatten, Layer, Linear, MaxPool, Quantize, Relu
from edgesoft.model.values import ACTIVATION_LEVELS, UNIT_SCALE, Integers, Value, to_float
from edgesoft.training.compute import cpu_threads
from edgesoft.training.network import SoftmaxNetwork, pooled_first
from edgesoft.training.objective import divergence

FEWEST_STEPS, MOST_STEPS = 100, 500
WORK = 20_000_000
"""Steps times parameters: a large network has less to learn, because its roundings cancel out, and takes longer for a step."""
BATCH_SIZE = 128
WEIGHT_RATE = 0.02
"""Adam's largest learning rate for weights, in units of their level: only a small step keeps a wide layer's many weights in balance."""
USUAL = 0.999
"""Share of a hidden layer's activations that its range holds to begin with: from the largest of all, which may be an outlier's, the
way would be too long to learn."""
RANGE_RATE = 0.01
"""The same for ranges, which are learned as logarithms."""
LOGITS_SHARE = 0.1
"""What the squared error of the logits counts beside the divergence of the probabilities: their level means something, too."""


@dataclass(frozen=True, eq=False)
class Finished:
    """What to round instead of the trained layers, for `edgesoft.exporting.quantize.quantize`."""

    layers: tuple[Layer, ...]
    activation_maxima: tuple[float, ...]
    weight_maxima: tuple[NDArray[np.float32], ...]
    """What the largest level of each rounded layer's weights stands for: float32 `[]`, or `[outputs]` per channel."""
    steps: int
    """How long they learned."""


def finish(
    teacher: Sequence[Layer],
    layers: Sequence[Layer],
    scheme: Scheme,
    inputs: NDArray[Any],
) -> Finished:
    """Let the layers learn to be rounded.

    Parameters
    ----------
    teacher
        The trained float layers.
    layers
        The same network as `quantize` takes it (`over_unit_range`, `least_error`).
    scheme
        How the weights will be rounded.
    inputs
        Training examples `[n, ...]`, raw.
    """
    start = first_product(layers)
    linears = [layer for layer in layers if isinstance(layer, Linear)]
    network = _Rounded(layers[start:], activation_quantiles(layers, inputs, USUAL), scheme)
    steps = min(MOST_STEPS, max(FEWEST_STEPS, WORK // sum(linear.weight.size for linear in linears)))
    with cpu_threads(1):
        _learn(network, SoftmaxNetwork(teacher), layers[:start], inputs, steps)
    return network.finished(layers, steps)


def _learn(
    network: _Rounded, teacher: SoftmaxNetwork, first: Sequence[Layer], inputs: NDArray[Any], steps: int
) -> None:
    groups: list[dict[str, Any]] = [
        {"params": [weight, bias], "rate": WEIGHT_RATE * float(weight.detach().abs().max()) / network.levels}
        for weight, bias in zip(network.weights, network.biases, strict=True)
    ]
    groups.append({"params": [*network.weight_ranges, *network.activation_ranges], "rate": RANGE_RATE})
    optimizer = torch.optim.Adam(groups, fused=True)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * (1 + math.cos(math.pi * step / steps)) / 2
        batch = inputs[torch.randint(len(inputs), (min(BATCH_SIZE, len(inputs)),), generator=generator).numpy()]
        with torch.no_grad():
            wanted = teacher(teacher.prepare(torch.from_numpy(batch)))
        x: Value = batch
        for layer in first:
            x = layer.apply(x)
        if network.rounds[0] and not isinstance(x, Integers):
            x = Quantize(np.asarray(UNIT_SCALE)).apply(x)
        levels = torch.from_numpy(to_float(x))
        if levels.ndim == 4:
            levels = levels.contiguous(memory_format=torch.channels_last)
        loss = _distance(network(levels), wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _distance(logits: Tensor, wanted: Tensor) -> Tensor:
    """Divergence of the probabilities in nats, and a little of the squared error of the logits in units of their variance."""
    error = (logits - wanted).square().mean() / wanted.var().clamp_min(1e-6)
    return divergence(logits, wanted) + LOGITS_SHARE * error


class _Rounded(nn.Module):
    """A network that computes in floats what its INT8 file will compute in integers."""

    def __init__(self, layers: Sequence[Layer], activation_maxima: Sequence[float], scheme: Scheme) -> None:
        super().__init__()
        self.steps = pooled_first(layers)
        linears = [layer for layer in layers if isinstance(layer, Linear)]
        self.levels = scheme.weight_levels
        self.rounds = scheme.rounds(len(linears))
        self.weights = nn.ParameterList(torch.from_numpy(linear.weight.copy()) for linear in linears)
        self.biases = nn.ParameterList(torch.from_numpy(linear.bias.copy()) for linear in linears)
        # Of a layer that stays in float, or whose values such a layer takes, the range changes nothing, and so stays as it is.
        self.weight_ranges = nn.ParameterList(_logarithm(largest_weights(linear, scheme)) for linear in linears)
        self.activation_ranges = nn.ParameterList(_logarithm(np.float32(maximum)) for maximum in activation_maxima)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, outputs]` of what the first product takes: levels between 0 and 1, where it is rounded."""
        product = 0
        for layer in self.steps:
            match layer:
                case Linear():
                    weight, bias = self._weight(product), self.biases[product]
                    if isinstance(layer, Convolution):
                        x = functional.conv2d(x, weight, bias, padding=1)
                    else:
                        x = functional.linear(x, weight, bias)
                    product += 1
                case Relu():
                    x = functional.relu(x)
                    if self.rounds[product]:
                        x = _round(
                            x, self.activation_ranges[product - 1].exp() / ACTIVATION_LEVELS, 0, ACTIVATION_LEVELS
                        )
                case MaxPool():
                    x = functional.max_pool2d(x, 2)
                case Flatten():
                    x = x.flatten(1)
        return x

    def _weight(self, product: int) -> Tensor:
        weight: Tensor = self.weights[product]
        if not self.rounds[product]:
            return weight
        step = self.weight_ranges[product].exp().reshape(-1, *[1] * (weight.ndim - 1)) / self.levels
        return _round(weight, step, -self.levels, self.levels)

    def finished(self, layers: Sequence[Layer], steps: int) -> Finished:
        """The layers with what was learned."""
        learned = zip(self.weights, self.biases, strict=True)
        finished = tuple(
            type(layer)(*(parameter.detach().numpy().copy() for parameter in next(learned)))
            if isinstance(layer, Linear)
            else layer
            for layer in layers
        )
        ranges = zip(self.weight_ranges, self.rounds, strict=True)
        return Finished(
            finished,
            tuple(float(parameter.detach().exp()) for parameter in self.activation_ranges),
            tuple(parameter.detach().exp().numpy().copy() for parameter, is_rounded in ranges if is_rounded),
            steps,
        )


def _logarithm(maximum: NDArray[np.float32] | np.float32) -> Tensor:
    # A dead unit has no range; any will do.
    return torch.from_numpy(np.asarray(np.log(np.where(maximum > 0, maximum, 1)), np.float32))


def _round(x: Tensor, step: Tensor, lowest: int, highest: int) -> Tensor:
    """The nearest level, with the slope of no rounding inside the range, and none outside."""
    ratio = (x / step).clamp(lowest, highest)
    return (ratio + (ratio.round() - ratio).detach()) * step
