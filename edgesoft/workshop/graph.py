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

from edgesoft import __version__
from edgesoft.workshop.checkpoint import Layer
from edgesoft.workshop.quantize import PIXEL_SCALE, QuantizedLayer

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
    layers: Sequence[Layer | QuantizedLayer], shape: Sequence[int], *, temperature: float = 1.0
) -> ModelProto:
    """The graph of a softmax MLP.

    Quantized layers are written in QDQ form, which ONNX Runtime fuses into one QGemm each.

    Parameters
    ----------
    layers
        The linear layers, first to last; float ones may only follow quantized ones.
    shape
        Shape of one input picture: `(height, width)` or `(height, width, channels)`.
    temperature
        What the logits are divided by before softmax.
    """
    graph = _Graph()
    x = _pixels(graph)
    for index, layer in enumerate(layers):
        if isinstance(layer, QuantizedLayer):
            if index > 0:
                x = _rounded(graph, f"hidden{index - 1}", x, layer.input_scale)
            weight = _dequantized(graph, f"weight{index}", layer.weight, layer.weight_scale)
            bias = _dequantized(graph, f"bias{index}", layer.bias, layer.bias_scale)
        else:
            weight, bias = graph.constant(f"weight{index}", layer.weight), graph.constant(f"bias{index}", layer.bias)
        x = _linear(graph, index, x, weight, bias, last=index == len(layers) - 1)
    return _model(graph, shape, len(layers[-1].bias), temperature)


def _pixels(graph: _Graph) -> str:
    # Pixels are scaled by a DequantizeLinear: in INT8 the first layer then consumes the raw bytes exactly.
    scale = graph.constant("pixel_scale", PIXEL_SCALE)
    zero = graph.constant("pixel_zero_point", np.uint8(0))
    flat = graph.node("Flatten", ["pixels"], "pixels_flat", axis=1)
    return graph.node("DequantizeLinear", [flat, scale, zero], "pixels_scaled")


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


def _model(graph: _Graph, shape: Sequence[int], classes: int, temperature: float) -> ModelProto:
    scaled = "logits"
    if temperature != 1.0:
        factor = graph.constant("inverse_temperature", np.float32(1 / temperature))
        scaled = graph.node("Mul", ["logits", factor], "scaled_logits")
    graph.node("Softmax", [scaled], "probabilities", axis=1)
    graph.node("ArgMax", ["logits"], "label", axis=1, keepdims=0)
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", *shape])]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes]),
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
