"""INT8 against an integer reference that shares no code with the exporter."""

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from edgesoft.exporting.export import export
from edgesoft.exporting.gate import Gate
from edgesoft.exporting.quantize import over_unit_range, quantize
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.model.card import Scheme
from edgesoft.model.layers import Dequantize, Linear, Quantize, QuantizedLinear, Relu
from edgesoft.model.scaling import GreyLevels, Scale, SmoothClip
from edgesoft.model.values import UNIT_SCALE
from edgesoft.training.checkpoint import Checkpoint


def integer_reference(content, inputs, kind=np.float64):
    """Logits of an INT8 file by the arithmetic of integers: what a few lines of C on a microcontroller would do.

    float64 holds every integer up to 2^53, and its matrix products are far quicker than those of numpy's integers.
    """
    c = {item.name: numpy_helper.to_array(item) for item in onnx.load_model_from_string(content).graph.initializer}
    x, scale = inputs.reshape(len(inputs), -1).astype(kind), c["pixel_scale"]
    layers = sum(name.endswith("_quantized") and name.startswith("weight") for name in c)
    for index in range(layers):
        total = x @ c[f"weight{index}_quantized"].astype(kind).T + c[f"bias{index}_quantized"]
        unit = scale * c[f"weight{index}_scale"]
        if index == layers - 1:
            return total.astype(np.float32) * unit
        scale = c[f"hidden{index}_scale"]
        x = np.rint(total.astype(np.float32) * (unit / scale)).clip(0, 255).astype(kind)
    raise AssertionError("unreachable")


def answer(content, inputs):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"pixels": inputs})[0]


def test_integers_give_the_files_bits_on_all_test_images(deep):
    _, dataset, result = deep
    expected = integer_reference(result.attempts[0].content, dataset.test.inputs)
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(result.attempts[0].logits, expected)
    np.testing.assert_array_equal(answer(result.attempts[0].content, dataset.test.inputs), expected)
    np.testing.assert_array_equal(
        integer_reference(result.attempts[0].content, dataset.test.inputs[:300], np.int32), expected[:300]
    )


def test_per_channel_too(deep):
    path, dataset, _ = deep
    small = dataclasses.replace(QuantizeSettings(calibration_samples=500), per_channel=True)
    attempt = export(Checkpoint.load(path), dataset, int8=small, gate=Gate(100)).attempts[0]
    assert "per channel" in attempt.arithmetic
    np.testing.assert_array_equal(attempt.logits, integer_reference(attempt.content, dataset.test.inputs))


def test_the_reference_can_fail(deep):
    _, dataset, result = deep
    model = onnx.load_model_from_string(result.attempts[0].content)
    for item in model.graph.initializer:
        if item.name == "weight2_quantized":
            weight = numpy_helper.to_array(item) + np.int8(1)
            item.CopyFrom(numpy_helper.from_array(weight, item.name))
    expected = integer_reference(model.SerializeToString(), dataset.test.inputs)
    assert not np.array_equal(result.attempts[0].logits, expected)


def test_the_answer_does_not_depend_on_batch_threads_or_the_order(deep):
    _, dataset, result = deep
    inputs, expected = dataset.test.inputs[:300], result.attempts[0].logits[:300]
    for threads in (1, 2, 4):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(result.attempts[0].content, options, providers=["CPUExecutionProvider"])
        for batch in (1, 7, 300):
            parts = [session.run(["logits"], {"pixels": inputs[at : at + batch]})[0] for at in range(0, 300, batch)]
            np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_seven_bits_cannot_saturate_sixteen(deep):
    """x86 without VNNI adds two products of a uint8 and an int8 in an int16."""
    model = onnx.load_model_from_string(deep[2].attempts[0].content)
    weights = [
        numpy_helper.to_array(item)
        for item in model.graph.initializer
        if "weight" in item.name and "quantized" in item.name
    ]
    assert len(weights) == 5
    assert all(weight.dtype == np.int8 and np.abs(weight.astype(int)).max() <= 63 for weight in weights)
    assert 2 * 255 * 63 < 2**15 < 2 * 255 * 127


def test_the_file_is_a_quarter_of_float(deep):
    result = deep[2]
    assert len(result.attempts[0].content) <= 0.26 * len(result.float_model.content)


def layer(rng, outputs=6, inputs=5, scale=1.0):
    weight = rng.normal(scale=scale, size=(outputs, inputs)).astype(np.float32)
    return Linear(weight, rng.normal(scale=scale, size=outputs).astype(np.float32))


@pytest.mark.parametrize(
    "scheme",
    [Scheme(), Scheme(per_channel=True), Scheme(weight_bits=8), Scheme(weight_bits=8, per_channel=True)],
    ids=str,
)
def test_rounding_is_within_half_a_step(rng, scheme):
    original = layer(rng)
    _, quantized = quantize([GreyLevels(), original], [], scheme)
    assert isinstance(quantized, QuantizedLinear)
    assert quantized.output_shape((5,)) == (6,)  # right types and shapes
    levels = 63 if scheme.weight_bits == 7 else 127
    assert np.abs(quantized.weight.astype(int)).max() == levels
    assert quantized.weight_scale.shape == ((6,) if scheme.per_channel else ())
    if scheme.per_channel:
        assert (np.abs(quantized.weight.astype(int)).max(axis=1) == levels).all()
    step = quantized.weight_scale.reshape(-1, 1)
    assert (np.abs(quantized.weight * step - original.weight) <= step * 0.5001).all()
    assert (np.abs(quantized.bias * quantized.bias_scale - original.bias) <= quantized.bias_scale * 0.5001).all()
    assert quantized.bias_scale == pytest.approx(UNIT_SCALE * quantized.weight_scale)


def test_a_float_last_layer_is_left_alone(rng):
    layers = [GreyLevels(), layer(rng), Relu(), layer(rng, inputs=6)]
    quantized = quantize(layers, [3.0], Scheme(float_last=True))
    assert [type(item) for item in quantized] == [GreyLevels, QuantizedLinear, Relu, Linear]
    assert quantized[-1] is layers[-1]
    assert not Scheme(float_last=True).same_bits_everywhere
    assert not Scheme(weight_bits=8).same_bits_everywhere
    assert Scheme(per_channel=True).same_bits_everywhere


@pytest.mark.parametrize("scheme", [Scheme(), Scheme(per_channel=True)], ids=str)
def test_dead_units_and_units_that_decayed_keep_their_bias(rng, scheme):
    """Weights of zero have no range, and a tiny one would push the bias out of int32."""
    weight = rng.normal(size=(4, 5)).astype(np.float32)
    weight[0], weight[1], weight[2] = 0, 1e-12, 1e-30
    bias = np.array([0.7, -0.7, 1e4, 0.1], np.float32)
    _, quantized = quantize([GreyLevels(), Linear(weight, bias)], [], scheme)
    assert np.isfinite(quantized.weight_scale).all()
    assert (quantized.weight_scale > 0).all()
    restored = quantized.bias.astype(np.float64) * quantized.bias_scale
    np.testing.assert_allclose(restored, bias, rtol=1e-5, atol=float(quantized.bias_scale.max()))
    if scheme.per_channel:  # no unit that is dead or decayed pays for another
        np.testing.assert_allclose(restored[:3], bias[:3], rtol=1e-8)
    products = 255 * np.abs(quantized.weight.astype(np.int64)).sum(axis=1)
    assert (np.abs(quantized.bias.astype(np.int64)) + products < 2**31).all()


@pytest.mark.parametrize("scheme", [Scheme(), Scheme(per_channel=True)], ids=str)
def test_a_layer_that_decayed_keeps_its_largest_bias(scheme):
    """Whatever its sign."""
    bias = np.array([0.5, -7, 0.3, 1.1, 2.3, 3.7, 5.9], np.float32)
    _, quantized = quantize([GreyLevels(), Linear(np.full((7, 4), 1e-20, np.float32), bias)], [], scheme)
    scale = quantized.bias_scale.astype(np.float64)
    assert (np.abs(quantized.bias * scale - bias) <= 0.5001 * scale).all()
    assert np.abs(quantized.bias.astype(np.int64)).max() <= 2**30


@pytest.mark.parametrize("smallest", [1, 7, 33, 90, 120])
def test_weights_too_small_for_a_scale_of_their_own(smallest):
    """Some multiples of the smallest float32: what is left of them after a division by 63 may be 0, or a third off."""
    weight = np.full((3, 4), smallest, np.float32) * np.finfo(np.float32).smallest_subnormal
    for scheme in (Scheme(), Scheme(per_channel=True)):
        _, quantized = quantize([GreyLevels(), Linear(weight, np.zeros(3, np.float32))], [], scheme)
        assert (quantized.weight_scale > 0).all()
        assert np.abs(quantized.weight.astype(int)).max() <= 63
        assert not quantized.bias.any()


def test_a_layer_of_zeros():
    zeros = Linear(np.zeros((3, 4), np.float32), np.zeros(3, np.float32))
    for scheme in (Scheme(), Scheme(per_channel=True)):
        _, quantized = quantize([GreyLevels(), zeros], [], scheme)
        assert not quantized.weight.any()
        assert not quantized.bias.any()
        assert np.isfinite(quantized.bias_scale).all()


def test_what_each_layer_takes_is_rounded_once(rng):
    layers = [GreyLevels(), layer(rng), Relu(), layer(rng, inputs=6)]
    pictures = quantize(layers, [51.0], Scheme())
    rounded = [GreyLevels, QuantizedLinear, Relu, Quantize, Dequantize, QuantizedLinear]
    assert [type(item) for item in pictures] == rounded
    assert pictures[3].scale == pytest.approx(51 / 255)
    assert pictures[5].bias_scale == pytest.approx(pictures[3].scale * pictures[5].weight_scale)
    table = quantize([Scale(np.zeros(5, np.float32), np.ones(5, np.float32)), *layers[1:]], [51.0], Scheme())
    assert [type(item) for item in table] == [Scale, Quantize, Dequantize, *rounded[1:]]
    assert table[1].scale == UNIT_SCALE


def test_over_its_own_range_a_table_answers_the_same(rng):
    features = rng.normal(size=(300, 5)).astype(np.float32) * np.array([1, 1e3, 1e-3, 1, 5], np.float32) + 7
    features[:, 3] = 2  # never changes
    scale = Scale.robust(features, is_numeric=np.array([True] * 4 + [False]))
    clip = SmoothClip(np.asarray(np.float32(3)))
    layers = (scale, clip, layer(rng), Relu(), layer(rng, inputs=6))
    *before, unit, first, relu, last = over_unit_range(layers, features)
    assert [*before, relu, last] == [scale, clip, *layers[3:]]
    clipped = clip.apply(scale.apply(features))
    scaled = unit.apply(clipped)
    assert unit.output_shape((5,)) == (5,)
    assert first.output_shape((5,)) == (6,)
    assert (scaled.min(), scaled.max()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-6))
    np.testing.assert_allclose(first.apply(scaled), layers[2].apply(clipped), atol=1e-3)
    pictures = (GreyLevels(), *layers[2:])
    assert over_unit_range(pictures, features) == pictures


def test_a_few_values_far_out_do_not_take_the_levels_of_all_others(rng):
    features = rng.normal(size=(2000, 3)).astype(np.float32)
    features[:2, 0] = 1e6, -1e6
    features[:, 1], features[:, 2] = 0, rng.random(2000) < 0.3
    features[5, 1] = 9  # but the only other value of a feature is not cut off
    scale = Scale(np.zeros(3, np.float32), np.ones(3, np.float32))
    _, unit, _ = over_unit_range((scale, layer(rng, inputs=3)), features)
    scaled = unit.apply(features)
    assert ((scaled[:, 0] < 0) | (scaled[:, 0] > 1)).sum() <= 4
    assert scaled[2:, 0].std() > 0.1
    for place in (1, 2):
        assert set(scaled[:, place]) == {0, 1}
    _, few, _ = over_unit_range((scale, layer(rng, inputs=3)), features[:900])
    assert few.apply(features[:900]).max() == pytest.approx(1)  # of few rows each one counts
