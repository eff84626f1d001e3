"""The second runtime must be right, or it would accuse the wrong one."""

import numpy as np
import pytest

import edgesoft
from edgesoft.errors import EdgesoftError
from edgesoft.exporting.export import export
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.model.file import open_model
from edgesoft.model.heads import probabilities
from edgesoft.model.network import BATCH_SIZE, read_network
from edgesoft.training.checkpoint import Checkpoint
from tests import edits
from tests.conftest import NoInt8


def test_it_gives_the_int8_files_bits(exported, mnist):
    path = exported / "mnist.int8.onnx"
    network = read_network(open_model(path))
    logits = network.logits(mnist.test.inputs[:3000])
    prediction = edgesoft.load(path)(mnist.test.inputs[:3000])
    np.testing.assert_array_equal(logits, prediction.logits)
    np.testing.assert_array_equal(network.head.predict(logits), prediction.indices)
    np.testing.assert_allclose(probabilities(network.head, logits), prediction.probabilities, atol=1e-6)


def test_it_gives_the_float_files_answers(exported, mnist):
    path = exported / "mnist.onnx"
    network = read_network(open_model(path))
    logits = network.logits(mnist.test.inputs[:3000])
    prediction = edgesoft.load(path)(mnist.test.inputs[:3000])
    np.testing.assert_allclose(logits, prediction.logits, atol=2e-5)
    np.testing.assert_array_equal(network.head.predict(logits), prediction.indices)


def test_per_channel_and_a_float_last_layer(tiny_checkpoint, small, mnist, tmp_path):
    """The attempts of the ladder that the shared model did not need; a gate that nothing holds makes it climb to the top."""
    import dataclasses

    trained = Checkpoint.load(tiny_checkpoint)
    training = dataclasses.replace(trained.card.training, data_sha256=small.digest)
    card = dataclasses.replace(trained.card, training=training)
    dataclasses.replace(trained, card=card).save(tmp_path / "c.npz")
    result = export(Checkpoint.load(tmp_path / "c.npz"), small, gate=NoInt8(), int8=QuantizeSettings(eight_bit=True))
    assert len(result.attempts) == 5
    for number, attempt in enumerate(result.attempts):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(attempt.content)
        logits = read_network(open_model(path)).logits(small.test.inputs)
        difference = np.abs(logits - attempt.logits).max()
        assert difference <= (1e-4 if "float" in attempt.arithmetic else 0), attempt.arithmetic


def test_a_bias_scale_that_does_not_belong_is_taken_at_its_word(exported, mnist, tmp_path):
    """The standard says that each scale counts, so a bias with another scale is another bias."""

    def change(model):
        edits.set_constant(model, "bias1_scale", 2 * edits.constant(model, "bias1_scale"))

    path = exported / "mnist.int8.onnx"
    honest = read_network(open_model(path)).logits(mnist.test.inputs[:50])
    model = edits.read(path)
    bias = edits.constant(model, "bias1_quantized") * edits.constant(model, "bias1_scale")
    other = read_network(open_model(edits.edited(path, tmp_path / "m.onnx", change))).logits(mnist.test.inputs[:50])
    np.testing.assert_allclose(other - honest, np.broadcast_to(bias, honest.shape), atol=1e-3)


@pytest.mark.parametrize("count", [1, BATCH_SIZE, BATCH_SIZE + 1])
def test_batches_join_in_order(exported, mnist, count):
    model = open_model(exported / "mnist.int8.onnx")
    logits = read_network(model).logits(mnist.test.inputs[:count])
    assert logits.shape == (count, 10)
    np.testing.assert_array_equal(logits[-1:], read_network(model).logits(mnist.test.inputs[count - 1 : count]))


def more_constants(model):
    """Three constants more than any layer uses."""
    model.graph.initializer.extend(edits.numpy_helper.from_array(np.zeros(3, np.float32), f"more{i}") for i in range(3))


def twice(model):
    """One name for two constants: two readers could see two models."""
    model.graph.initializer.append(model.graph.initializer[2])


def other_zero_point(model):
    edits.set_constant(model, "pixel_zero_point", np.uint8(1))


def other_attribute(model):
    edits.node(model, "Gemm").attribute[0].i = 0


def other_input(model):
    edits.node(model, "ArgMax").input[0] = "probabilities"


def renamed(model):
    """Everything joined as before, under another name."""
    edits.node(model, "Gemm").output[0] = edits.node(model, "Relu").input[0] = "elsewhere"


def one_more_node(model):
    model.graph.node.append(edits.helper.make_node("Relu", ["logits"], ["more"]))


def nothing(model):
    del model.graph.node[:]


REFUSED = [
    (more_constants, "holds constants that no layer uses"),
    (twice, "holds constants that no layer uses"),
    (other_zero_point, "at DequantizeLinear 'pixels_scaled'"),
    (other_attribute, "at Gemm "),
    (other_input, "at ArgMax 'label'"),
    (renamed, "at Gemm 'elsewhere'"),
    (one_more_node, "at Relu 'more'"),
    (nothing, "its graph is empty"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=lambda value: getattr(value, "__name__", None))
def test_a_graph_that_edgesoft_does_not_write_is_refused(model, tmp_path, change, message):
    with pytest.raises(EdgesoftError, match=message):
        read_network(open_model(edits.edited(model, tmp_path / "m.onnx", change)))


def test_the_files_own_graph_is_the_one_that_its_layers_write(model):
    found = open_model(model)
    written = read_network(found).write("pixels")
    assert tuple(written.nodes) == found.nodes
    assert list(written.constants) == [tensor.name for tensor in found.initializers]


def test_an_output_less_than_the_card_has_labels(exported, tmp_path):
    def change(model):
        for name in ("weight1", "bias1"):
            tensor = next(item for item in model.graph.initializer if item.name == name)
            tensor.CopyFrom(edits.numpy_helper.from_array(edits.constant(model, name)[:9], name))

    path = edits.edited(exported / "mnist.onnx", tmp_path / "m.onnx", change)
    with pytest.raises(EdgesoftError, match="does not fit together at Gemm 'logits'"):
        read_network(open_model(path))


def test_a_layer_of_another_width_than_the_one_before(exported, tmp_path):
    def change(model):
        tensor = next(item for item in model.graph.initializer if item.name == "weight1")
        tensor.CopyFrom(edits.numpy_helper.from_array(edits.constant(model, "weight1")[:, :31], "weight1"))

    path = edits.edited(exported / "mnist.onnx", tmp_path / "m.onnx", change)
    with pytest.raises(EdgesoftError, match="does not fit together at Gemm 'logits'"):
        read_network(open_model(path))
