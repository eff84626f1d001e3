"""Convolutions, pooling and planes, against ONNX Runtime and PyTorch; whole numbers bit for bit."""

import dataclasses
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional

from edgesoft.data.mnist import load_mnist
from edgesoft.errors import UsageError
from edgesoft.exporting.activation_ranges import activation_maxima
from edgesoft.exporting.graph import build_graph
from edgesoft.exporting.quantize import quantize
from edgesoft.inference.classifier import Classifier
from edgesoft.model.architecture import Architecture
from edgesoft.model.card import ModelCard, Scheme
from edgesoft.model.file import open_model
from edgesoft.model.graph import GraphWriter
from edgesoft.model.heads import Softmax
from edgesoft.model.inputs import PictureInput
from edgesoft.model.layers import Convolution, Dequantize, Flatten, Linear, MaxPool, QuantizedConvolution
from edgesoft.model.network import ACTIVATIONS_AT_ONCE, Network, examples_at_once, read_network
from edgesoft.model.scaling import Planes
from edgesoft.model.values import Integers, MisfitError, to_float
from edgesoft.training.network import SoftmaxNetwork, reference_logits
from edgesoft.training.size import check_size


def convolution(rng, outputs=4, channels=3):
    weight = rng.normal(size=(outputs, channels, 3, 3)).astype(np.float32)
    return Convolution(weight, rng.normal(size=outputs).astype(np.float32))


def layers_of(architecture, seed=0):
    return SoftmaxNetwork.untrained(architecture, (), torch.Generator().manual_seed(seed)).to_layers()


def session(layers, card, level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    content = build_graph(tuple(layers), card).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def card_of(architecture, **settings):
    height, width, *colours = architecture.input
    spec = PictureInput(height=height, width=width, channels=(*colours, 1)[0], normaliser="resize")
    return ModelCard(
        "pictures",
        tuple("abcde"[: architecture.outputs]),
        spec,
        architecture.hidden,
        channels=architecture.stages,
        **settings,
    )


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 1, 1), (2, 2, 9)], ids=str)
def test_a_convolution_is_pytorchs(rng, shape):
    layer = convolution(rng, channels=shape[0])
    x = rng.normal(size=(5, *shape)).astype(np.float32)
    expected = functional.conv2d(*map(torch.from_numpy, (x, layer.weight, layer.bias)), padding=1)
    np.testing.assert_allclose(layer.apply(x), expected.numpy(), atol=1e-5)
    assert layer.output_shape(shape) == (4, *shape[1:])
    sizes = np.abs(x).max(axis=0, keepdims=True)
    assert (np.abs(layer.apply(x)) <= layer.largest(sizes) * (1 + 1e-6)).all()


@pytest.mark.parametrize("shape", [(3, 4, 6), (2, 5, 7), (1, 2, 3)], ids=str)
def test_pooling_leaves_an_odd_line_out(rng, shape):
    x = rng.normal(size=(5, *shape)).astype(np.float32)
    found = MaxPool().apply(x)
    np.testing.assert_array_equal(found, functional.max_pool2d(torch.from_numpy(x), 2).numpy())
    assert found.shape[1:] == MaxPool().output_shape(shape)


def test_whole_numbers_stay_whole(rng):
    value = Integers(rng.integers(0, 256, (4, 3, 6, 6)).astype(np.float64), np.asarray(np.float32(0.1)))
    for layer in (MaxPool(), Flatten(), Dequantize()):
        after = layer.apply(value)
        assert isinstance(after, Integers)
        np.testing.assert_array_equal(to_float(after), layer.apply(to_float(value)))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Planes((4, 4, 1)), (4, 5)),
        (Planes((4, 4, 3)), (4, 4, 1)),
        (Planes((4, 4, 2)), (4, 4, 2)),
        (Planes((4, 4, 4)), (4, 4)),
        (Planes((16, 1, 1)), (4, 4)),
        (Planes(()), (4, 4)),
        (MaxPool(), (3, 1, 8)),
        (MaxPool(), (12,)),
        (Convolution(np.zeros((2, 3, 3, 3), np.float32), np.zeros(2, np.float32)), (2, 8, 8)),
        (Convolution(np.zeros((2, 3, 5, 5), np.float32), np.zeros(2, np.float32)), (3, 8, 8)),
        (Convolution(np.zeros((2, 3, 3, 3), np.float64), np.zeros(2, np.float32)), (3, 8, 8)),
        (Convolution(np.zeros((2, 27), np.float32), np.zeros(2, np.float32)), (27,)),
        (Linear(np.zeros((2, 27), np.float32), np.zeros(2, np.float32)), (3, 3, 3)),
        (Linear(np.zeros((2, 3, 3, 3), np.float32), np.zeros(2, np.float32)), (3, 8, 8)),
    ],
    ids=lambda item: str(item) if isinstance(item, tuple) else type(item).__name__,
)
def test_what_does_not_fit(layer, shape):
    with pytest.raises(MisfitError):
        layer.output_shape(shape)


def test_every_layer_there_and_back(rng):
    whole = QuantizedConvolution(
        rng.integers(-63, 64, (4, 3, 3, 3)).astype(np.int8), np.asarray(np.float32(0.1)), np.zeros(4, np.int32), np.asarray(np.float32(0.2))
    )  # fmt: skip
    for layer in (Planes((5, 6, 3)), convolution(rng), whole, MaxPool(), Flatten()):
        writer = GraphWriter(products=99)
        layer.write(writer, "x")
        back = type(layer).read(writer.nodes, writer.constants)
        assert tuple(node.operator for node in writer.nodes) == layer.operators
        assert all(getattr(back, name) is value or getattr(back, name) == value for name, value in vars(layer).items())


ARCHITECTURES = {
    "grey": Architecture((13, 10), ((4,), (6, 5)), (), 3),
    "colour, a hidden layer, no pooling left": Architecture((9, 8, 3), ((5,), (4,), (6,)), (7,), 4),
    "one stage": Architecture((2, 3), ((3,),), (), 2),
}


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_pytorch_numpy_and_onnx_runtime_agree(rng, architecture):
    layers, card = layers_of(architecture), card_of(architecture)
    pixels = rng.integers(0, 256, (60, *architecture.input), dtype=np.uint8)
    found = session(layers, card).run(["logits"], {"pixels": pixels})[0]
    network = Network(layers, card.head)
    np.testing.assert_allclose(network.logits(pixels), found, atol=1e-4)
    np.testing.assert_allclose(reference_logits(SoftmaxNetwork(layers), pixels), found, atol=1e-4)
    assert network.shapes(architecture.input)[-1] == (architecture.outputs,)
    assert [layer.weight.shape for layer in network.products] == list(architecture.weight_shapes)
    assert sum(layer.weight.size + layer.bias.size for layer in network.products) == architecture.parameters


@pytest.mark.parametrize("scheme", [Scheme(), Scheme(per_channel=True)], ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_in_whole_numbers_they_agree_bit_for_bit(rng, architecture, scheme):
    """Every product becomes one QLinearConv or QGemm: none stays in float."""
    layers = layers_of(architecture)
    pixels = rng.integers(0, 256, (500, *architecture.input), dtype=np.uint8)
    rounded = quantize(layers, activation_maxima(layers, pixels), scheme)
    card = card_of(architecture)
    found = session(rounded, card).run(["logits"], {"pixels": pixels})[0]
    assert found.tobytes() == Network(rounded, Softmax()).logits(pixels).tobytes()
    assert np.ptp(found) > 0.5


def test_one_changed_weight_is_seen(rng):
    architecture = ARCHITECTURES["grey"]
    layers = layers_of(architecture)
    pixels = rng.integers(0, 256, (50, *architecture.input), dtype=np.uint8)
    rounded = list(quantize(layers, activation_maxima(layers, pixels), Scheme()))
    before = Network(tuple(rounded), Softmax()).logits(pixels)
    place = next(place for place, layer in enumerate(rounded) if isinstance(layer, QuantizedConvolution))
    weight = rounded[place].weight.copy()
    weight[0, 0, 1, 1] -= 1 if weight[0, 0, 1, 1] > 0 else -1
    rounded[place] = dataclasses.replace(rounded[place], weight=weight)
    assert (Network(tuple(rounded), Softmax()).logits(pixels) != before).any()


def test_an_empty_batch_gives_no_answers():
    architecture = ARCHITECTURES["grey"]
    outputs = session(layers_of(architecture), card_of(architecture)).run(
        ["logits"], {"pixels": np.zeros((0, 13, 10), np.uint8)}
    )
    assert outputs[0].shape == (0, 3)


def test_the_names_in_a_file_stay(rng):
    """They are part of the format, as those of the linear layers."""
    layers = layers_of(Architecture((8, 8), ((2, 2),), (), 2))
    pixels = rng.integers(0, 256, (20, 8, 8), dtype=np.uint8)
    network = Network(quantize(layers, activation_maxima(layers, pixels), Scheme()), Softmax())
    assert [node.outputs[0] for node in network.write("pixels").nodes][:-2] == [
        "pixels_coloured", "pixels_planes", "pixels_scaled", "weight0", "bias0", "convolution0", "hidden0", "hidden0_quantized",
        "hidden0_dequantized", "weight1", "bias1", "convolution1", "hidden1", "hidden1_quantized", "hidden1_pooled", "hidden1_flat",
        "hidden1_dequantized", "weight2", "bias2", "logits",
    ]  # fmt: skip


def test_a_few_channels_more_do_not_fill_the_memory():
    """Nine bytes a channel in the file, a whole picture each on the device."""
    wide = Convolution(np.zeros((9000, 1, 3, 3), np.float32), np.zeros(9000, np.float32))
    with pytest.raises(MisfitError):
        wide.output_shape((1, 32, 32))
    assert wide.output_shape((1, 28, 28)) == (9000, 28, 28)
    with pytest.raises(
        UsageError, match=r"9000,8 on 1,024 inputs have 9,216,000 activations after one layer, expected at most"
    ):
        check_size(Architecture((32, 32), ((9000,), (8,)), (), 3))


def test_a_batch_fits_into_memory():
    small, large = layers_of(ARCHITECTURES["grey"]), layers_of(Architecture((256, 256), ((16,), (4,)), (), 2))
    assert examples_at_once(small, (13, 10)) == 1000
    assert examples_at_once(large, (256, 256)) == ACTIVATIONS_AT_ONCE // (16 * 256 * 256)


def test_the_shipped_network_has_onnx_runtimes_bits():
    """On a thousand of MNIST's test pictures; the convolutions in C and on a page are held to it in tests/targets."""
    model = open_model(Path(__file__).resolve().parents[2] / "exported" / "conv" / "mnist.int8.onnx")
    test = load_mnist().test
    found = Classifier(model, "cpu").logits(test.inputs[:1000])
    assert found.tobytes() == read_network(model).logits(test.inputs[:1000]).tobytes()
    assert (found.argmax(axis=1) == test.targets[:1000]).mean() > 0.99
    assert sum(layer.weight.size + 4 * layer.bias.size for layer in read_network(model).products) < 32_768
