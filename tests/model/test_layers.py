"""Each layer's numpy rule and shape rule, against ONNX Runtime on the very nodes that it writes."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgesoft.model.graph import GraphWriter
from edgesoft.model.layers import FIRST, LAYERS, Dequantize, Linear, Quantize, QuantizedLinear, Relu
from edgesoft.model.scaling import GreyLevels, Scale, SmoothClip
from edgesoft.model.values import UNIT_SCALE, Integers, MisfitError, to_float


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


def test_a_smooth_clip_gives_the_same_bits_as_onnx_runtime(rng):
    """It stands before the rounding of an INT8 file: one bit would be another level."""
    layer = SmoothClip(np.asarray(np.float32(3)))
    features = (rng.normal(size=(2000, 8)) * np.logspace(-6, 30, 8)).astype(np.float32)
    found = in_numpy([layer], features)
    assert found.tobytes() == in_onnx_runtime([layer], features).tobytes()
    exact = features.astype(np.float64)
    np.testing.assert_allclose(found, exact / np.sqrt(1 + (exact / 3) ** 2), rtol=1e-6)
    assert np.abs(found).max() == 3


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
        Dequantize(),
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
        ("scale: offset of two axes", replace(scale, offset=numbers([0], [0]), factor=numbers([1], [1])), (2, 1)),
        ("scale: of one number", Scale(np.asarray(np.float32(0)), np.asarray(np.float32(1))), ()),
        ("scale: factor", replace(scale, factor=numbers(1)), (2,)),
        ("scale: both", Scale(numbers(0), numbers(1)), (2,)),
        ("scale: dtype", replace(scale, offset=double["scale"]), (2,)),
        ("scale: dtype of the factor", replace(scale, factor=double["scale"]), (2,)),
        ("clip: of two numbers", SmoothClip(numbers(3, 3)), (2,)),
        ("clip: limit of 0", SmoothClip(np.asarray(np.float32(0))), (2,)),
        ("clip: limit that is no number", SmoothClip(np.asarray(np.float32(np.nan))), (2,)),
        ("clip: dtype", SmoothClip(np.asarray(3.0)), (2,)),
        ("linear: inputs", plain, (5,)),
        ("linear: axes", plain, (6, 1)),
        ("linear: bias", replace(plain, bias=plain.bias[:3]), (6,)),
        ("linear: weight", replace(plain, weight=plain.weight[None]), (6,)),
        ("linear: three axes, two inputs", Linear(np.ones((4, 6, 1), np.float32), plain.bias), (6, 1)),
        ("linear: three axes, two of the bias", Linear(np.ones((2, 4, 6), np.float32), np.ones((2, 4), np.float32)), (6,)),
        ("linear: all axes are the inputs'", replace(plain, bias=np.asarray(np.float32(0))), (4, 6)),
        ("linear: all axes are the bias's", replace(plain, bias=plain.weight), ()),
        ("linear: dtype", replace(plain, weight=double["weight"]), (6,)),
        ("linear: dtype of the bias", replace(plain, bias=plain.bias.astype(np.float64)), (6,)),
        ("quantize: scale", Quantize(numbers(1, 2)), (2,)),
        ("quantize: dtype", Quantize(np.asarray(1.0)), (2,)),
        ("quantized: inputs", whole, (5,)),
        ("quantized: axes", whole, (6, 1)),
        ("quantized: bias", replace(whole, bias=whole.bias[:3]), (6,)),
        ("quantized: three axes, two inputs", replace(whole, weight=whole.weight[..., None]), (6, 1)),
        ("quantized: three axes, two of the bias", replace(whole, weight=whole.weight[None], bias=whole.bias[None]), (6,)),
        ("quantized: all axes are the inputs'", replace(whole, bias=whole.bias[0].reshape(())), (4, 6)),
        ("quantized: all axes are the bias's", replace(whole, bias=whole.weight.astype(np.int32)), ()),
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
    assert SmoothClip(np.asarray(np.float32(3))).output_shape((2,)) == (2,)
    for layer in (linear(rng), quantized(rng), quantized(rng, per_channel=True)):
        assert layer.output_shape((6,)) == (4,)
    assert GreyLevels().output_shape((28, 28, 3)) == (2352,)


def test_relu_of_integers_is_of_integers():
    found = Relu().apply(Integers(np.array([-3.0, -1.0, 0.0, 2.0]), np.float32(0.5)))
    assert isinstance(found, Integers)
    assert found.to_float().tolist() == [0, 0, 0, 1]


def test_robust_scaling_goes_by_the_quartiles_and_leaves_words_alone(rng):
    features = (rng.normal(size=(500, 6)) * [1, 1e3, 1, 1, 1, 1] + [7, -40, 0, 0, 0, 0]).astype(np.float32)
    features[:3, 1] = 1e9  # far out, which changes next to nothing
    features[:, 2] = 3  # never changes
    features[:, 3] = rng.integers(0, 2, 500)
    features[:, 4] = rng.random(500) < 0.1  # quartiles that are equal
    features[7, 5] = 1e30
    layer = Scale.robust(features, is_numeric=np.array([True, True, True, False, True, True]))
    assert layer.output_shape((6,)) == (6,)
    found = layer.apply(features)
    first, median, third = np.quantile(found, (0.25, 0.5, 0.75), axis=0)
    np.testing.assert_allclose(median[:2], 0, atol=1e-5)
    np.testing.assert_allclose((third - first)[:2], 1, atol=1e-5)
    assert not found[:, 2].any()
    assert not layer.apply(features + 1)[:, 2].any()  # whatever comes later
    np.testing.assert_array_equal(found[:, 3], features[:, 3])
    assert set(found[:, 4]) == {0, 2}
    assert found[8:, 5].std() > 0.5


@pytest.mark.parametrize("size", [1e-44, 1e-38, 1e38])
def test_scaled_features_stay_finite(size):
    features = (np.linspace(0, 1, 40, dtype=np.float32) * np.float32(size)).reshape(-1, 1)
    assert np.isfinite(Scale.robust(features, is_numeric=np.array([True])).apply(features)).all()


def test_over_the_unit_range_each_feature_runs_from_0_to_1():
    features = numbers([-2, 7, 3], [6, 7, 2], [0, 7, 2.5])
    layer = Scale.to_unit_range(features)
    assert layer.output_shape((3,)) == (3,)
    np.testing.assert_allclose(layer.apply(features), [[0, 0, 1], [1, 0, 0], [0.25, 0, 0.5]], atol=1e-7)
    assert layer.apply(features + 1)[0, 1] == 1  # what never changed is neither lost nor divided by 0


def every_kind():
    rng = np.random.default_rng(0)
    return [
        GreyLevels(),
        Scale(numbers(1, 2), numbers(3, 4)),
        SmoothClip(np.asarray(np.float32(3))),
        Scale(numbers(5, 6), numbers(7, 8)),
        linear(rng),
        Relu(),
        Quantize(np.asarray(np.float32(0.5))),
        Dequantize(),
        quantized(rng),
        quantized(rng, per_channel=True),
    ]


@pytest.mark.parametrize("layer", every_kind(), ids=lambda layer: type(layer).__name__)
def test_there_and_back(layer):
    writer = GraphWriter(products=99)
    layer.write(writer, "x")
    back = type(layer).read(writer.nodes, writer.constants)
    assert type(back) is type(layer)
    for name, value in vars(layer).items():
        assert getattr(back, name) is value, name


def test_the_names_in_a_file_stay():
    """They are part of the format: a file whose names are others is refused, also one that an older edgesoft wrote."""
    writer, x = GraphWriter(products=3), "x"
    for layer in every_kind():
        x = layer.write(writer, x)
    assert [(node.inputs, node.outputs[0]) for node in writer.nodes] == [
        (("x",), "pixels_flat"),
        (("pixels_flat", "pixel_scale", "pixel_zero_point"), "pixels_scaled"),
        (("pixels_scaled", "feature_offset"), "features_centred"),
        (("features_centred", "feature_factor"), "features_scaled"),
        (("features_scaled", "clip_low", "clip_high"), "clip_near"),
        (("clip_near", "clip_limit"), "clip_ratio"),
        (("clip_ratio", "clip_ratio"), "clip_square"),
        (("clip_square", "clip_one"), "clip_sum"),
        (("clip_sum",), "clip_root"),
        (("clip_near", "clip_root"), "features_clipped"),
        (("features_clipped", "range_offset"), "ranges_centred"),
        (("ranges_centred", "range_factor"), "ranges_scaled"),
        (("ranges_scaled", "weight0", "bias0"), "linear0"),
        (("linear0",), "hidden0"),
        (("hidden0", "hidden0_scale", "hidden0_zero_point"), "hidden0_quantized"),
        (("hidden0_quantized", "hidden0_scale", "hidden0_zero_point"), "hidden0_dequantized"),
        (("weight1_quantized", "weight1_scale", "weight1_zero_point"), "weight1"),
        (("bias1_quantized", "bias1_scale", "bias1_zero_point"), "bias1"),
        (("hidden0_dequantized", "weight1", "bias1"), "linear1"),
        (("weight2_quantized", "weight2_scale", "weight2_zero_point"), "weight2"),
        (("bias2_quantized", "bias2_scale", "bias2_zero_point"), "bias2"),
        (("linear1", "weight2", "bias2"), "logits"),
    ]
    assert [node.attributes for node in writer.nodes if node.attributes] == [
        {"axis": 1}, {"transB": 1}, {"transB": 1}, {"axis": 0}, {"axis": 0}, {"transB": 1}
    ]  # fmt: skip
    features = GraphWriter(products=1)
    Quantize(np.asarray(np.float32(0.5))).write(features, "x")
    assert list(features.constants) == ["features_scale", "features_zero_point"]


def test_of_two_kinds_that_begin_alike_the_longer_one_is_tried_first():
    """Whoever reads a graph must know from the first operators on which layer follows."""
    for kinds in (LAYERS, FIRST):
        for place, one in enumerate(kinds):
            assert not any(other.operators[: len(one.operators)] == one.operators for other in kinds[place + 1 :])
