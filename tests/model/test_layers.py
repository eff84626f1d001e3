"""Each layer's numpy rule and shape rule, against ONNX Runtime on the very nodes that it writes."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgesoft.model.graph import GraphWriter
from edgesoft.model.layers import (
    LAYERS,
    UNIT_SCALE,
    GreyLevels,
    Integers,
    Linear,
    MisfitError,
    Quantize,
    QuantizedLinear,
    Relu,
    Scale,
    to_float,
)


def numbers(*values, dtype=np.float32):
    return np.array(values, dtype)


def linear(rng, outputs=4, inputs=6):
    return Linear(rng.normal(size=(outputs, inputs)).astype(np.float32), rng.normal(size=outputs).astype(np.float32))


def quantized(rng, outputs=4, inputs=6, *, per_channel=False, input_scale=np.float32(0.02)):
    weight_scale = rng.uniform(0.01, 0.02, outputs if per_channel else ()).astype(np.float32)
    return QuantizedLinear(
        rng.integers(-63, 64, (outputs, inputs)).astype(np.int8),
        np.asarray(weight_scale),
        rng.integers(-900, 900, outputs).astype(np.int32),
        np.asarray(input_scale * weight_scale, np.float32),
    )


def in_onnx_runtime(layers, inputs):
    """The nodes that the layers write, run by ONNX Runtime as they stand: without any fusion."""
    writer = GraphWriter(products=99)
    x = "x"
    for layer in layers:
        x = layer.write(writer, x)
    assert [node.operator for node in writer.nodes] == [operator for layer in layers for operator in layer.operators]
    nodes = [
        helper.make_node(node.operator, node.inputs, node.outputs, None, None, None, None, **node.attributes)
        for node in writer.nodes
    ]
    element = helper.np_dtype_to_tensor_dtype(inputs.dtype)
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info("x", element, ["n", *inputs.shape[1:]])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in writer.constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": inputs})[0]


def in_numpy(layers, inputs):
    x, shape = inputs, inputs.shape[1:]
    for layer in layers:
        x, shape = layer.apply(x), layer.output_shape(shape)
        assert to_float(x).shape == (len(inputs), *shape)
    return to_float(x)


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 3), (7,)], ids=str)
def test_grey_levels(rng, shape):
    pixels = rng.integers(0, 256, (5, *shape), dtype=np.uint8)
    found = in_numpy([GreyLevels()], pixels)
    np.testing.assert_array_equal(found, in_onnx_runtime([GreyLevels()], pixels))
    np.testing.assert_allclose(found, pixels.reshape(5, -1) / 255, atol=1e-7)


def test_scale(rng):
    layer = Scale(numbers(1, -2, 3), numbers(0.5, 2, 0))
    features = rng.normal(size=(9, 3)).astype(np.float32)
    np.testing.assert_array_equal(in_numpy([layer], features), in_onnx_runtime([layer], features))


def test_linear_and_relu(rng):
    layers = [linear(rng), Relu(), linear(rng, 3, 4)]
    features = rng.normal(size=(9, 6)).astype(np.float32)
    np.testing.assert_allclose(in_numpy(layers, features), in_onnx_runtime(layers, features), atol=1e-5)


@pytest.mark.parametrize("per_channel", [False, True])
def test_integers_agree_with_the_unfused_graph(rng, per_channel):
    layers = [
        GreyLevels(),
        quantized(rng, per_channel=per_channel, input_scale=UNIT_SCALE),
        Relu(),
        Quantize(np.asarray(np.float32(0.02))),
        quantized(rng, 3, 4, per_channel=per_channel),
    ]
    pixels = rng.integers(0, 256, (50, 6), dtype=np.uint8)
    found = in_numpy(layers, pixels)
    expected = in_onnx_runtime(layers, pixels)
    # Unfused, ONNX Runtime adds floats: a value in the middle of two levels may fall to the other side.
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
    assert np.median(np.abs(found - expected)) < 1e-4
    value = pixels
    for layer in layers:
        value = layer.apply(value)
        assert isinstance(value, Integers)
        assert (value.whole == np.rint(value.whole)).all()


def test_an_integer_layer_stands_for_a_float_one(rng):
    layer = quantized(rng, per_channel=True)
    x = rng.normal(size=(8, 6)).astype(np.float32)
    np.testing.assert_allclose(layer.apply(x), layer.to_float().apply(x))
    np.testing.assert_allclose(layer.apply(x), in_onnx_runtime([layer], x), atol=1e-4)


def test_a_bias_in_other_units_is_taken_at_its_word(rng):
    layer = quantized(rng, input_scale=UNIT_SCALE)
    other = QuantizedLinear(layer.weight, layer.weight_scale, layer.bias, 2 * layer.bias_scale)
    pixels = GreyLevels().apply(rng.integers(0, 256, (5, 6), dtype=np.uint8))
    assert isinstance(layer.apply(pixels), Integers)
    difference = to_float(other.apply(pixels)) - to_float(layer.apply(pixels))
    np.testing.assert_allclose(difference, np.broadcast_to(layer.bias * layer.bias_scale, (5, 4)), atol=1e-4)


def test_rounding_is_half_to_even_and_cuts_off():
    found = Quantize(np.asarray(np.float32(2))).apply(numbers(-5, 1, 3, 5, 509, 511, 1e30, np.nan))
    assert found.whole.tolist() == [0, 0, 2, 2, 254, 255, 255, 0]
    assert found.scale == 2


def misfits():
    rng = np.random.default_rng(0)
    scale, plain, whole = Scale(numbers(0, 0), numbers(1, 1)), linear(rng), quantized(rng)
    per_channel = quantized(rng, per_channel=True)
    double = {"scale": scale.offset.astype(np.float64), "weight": plain.weight.astype(np.float64)}
    return [
        ("scale: features", scale, (3,)),
        ("scale: axes", scale, (2, 1)),
        ("scale: factor", replace(scale, factor=numbers(1)), (2,)),
        ("scale: dtype", replace(scale, offset=double["scale"]), (2,)),
        ("scale: dtype of the factor", replace(scale, factor=double["scale"]), (2,)),
        ("linear: inputs", plain, (5,)),
        ("linear: axes", plain, (6, 1)),
        ("linear: bias", replace(plain, bias=plain.bias[:3]), (6,)),
        ("linear: weight", replace(plain, weight=plain.weight[None]), (6,)),
        ("linear: dtype", replace(plain, weight=double["weight"]), (6,)),
        ("linear: dtype of the bias", replace(plain, bias=plain.bias.astype(np.float64)), (6,)),
        ("quantize: scale", Quantize(numbers(1, 2)), (2,)),
        ("quantize: dtype", Quantize(np.asarray(1.0)), (2,)),
        ("quantized: inputs", whole, (5,)),
        ("quantized: axes", whole, (6, 1)),
        ("quantized: bias", replace(whole, bias=whole.bias[:3]), (6,)),
        ("quantized: two scales for four outputs", replace(whole, weight_scale=numbers(1, 2), bias_scale=numbers(1, 2)), (6,)),
        ("quantized: one scale in a list", replace(whole, weight_scale=numbers(1), bias_scale=numbers(1)), (6,)),
        ("quantized: other scales", replace(whole, bias_scale=numbers(1, 2, 3, 4)), (6,)),
        ("quantized: other scales per channel", replace(per_channel, bias_scale=np.asarray(np.float32(1))), (6,)),
        ("quantized: dtype", replace(whole, weight=whole.weight.astype(np.int32)), (6,)),
        ("quantized: dtype of the bias", replace(whole, bias=whole.bias.astype(np.int64)), (6,)),
        ("quantized: dtype of a scale", replace(whole, weight_scale=np.asarray(1.0)), (6,)),
        ("quantized: dtype of the bias scale", replace(whole, bias_scale=np.asarray(1.0)), (6,)),
    ]  # fmt: skip


@pytest.mark.parametrize(("layer", "shape"), [pytest.param(*case, id=name) for name, *case in misfits()])
def test_a_layer_that_does_not_fit_is_refused(layer, shape):
    with pytest.raises(MisfitError):
        layer.output_shape(shape)


def test_the_layers_that_fit(rng):
    assert Scale(numbers(0, 0), numbers(1, 1)).output_shape((2,)) == (2,)
    for layer in (linear(rng), quantized(rng), quantized(rng, per_channel=True)):
        assert layer.output_shape((6,)) == (4,)
    assert GreyLevels().output_shape((28, 28, 3)) == (2352,)


def test_no_two_kinds_begin_alike():
    """Whoever reads a graph must know from the first operators on which layer follows."""
    for one in LAYERS:
        for other in LAYERS:
            assert one is other or other.operators[: len(one.operators)] != one.operators
