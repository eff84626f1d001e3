"""A classifier in PyTorch: the reference that every exported model is held to."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from edgesoft.model.architecture import Architecture
from edgesoft.model.layers import Convolution, Flatten, Layer, Linear, MaxPool, Relu, product_of
from edgesoft.model.network import examples_at_once
from edgesoft.model.products import KERNEL
from edgesoft.model.scaling import GreyLevels, Planes, Scale, SmoothClip

if TYPE_CHECKING:
    from typing_extensions import Self

Product = nn.Conv2d | nn.Linear


class SoftmaxNetwork(nn.Module):
    """Convolutions, or none, then linear layers, with ReLU between them; the head makes probabilities of what the last one gives.

    `forward` returns the logits, because cross entropy and every comparison work on those.

    Parameters
    ----------
    layers
        Float layers, from the raw inputs to the logits; their weights are copied.
    """

    offset: Tensor | None
    factor: Tensor | None
    limit: Tensor | None

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.plan, self.steps = tuple(layers), pooled_first(layers)
        self.products = nn.ModuleList(_product(layer) for layer in layers if isinstance(layer, Linear))
        scale = next((layer for layer in layers if isinstance(layer, Scale)), None)
        clip = next((layer for layer in layers if isinstance(layer, SmoothClip)), None)
        # Buffers, so that they follow the network to another device.
        self.register_buffer("offset", None if scale is None else torch.tensor(scale.offset))
        self.register_buffer("factor", None if scale is None else torch.tensor(scale.factor))
        self.register_buffer("limit", None if clip is None else torch.tensor(clip.limit))
        self.eval()

    @classmethod
    def untrained(cls, architecture: Architecture, first: Sequence[Layer], generator: torch.Generator) -> Self:
        """Weights drawn from `generator`: normal, scaled for ReLU; biases are 0.

        Source: He, Zhang, Ren and Sun, "Delving Deep into Rectifiers" (ICCV 2015).

        Parameters
        ----------
        architecture
            How large its parts are.
        first
            What brings raw inputs into the network's range.
        generator
            Of the CPU.
        """
        shapes = architecture.weight_shapes
        products = []
        for place, shape in enumerate(shapes, start=1):
            gain = 1 if place == len(shapes) else 2
            weight = torch.empty(shape).normal_(0, math.sqrt(gain / math.prod(shape[1:])), generator=generator)
            products.append(product_of(weight.numpy(), np.zeros(shape[0], np.float32)))
        return cls(architecture.layers(architecture.first(first), products))

    def to_layers(self) -> tuple[Layer, ...]:
        """Copies of the weights as float layers, from the raw inputs to the logits."""
        products = iter(self.products)
        layers: list[Layer] = []
        for layer in self.plan:
            if isinstance(layer, Linear):
                product = next(products)
                layers.append(type(layer)(_array(product.weight), _array(product.bias)))  # type: ignore[arg-type]
            else:
                layers.append(layer)
        return tuple(layers)

    def prepare(self, inputs: Tensor) -> Tensor:
        """Raw inputs -> what `forward` takes: grey levels uint8 become float32 0..1, features float32 are scaled and clipped."""
        if self.offset is None or self.factor is None:
            return inputs.float() / 255
        scaled = (inputs - self.offset) * self.factor
        return scaled if self.limit is None else scaled / torch.hypot(scaled / self.limit, torch.ones_like(scaled))

    def forward(self, x: Tensor, norms: Sequence[nn.Module] = ()) -> Tensor:
        """Logits float32 `[n, outputs]` of prepared inputs float32 `[n, ...]`; `norms`, if any, stand before each ReLU."""
        product = 0
        for layer in self.steps:
            match layer:
                case Linear():
                    x = self.products[product](x)
                    product += 1
                case Relu():
                    x = functional.relu(norms[product - 1](x) if norms else x)
                case MaxPool():
                    x = functional.max_pool2d(x, 2)
                case GreyLevels() | Flatten():
                    x = x.flatten(1)
                case Planes():  # the colours of each place side by side, as in a file: what the CPU's convolutions are quickest with
                    x = (
                        x.reshape(len(x), *layer.shape)
                        .permute(0, 3, 1, 2)
                        .contiguous(memory_format=torch.channels_last)
                    )
        return x


def pooled_first(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The same network with each `MaxPool` before its ReLU: a quarter is left to do.

    Neither a ReLU, nor a rounding, nor a factor above 0 changes which number is the largest.
    """
    ordered = list(layers)
    for place, layer in enumerate(layers):
        if isinstance(layer, MaxPool):
            ordered[place - 1 : place + 1] = [layer, ordered[place - 1]]
    return tuple(ordered)


class LearningNetwork(nn.Module):
    """A `SoftmaxNetwork` while it learns, with batch normalisation between each hidden product and its ReLU.

    Normalised layers take larger steps and end better; afterwards the normalisation is multiplied into the products, so that
    what is judged, kept and exported is a plain `SoftmaxNetwork`. Source: Ioffe and Szegedy, "Batch Normalization" (ICML 2015).
    """

    def __init__(self, network: SoftmaxNetwork, *, batch_norm: bool) -> None:
        super().__init__()
        self.network = network
        hidden = list(network.products)[:-1] if batch_norm else []
        self.norms = nn.ModuleList(_norm(product) for product in hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, outputs]` of prepared inputs float32 `[n, ...]`; in training mode the batch is its own reference."""
        return self.network(x, list(self.norms))  # type: ignore[no-any-return]

    def fold(self) -> SoftmaxNetwork:
        """The plain network that gives the same logits as this one in evaluation mode; it shares no memory with it."""
        # The layers that it was made of never change.
        kept = {id(part): part for part in (self.network.plan, self.network.steps)}
        learnt = copy.deepcopy(self, kept).eval()
        plain = learnt.network
        for index, norm in enumerate(learnt.norms):
            product = plain.products[index]
            if isinstance(product, nn.Conv2d):
                plain.products[index] = fuse_conv_bn_eval(product, norm)  # type: ignore[arg-type]
            else:
                plain.products[index] = fuse_linear_bn_eval(product, norm)  # type: ignore[arg-type,type-var]
        return plain


def reference_logits(network: SoftmaxNetwork, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """PyTorch's answer: logits float32 `[n, outputs]` of raw inputs `[n, ...]`, in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()
    batch_size = examples_at_once(network.plan, inputs.shape[1:])
    with torch.inference_mode():
        batches = [
            network(network.prepare(torch.from_numpy(inputs[start : start + batch_size]).to(device))).cpu().numpy()
            for start in range(0, len(inputs), batch_size)
        ]
    return np.concatenate(batches)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy().copy()


def _norm(product: nn.Module) -> nn.Module:
    if not isinstance(product, nn.Conv2d):
        return nn.BatchNorm1d(product.out_features)  # type: ignore[arg-type]
    norm = nn.BatchNorm2d(product.out_channels)
    norm.weight.requires_grad_(False)  # stays 1, and so above 0; the next product's weights make up for it
    return norm


def _product(layer: Linear) -> Product:
    module: Product
    outputs, inputs = layer.weight.shape[:2]
    with torch.device("meta"):  # nothing is drawn from the global generator, which is the caller's
        module = (
            nn.Conv2d(inputs, outputs, KERNEL, padding=1)
            if isinstance(layer, Convolution)
            else nn.Linear(inputs, outputs)
        )
    module.weight, module.bias = (nn.Parameter(torch.from_numpy(array.copy())) for array in (layer.weight, layer.bias))
    return module
