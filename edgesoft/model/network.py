"""A network as data: its layers and its head; how it is written as a graph, read back, and computed in plain numpy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from edgesoft.errors import EdgesoftError
from edgesoft.model.card import ModelCard
from edgesoft.model.file import ModelFile
from edgesoft.model.graph import Array, GraphWriter, Node, Shape, TensorSpec
from edgesoft.model.heads import Head, Logits
from edgesoft.model.layers import FIRST, LAYERS, Layer, Linear, QuantizedLinear
from edgesoft.model.values import MisfitError, Value, to_float

BATCH_SIZE = 256
ACTIVATIONS_AT_ONCE = 2**25
"""Most numbers in the widest place of a network, for all inputs of a batch: 128 MB of floats."""
FLOAT32_MAX = float(np.finfo(np.float32).max)
ROUNDING = 2**-6
"""Share by which sums of float32 products may exceed their exact value: 2^16 additions of half a unit in the last place, and some more."""


@dataclass(frozen=True, eq=False, repr=False)
class Network:
    """What computes the answer of one model."""

    layers: tuple[Layer, ...]
    """From the raw inputs to the logits."""
    head: Head

    def __repr__(self) -> str:
        return f"Network({', '.join(type(layer).__name__ for layer in self.layers)}; {self.head.describe()})"

    @property
    def products(self) -> tuple[Linear | QuantizedLinear, ...]:
        """The layers with weights."""
        return tuple(layer for layer in self.layers if isinstance(layer, Linear | QuantizedLinear))

    def shapes(self, shape: Shape) -> list[Shape]:
        """Shape of the input and of each layer's output, for one input of `shape`.

        Raises
        ------
        MisfitError
            A layer does not fit the one before it; its argument is the layer's index.
        """
        return shapes_of(self.layers, shape)

    def write(self, name: str) -> GraphWriter:
        """The nodes and constants of its graph, whose input is called `name`."""
        graph = GraphWriter(len(self.products))
        x = name
        for layer in self.layers:
            x = layer.write(graph, x)
        self.head.write(graph)
        return graph

    def values(self, inputs: Array) -> Iterator[Value]:
        """What each layer gives for raw inputs `[n, ...]`, one layer after the other."""
        x: Value = inputs
        for layer in self.layers:
            x = layer.apply(x)
            yield x

    def largest_input(self, shape: Shape) -> float:
        """A power of two: inputs of `shape` up to so large, of either sign, cannot make any value leave float32, so never give NaN.

        0 where none is small enough.
        """
        powers = np.ldexp(np.float32(1), np.arange(128))
        sizes = np.broadcast_to(powers.reshape(-1, *[1] * len(shape)), (len(powers), *shape))
        limit = FLOAT32_MAX * (1 - ROUNDING)
        is_safe = np.ones(len(powers), np.bool_)
        with np.errstate(all="ignore"):  # infinity and NaN are the answer
            for layer in self.layers:
                sizes = layer.largest(sizes)
                is_safe &= (sizes < limit).reshape(len(sizes), -1).all(axis=1)
            is_safe &= (sizes < limit * min(1.0, self.head.temperature)).all(axis=1)
        return float(powers[is_safe].max(initial=0))

    def logits(self, inputs: Array) -> Logits:
        """Logits float32 `[n, outputs]` of raw inputs `[n, ...]`, in plain numpy: slow, and sharing no code with a runtime.

        When a file answers otherwise than it did at export, this tells a changed graph (numpy differs as well) from a runtime that
        computes it otherwise (numpy agrees with the export).
        """
        # A hostile file may hold NaN and infinity; they must reach the logits, not the terminal.
        with np.errstate(all="ignore"):
            batches = []
            size = min(BATCH_SIZE, examples_at_once(self.layers, inputs.shape[1:]))
            for start in range(0, len(inputs), size):
                *_, last = self.values(inputs[start : start + size])
                batches.append(to_float(last).astype(np.float32))
        return np.concatenate(batches)


def shapes_of(layers: Sequence[Layer], shape: Shape) -> list[Shape]:
    """As `Network.shapes`."""
    shapes = [shape]
    for index, layer in enumerate(layers):
        try:
            shapes.append(layer.output_shape(shapes[-1]))
        except MisfitError:
            raise MisfitError(index) from None
    return shapes


def examples_at_once(layers: Sequence[Layer], shape: Shape) -> int:
    """How many inputs of `shape` a batch may hold so that what lies between its layers fits into memory, 1,000 at most."""
    widest = max(map(math.prod, shapes_of(layers, shape)))
    return max(1, min(1000, ACTIVATIONS_AT_ONCE // widest))


def read_network(model: ModelFile) -> Network:
    """The network inside a model file, whose graph must be one that edgesoft writes, node for node.

    The layers are read from the nodes, written again, and compared: a graph that holds anything else is refused before anything
    runs it. So is one whose layers do not fit together, whose head is not the card's, or whose inputs and outputs are not.

    Raises
    ------
    EdgesoftError
        The graph is not such a one.
    """
    _check_tensors(model)
    if not model.nodes:
        raise EdgesoftError(f"{model.path}: its graph is empty. Export it again: edgesoft export")
    card = model.card
    constants = {
        tensor.name: np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape) for tensor in model.initializers
    }
    layers: list[Layer] = []
    place = 0
    while place < len(model.nodes) and not (place and model.nodes[place - 1].outputs == ("logits",)):
        rest = model.nodes[place:]
        kind = next((kind for kind in (LAYERS if place else (*FIRST, *LAYERS)) if _begins(rest, kind.operators)), None)
        if kind is None:
            raise _misfit(model, rest[0])
        try:
            layers.append(kind.read(rest, constants))
        except (KeyError, IndexError):
            raise _misfit(model, rest[0]) from None
        place += len(kind.operators)
    network = Network(tuple(layers), card.head)
    _compare(model, network.write(card.input.kind), constants)
    try:
        shapes = network.shapes(card.input.shape)
    except MisfitError as error:
        last = sum(len(layer.operators) for layer in layers[: error.args[0] + 1]) - 1
        raise _misfit(model, model.nodes[last]) from None
    if shapes[-1] != (card.outputs,):
        raise _misfit(model, model.nodes[place - 1])
    return network


def _begins(nodes: Sequence[Node], operators: tuple[str, ...]) -> bool:
    return tuple(node.operator for node in nodes[: len(operators)]) == operators


def _compare(model: ModelFile, written: GraphWriter, constants: dict[str, Array]) -> None:
    for found, expected in zip_longest(model.nodes, written.nodes):
        if found is None or found != expected:
            raise _misfit(model, found or model.nodes[-1])
        # A constant that a layer took over is the very same object; the others are compared byte for byte.
        for name in expected.inputs:
            if name in written.constants and not _same(constants.get(name), written.constants[name]):
                raise _misfit(model, found)
    if len(model.initializers) != len(written.constants):
        raise EdgesoftError(f"{model.path}: holds constants that no layer uses. Export it again: edgesoft export")


def _same(found: Array | None, expected: Array) -> bool:
    if found is None or found is expected:
        return found is expected
    return found.dtype == expected.dtype and found.shape == expected.shape and found.tobytes() == expected.tobytes()


def _misfit(model: ModelFile, node: Node) -> EdgesoftError:
    name = ", ".join(node.outputs)[:40]
    return EdgesoftError(
        f"{model.path}: the graph does not fit together at {node.operator} {name!r}. Export it again: edgesoft export"
    )


def _check_tensors(model: ModelFile) -> None:
    """Inputs and outputs must be those that the card promises."""
    expected_inputs, expected_outputs = tensor_specs(model.card)
    for what, found, expected in (
        ("inputs", model.inputs, expected_inputs),
        ("outputs", model.outputs, expected_outputs),
    ):
        if found != expected:
            raise EdgesoftError(
                f"{model.path}: its {what} are {_describe(found)}, but its card promises {_describe(expected)}. "
                "Export it again: edgesoft export"
            )


def tensor_specs(card: ModelCard) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs of the graph of the model that a card describes."""
    inputs = (TensorSpec(card.input.kind, card.input.dtype, ("batch", *card.input.shape)),)
    outputs = (
        TensorSpec("logits", "float32", ("batch", card.outputs)),
        TensorSpec("probabilities", "float32", ("batch", len(card.labels))),
        TensorSpec("label", "int64", ("batch",)),
    )
    return inputs, outputs


def _describe(tensors: tuple[TensorSpec, ...]) -> str:
    return "; ".join(f"{tensor.name} {tensor.dtype} {list(tensor.shape)}" for tensor in tensors)
