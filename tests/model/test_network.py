"""The second runtime must be right, or it would accuse the wrong one."""

import platform

import numpy as np
import pytest

import edgesoft
from edgesoft.errors import EdgesoftError
from edgesoft.exporting.export import export
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.inference.cpu import features
from edgesoft.model.file import open_model
from edgesoft.model.heads import probabilities
from edgesoft.model.network import BATCH_SIZE, read_network
from edgesoft.training.checkpoint import Checkpoint
from tests import edits
from tests.conftest import ROOT, NoInt8
from tests.exporting.test_quantize import integer_reference

SATURATES = platform.machine() in ("x86_64", "AMD64") and not features() & {"avx512_vnni", "avx_vnni"}


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
    """The schemes that the shared model did not need; a gate that nothing holds makes export try them all.

    x86 without VNNI saturates with weights of 8 bits, as the card's `same_bits_everywhere` says: there nobody promises equal bits.
    """
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
        if "float" not in attempt.arithmetic:
            np.testing.assert_array_equal(logits, integer_reference(attempt.content, small.test.inputs))
        if not ("8-bit" in attempt.arithmetic and SATURATES):
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


def ends_early(model):
    del model.graph.node[2:]


def no_head(model):
    while model.graph.node[-1].op_type != "Gemm":
        model.graph.node.pop()


def begins_otherwise(model):
    model.graph.node.insert(0, edits.helper.make_node("ArgMax", ["pixels"], ["x" * 50], axis=1))


def product_of_nothing(model):
    edits.node(model, "Gemm").input[1] = "nowhere"


def product_of_too_few(model):
    del edits.node(model, "Gemm").input[1:]


def two_outputs(model):
    edits.node(model, "Relu").output.append("more")


def other_dtype_of_a_constant(model):
    tensor = next(item for item in model.graph.initializer if item.name == "pixel_zero_point")
    tensor.CopyFrom(edits.numpy_helper.from_array(np.zeros((), np.int8), "pixel_zero_point"))


def other_shape_of_a_constant(model):
    tensor = next(item for item in model.graph.initializer if item.name == "pixel_scale")
    tensor.CopyFrom(edits.numpy_helper.from_array(edits.constant(model, "pixel_scale").reshape(1), "pixel_scale"))


def a_constant_less(model):
    tensor = next(item for item in model.graph.initializer if item.name == "pixel_scale")
    model.graph.initializer.remove(tensor)


def other_input_name(model):
    model.graph.input[0].name = edits.node(model, "Flatten").input[0] = "image"


def other_input_size(model):
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 27


def one_output_less(model):
    del model.graph.output[1]


REFUSED = [
    (ends_early, "at DequantizeLinear 'pixels_scaled'"),
    (no_head, "at Gemm 'logits'"),
    (begins_otherwise, f"at ArgMax '{'x' * 40}'\\."),
    (product_of_nothing, "at Gemm '"),
    (product_of_too_few, "at Gemm '"),
    (two_outputs, "at Relu 'hidden0, more'"),
    (other_dtype_of_a_constant, "at DequantizeLinear 'pixels_scaled'"),
    (other_shape_of_a_constant, "at DequantizeLinear 'pixels_scaled'"),
    (a_constant_less, "at DequantizeLinear 'pixels_scaled'"),
    (
        other_input_name,
        r"its inputs are image uint8 \['batch', 28, 28\], but its card promises pixels uint8 \['batch', 28, 28\]\.",
    ),
    (other_input_size, r"its inputs are pixels uint8 \['batch', 28, 27\], but"),
    (
        one_output_less,
        r"its outputs are logits float32 \['batch', 10\]; label int64 \['batch'\], but .* logits float32 \['batch', 10\]; prob",
    ),
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


@pytest.mark.parametrize("name", ["mnist.onnx", "mnist.int8.onnx"])
def test_the_files_in_the_repository_are_still_read(name):
    """Written by an earlier edgesoft, as the files on devices are."""
    network = read_network(open_model(ROOT / "exported" / name))
    assert len(network.products) == 5


def test_an_output_less_than_the_card_has_labels(exported, tmp_path):
    def change(model):
        for name in ("weight1", "bias1"):
            tensor = next(item for item in model.graph.initializer if item.name == name)
            tensor.CopyFrom(edits.numpy_helper.from_array(edits.constant(model, name)[:9], name))

    path = edits.edited(exported / "mnist.onnx", tmp_path / "m.onnx", change)
    with pytest.raises(EdgesoftError, match="does not fit together at Gemm 'logits'"):
        read_network(open_model(path))


def test_the_first_layer_that_does_not_fit_is_named(exported, tmp_path):
    def change(model):
        tensor = next(item for item in model.graph.initializer if item.name == "weight0")
        tensor.CopyFrom(edits.numpy_helper.from_array(edits.constant(model, "weight0")[:, :783], "weight0"))

    path = edits.edited(exported / "mnist.onnx", tmp_path / "m.onnx", change)
    with pytest.raises(EdgesoftError, match="does not fit together at Gemm 'linear0'"):
        read_network(open_model(path))


@pytest.mark.parametrize("name", ["weight0", "bias0"])
def test_the_scales_of_an_int8_layer_must_fit(exported, tmp_path, name):
    """Neither a scale of another shape, nor a zero point of one."""
    for part in ("scale", "zero_point"):

        def change(model, part=part):
            tensor = next(item for item in model.graph.initializer if item.name == f"{name}_{part}")
            value = edits.constant(model, tensor.name)
            tensor.CopyFrom(edits.numpy_helper.from_array(np.repeat(value, 2), tensor.name))

        path = edits.edited(exported / "mnist.int8.onnx", tmp_path / "m.onnx", change)
        with pytest.raises(EdgesoftError, match="does not fit together at"):
            read_network(open_model(path))


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_what_is_not_finite_reaches_the_logits_without_a_word(exported, mnist, tmp_path, value):
    def change(model):
        edits.set_constant(model, "weight1", np.full((10, 32), value))

    network = read_network(open_model(edits.edited(exported / "mnist.onnx", tmp_path / "m.onnx", change)))
    logits = network.logits(mnist.test.inputs[:3])
    assert logits.dtype == np.float32
    assert not np.isfinite(logits).all()
    assert repr(network) == "Network(GreyLevels, Linear, Relu, Linear; softmax)"


def test_a_layer_of_another_width_than_the_one_before(exported, tmp_path):
    def change(model):
        tensor = next(item for item in model.graph.initializer if item.name == "weight1")
        tensor.CopyFrom(edits.numpy_helper.from_array(edits.constant(model, "weight1")[:, :31], "weight1"))

    path = edits.edited(exported / "mnist.onnx", tmp_path / "m.onnx", change)
    with pytest.raises(EdgesoftError, match="does not fit together at Gemm 'logits'"):
        read_network(open_model(path))
