"""Follows the shapes through a graph before anything runs it.

Every value of an honest graph is either a constant of the file's own size or one row for each input. A hostile graph that multiplies
a column by a row would make ONNX Runtime allocate gigabytes, some of it as soon as the file is opened.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edgesoft.errors import EdgesoftError
from edgesoft.model.file import ModelFile, Node

Shape = tuple[int, ...]

_ATTRIBUTES: Mapping[str, Sequence[Mapping[str, int]]] = {
    "ArgMax": ({"axis": 1, "keepdims": 0},),
    "DequantizeLinear": ({}, {"axis": 0}),
    "Flatten": ({"axis": 1},),
    "Gemm": ({"transB": 1},),
    "Softmax": ({"axis": 1},),
}


def check_structure(model: ModelFile) -> None:
    """Hold every node to the forms that edgesoft writes.

    Raises
    ------
    EdgesoftError
        A node has other attributes, or does not fit what it is given.
    """
    constants = {tensor.name: tensor.shape for tensor in model.initializers}
    rows: dict[str, Shape] = {model.inputs[0].name: model.card.input.shape}  # without the batch
    for node in model.nodes:
        fits = node.attributes in _ATTRIBUTES.get(node.operator, ({},)) and len(node.outputs) == 1 and node.inputs
        if not fits or node.outputs[0] in rows or node.outputs[0] in constants:
            raise _misfit(model, node)
        first, *others = node.inputs
        parameters = [constants[name] for name in others if name in constants]
        if len(parameters) != len(others):
            raise _misfit(model, node)
        if first in rows:
            shape = _row(node.operator, rows[first], parameters)
            known = rows
        else:
            shape = _constant(node.operator, constants.get(first), parameters)
            known = constants
        if shape is None:
            raise _misfit(model, node)
        known[node.outputs[0]] = shape
    if not all(port.name in rows for port in model.outputs):
        raise EdgesoftError(f"{model.path}: an output does not depend on the input. Export it again: edgesoft export")


def _misfit(model: ModelFile, node: Node) -> EdgesoftError:
    name = ", ".join(node.outputs)[:40]
    return EdgesoftError(
        f"{model.path}: the graph does not fit together at {node.operator} {name!r}. Export it again: edgesoft export"
    )


def _row(operator: str, x: Shape, parameters: Sequence[Shape]) -> Shape | None:
    """The shape of one row of a node's output; None where the node does not fit."""
    match operator, parameters:
        case "Flatten", []:
            return (math.prod(x),)
        case (("Relu" | "Sigmoid" | "Softmax"), []):
            return x
        case "ArgMax", []:
            return ()
        case (("QuantizeLinear" | "DequantizeLinear"), [(), ()]):
            return x
        case (("Mul" | "Sub"), [()]):
            return x
        case (("Mul" | "Sub"), [(features,)]) if (features,) == x:  # standardises the features of a table
            return x
        case "Mul", [(2,)] if x == (1,):  # a sigmoid head makes two columns of its only logit
            return (2,)
        case "Gemm", [(outputs, inputs), (biases,)] if (inputs,) == x and biases == outputs:
            return (outputs,)
    return None


def _constant(operator: str, x: Shape | None, parameters: Sequence[Shape]) -> Shape | None:
    """The same for a node that makes a constant of a constant: only weights and biases in integers are such."""
    if operator != "DequantizeLinear" or not x or len(parameters) != 2 or parameters[0] != parameters[1]:
        return None
    return x if parameters[0] in ((), x[:1]) else None
