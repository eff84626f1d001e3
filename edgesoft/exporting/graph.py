"""Layers -> ONNX graph, built node by node.

The contract of the file is in README.md ("The model file"). The graph is built directly, not traced: that takes milliseconds, gives
the same bytes every time, and no source path of this machine ends up inside. The tests hold it against `torch.onnx.export`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from edgesoft.exporting.quantize import UNIT_SCALE, QuantizedLayer
from edgesoft.model.card import ModelCard
from edgesoft.model.scaling import Scaling
from edgesoft.training.checkpoint import Layer
from edgesoft.version import __version__

# The lowest that hold every operator used here, so that old runtimes load the file.
OPSET = 13
IR_VERSION = 8


class _Graph:
    """Collects nodes and initializers in the order in which they are made."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output


def build_graph(
    layers: Sequence[Layer | QuantizedLayer], card: ModelCard, scaling: Scaling | None = None
) -> ModelProto:
    """The graph of an MLP with a softmax or a sigmoid head.

    Quantized layers are written in QDQ form, which ONNX Runtime fuses into one QGemm each.

    Parameters
    ----------
    layers
        The linear layers, first to last; float ones may only follow quantized ones.
    card
        What the model takes and answers.
    scaling
        What precedes the first layer of a model of tables; None for pictures.
    """
    graph = _Graph()
    x = _pixels(graph) if scaling is None else _features(graph, scaling)
    if scaling is not None and isinstance(layers[0], QuantizedLayer):
        x = _rounded(graph, "features", x, UNIT_SCALE)
    for index, layer in enumerate(layers):
        if isinstance(layer, QuantizedLayer):
            if index > 0:
                x = _rounded(graph, f"hidden{index - 1}", x, layer.input_scale)
            weight = _dequantized(graph, f"weight{index}", layer.weight, layer.weight_scale)
            bias = _dequantized(graph, f"bias{index}", layer.bias, layer.bias_scale)
        else:
            weight, bias = graph.constant(f"weight{index}", layer.weight), graph.constant(f"bias{index}", layer.bias)
        x = _linear(graph, index, x, weight, bias, last=index == len(layers) - 1)
    if card.head == "sigmoid":
        _sigmoid_head(graph, card)
    else:
        _softmax_head(graph, card.temperature)
    return _model(graph, card)


def _pixels(graph: _Graph) -> str:
    # Pixels are scaled by a DequantizeLinear: in INT8 the first layer then consumes the raw bytes exactly.
    scale = graph.constant("pixel_scale", UNIT_SCALE)
    zero = graph.constant("pixel_zero_point", np.uint8(0))
    flat = graph.node("Flatten", ["pixels"], "pixels_flat", axis=1)
    return graph.node("DequantizeLinear", [flat, scale, zero], "pixels_scaled")


def _features(graph: _Graph, scaling: Scaling) -> str:
    centred = graph.node("Sub", ["features", graph.constant("feature_offset", scaling.offset)], "features_centred")
    return graph.node("Mul", [centred, graph.constant("feature_factor", scaling.factor)], "features_scaled")


def _rounded(graph: _Graph, name: str, x: str, scale: np.float32) -> str:
    factor = graph.constant(f"{name}_scale", scale)
    zero = graph.constant(f"{name}_zero_point", np.uint8(0))
    quantized = graph.node("QuantizeLinear", [x, factor, zero], f"{name}_quantized")
    return graph.node("DequantizeLinear", [quantized, factor, zero], f"{name}_dequantized")


def _dequantized(graph: _Graph, name: str, values: NDArray[np.generic], scale: NDArray[np.float32]) -> str:
    quantized = graph.constant(f"{name}_quantized", values)
    factor = graph.constant(f"{name}_scale", scale)
    zero = graph.constant(f"{name}_zero_point", np.zeros(scale.shape, values.dtype))
    axis = {"axis": 0} if scale.ndim else {}
    return graph.node("DequantizeLinear", [quantized, factor, zero], name, **axis)


def _linear(graph: _Graph, index: int, x: str, weight: str, bias: str, *, last: bool) -> str:
    # Gemm, not MatMul + Add: only Gemm becomes one QGemm.
    y = graph.node("Gemm", [x, weight, bias], "logits" if last else f"linear{index}", transB=1)
    return y if last else graph.node("Relu", [y], f"hidden{index}")


def _softmax_head(graph: _Graph, temperature: float) -> None:
    scaled = "logits"
    if temperature != 1.0:
        factor = graph.constant("inverse_temperature", np.float32(1 / temperature))
        scaled = graph.node("Mul", ["logits", factor], "scaled_logits")
    graph.node("Softmax", [scaled], "probabilities", axis=1)
    graph.node("ArgMax", ["logits"], "label", axis=1, keepdims=0)


def _sigmoid_head(graph: _Graph, card: ModelCard) -> None:
    # sigmoid(-z) = 1 - sigmoid(z), so one product makes both columns: [n, 1] * [2].
    signs = np.array([-1, 1], np.float32)
    signed = graph.constant("signs", signs / np.float32(card.temperature))
    graph.node("Sigmoid", [graph.node("Mul", ["logits", signed], "scaled_logits")], "probabilities")
    # ArgMax takes the first of equals: the second label needs a logit above the cut.
    above = graph.node("Sub", ["logits", graph.constant("cut", np.float32(card.cut))], "above_cut")
    votes = graph.node("Mul", [above, graph.constant("votes_signs", signs)], "votes")
    graph.node("ArgMax", [votes], "label", axis=1, keepdims=0)


def _model(graph: _Graph, card: ModelCard) -> ModelProto:
    element = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}[card.input.dtype]
    inputs = [helper.make_tensor_value_info(card.input.kind, element, ["batch", *card.input.shape])]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", card.outputs]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(card.labels)]),
        helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]),
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "edgesoft", inputs, outputs, graph.initializers),
        producer_name="edgesoft",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    checker.check_model(model, full_check=True)
    return model
