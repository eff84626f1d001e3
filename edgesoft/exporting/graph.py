"""A network -> ONNX.

The contract of the file is docs/file-format.md. The graph is built directly, not traced: that takes milliseconds, gives
the same bytes every time, and no source path of this machine ends up inside. The tests hold it against `torch.onnx.export`.
"""

from __future__ import annotations

from onnx import ModelProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from edgesoft.model.card import ModelCard
from edgesoft.model.graph import TensorSpec
from edgesoft.model.layers import Layer
from edgesoft.model.network import Network, tensor_specs
from edgesoft.version import __version__

# The lowest that hold every operator used here, so that old runtimes load the file.
OPSET = 13
IR_VERSION = 8

_ELEMENTS = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


def build_graph(layers: tuple[Layer, ...], card: ModelCard) -> ModelProto:
    """The ONNX model of a network.

    Integer layers are written in QDQ form, which ONNX Runtime fuses into one QGemm each.

    Parameters
    ----------
    layers
        From the raw inputs to the logits.
    card
        What the model takes and answers.
    """
    written = Network(layers, card.head).write(card.input.kind)
    nodes = [
        helper.make_node(
            node.operator, node.inputs, node.outputs, node.outputs[0], None, None, None, **dict(node.attributes)
        )
        for node in written.nodes
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in written.constants.items()]
    inputs, outputs = ([_value_info(spec) for spec in specs] for specs in tensor_specs(card))
    model = helper.make_model(
        helper.make_graph(nodes, "edgesoft", inputs, outputs, constants),
        producer_name="edgesoft",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    checker.check_model(model, full_check=True)
    return model


def _value_info(spec: TensorSpec) -> ValueInfoProto:
    return helper.make_tensor_value_info(spec.name, _ELEMENTS[spec.dtype], spec.shape)
