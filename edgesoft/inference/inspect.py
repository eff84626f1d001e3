"""What a model file says about itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from edgesoft.errors import EdgesoftError
from edgesoft.model.card import ModelCard
from edgesoft.model.file import GOLDEN_KEY, read_model
from edgesoft.model.golden import Golden
from edgesoft.model.graph import TensorSpec
from edgesoft.model.layers import Linear, QuantizedLinear
from edgesoft.model.network import Network, read_network
from edgesoft.targets.cost import Cost, cost
from edgesoft.targets.steps import InexpressibleError

OLDEST_RUNTIME: Mapping[tuple[int, int], str] = {(13, 8): "1.15"}
"""(opset, IR version) -> the oldest ONNX Runtime that the tests have loaded such a file with."""


@dataclass(frozen=True)
class Inspection:
    """The contents of one model file."""

    path: Path
    card: ModelCard
    file_bytes: int
    weight_bytes: int
    """All initializers."""
    parameters: int | None
    """Weights and biases; None for a file that was changed so that its layers cannot be told."""
    activation_bytes: int | None
    """The largest pair of a layer's input and output at batch 1: what a device must hold at once; None as above."""
    cost: Cost | None
    """What it takes in C (`edgesoft convert --to c`); None as above, or where it has no such form."""
    golden_examples: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: Mapping[str, int]
    """Operator -> number of nodes."""
    opset: int
    ir_version: int
    producer: str
    oldest_runtime: str | None
    """Oldest ONNX Runtime that is known to load it."""
    changed_parts: tuple[str, ...]
    """Parts that no longer match their digest; empty for an intact file."""


def inspect(path: Path) -> Inspection:
    """Read what a model file says about itself; nothing is run.

    Raises
    ------
    EdgesoftError
        The file cannot be read or is not one that edgesoft wrote.
    """
    model = read_model(path)
    changed = model.changed_parts()
    try:
        network = read_network(model)
    except EdgesoftError:
        if not changed:
            raise
        network = None
    products = () if network is None else network.products
    return Inspection(
        path=path,
        card=model.card,
        file_bytes=len(model.content),
        weight_bytes=sum(len(tensor.data) for tensor in model.initializers),
        parameters=sum(layer.weight.size + layer.bias.size for layer in products) or None,
        activation_bytes=None if network is None else _activation_bytes(network, model.card),
        cost=None if network is None else _cost(network, model.card),
        golden_examples=len(Golden.decode(model.metadata[GOLDEN_KEY], path)) if GOLDEN_KEY in model.metadata else 0,
        inputs=model.inputs,
        outputs=model.outputs,
        operators=Counter(node.operator for node in model.nodes),
        opset=model.opset,
        ir_version=model.ir_version,
        producer=model.producer,
        oldest_runtime=OLDEST_RUNTIME.get((model.opset, model.ir_version)),
        changed_parts=changed,
    )


def _cost(network: Network, card: ModelCard) -> Cost | None:
    try:
        return cost(network, card.input.shape)
    except InexpressibleError:
        return None


def _activation_bytes(network: Network, card: ModelCard) -> int:
    """The largest pair of what a product reads and what the next one does, pooled in the same breath."""
    shapes = network.shapes(card.input.shape)
    read = [
        math.prod(shape)
        for layer, shape in zip(network.layers, shapes, strict=False)
        if isinstance(layer, Linear | QuantizedLinear)
    ]
    return (1 if card.precision == "int8" else 4) * max(map(sum, pairwise([*read, card.outputs])))
