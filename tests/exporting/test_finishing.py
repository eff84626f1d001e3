"""Finishing brings INT8 closer to float, on networks and tables where plain rounding is too coarse."""

import dataclasses

import numpy as np
import pytest
import torch

from edgesoft.data.arrays import from_arrays
from edgesoft.data.settings import DataSettings
from edgesoft.exporting import export as export_module
from edgesoft.exporting import finishing
from edgesoft.exporting.activation_ranges import activation_maxima
from edgesoft.exporting.export import export
from edgesoft.exporting.finishing import _Rounded, finish
from edgesoft.exporting.quantize import over_unit_range, quantize
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.inference.parity import divergence
from edgesoft.model.architecture import Architecture
from edgesoft.model.card import Scheme
from edgesoft.model.file import read_model
from edgesoft.model.heads import Sigmoid, Softmax
from edgesoft.model.layers import Linear, Relu
from edgesoft.model.network import Network, read_network
from edgesoft.model.scaling import GreyLevels, Scale
from edgesoft.model.values import UNIT_SCALE
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.network import SoftmaxNetwork, reference_logits
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings
from edgesoft.training.train import train


@pytest.fixture(scope="module", autouse=True)
def real_steps():
    """As many steps as a user gets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finishing, "FEWEST_STEPS", 100)
        patch.setattr(finishing, "MOST_STEPS", 500)
        yield


@pytest.fixture(scope="module")
def heavy_tailed():
    """Two prices of each of 3,000 things, and which is the higher: most are small, a few are large, and one lacks its decimal point."""
    rng = np.random.default_rng(5)
    price = rng.lognormal(sigma=1, size=3000)
    features = np.stack([price, price * rng.lognormal(sigma=0.3, size=3000), rng.normal(size=3000)], axis=1).astype(
        np.float32
    )
    targets = features[:, 1] > features[:, 0]
    features[0] *= 300
    splits = {"train": slice(2000), "validation": slice(2000, 2400), "test": slice(2400, None)}
    return from_arrays(
        {part: (features[rows], targets[rows]) for part, rows in splits.items()}, DataSettings(), name="prices"
    )


def learned(dataset, folder):
    settings = {"hidden": (32, 16), "epochs": 15, "batch_size": 64, "batch_norm": False, "label_smoothing": 0.0}
    train(dataset, TrainSettings(precision="float32", threads=1, **settings), RunFolder(folder))
    return Checkpoint.load(RunFolder(folder).checkpoint)


@pytest.fixture(scope="module")
def trained(heavy_tailed, tmp_path_factory):
    """A network that takes the prices standardised, without the clip, as older checkpoints do."""
    prices = heavy_tailed.train.inputs
    unclipped = dataclasses.replace(heavy_tailed)
    unclipped.__dict__["first_layers"] = (Scale(prices.mean(axis=0), 1 / prices.std(axis=0)),)
    return learned(unclipped, tmp_path_factory.mktemp("heavy"))


@pytest.fixture(scope="module")
def exported(trained, heavy_tailed):
    return export(trained, heavy_tailed, int8=QuantizeSettings())


def test_a_table_that_plain_rounding_spoils_is_published(trained, heavy_tailed, exported):
    """With each feature over its whole range, and nothing learned, it loses far more than the gate allows."""
    assert exported.int8_model is not None
    assert all(attempt.finishing_seconds > 0 for attempt in exported.attempts)
    inputs, test = heavy_tailed.train.inputs, heavy_tailed.test
    ends = np.stack([inputs.min(axis=0), inputs.max(axis=0)])  # of so few rows, no tail is cut off
    plain = quantize(over_unit_range(trained.layers, ends), activation_maxima(trained.layers, inputs), Scheme())
    right = Network(plain, Softmax()).logits(test.inputs).argmax(axis=1) == test.targets
    assert exported.float_model.parity.reference_accuracy - right.mean() > 0.1
    assert exported.int8_model.parity.accuracy_drop < 0.02


def test_behind_a_smooth_clip_plain_rounding_loses_far_less(heavy_tailed, tmp_path):
    layers, inputs, test = learned(heavy_tailed, tmp_path).layers, heavy_tailed.train.inputs, heavy_tailed.test
    ends = np.stack([inputs.min(axis=0), inputs.max(axis=0)])
    plain = quantize(over_unit_range(layers, ends), activation_maxima(layers, inputs), Scheme())
    exact, rounded = (
        Network(item, Softmax()).logits(test.inputs).argmax(axis=1) == test.targets for item in (layers, plain)
    )
    assert exact.mean() - rounded.mean() < 0.05


def test_its_integers_are_onnx_runtimes(exported, heavy_tailed, tmp_path):
    """Features, too, are whole numbers from the first product on: the interpreter gives the same bits."""
    path = tmp_path / "prices.int8.onnx"
    path.write_bytes(exported.attempts[0].content)
    model = read_model(path)
    np.testing.assert_array_equal(read_network(model).logits(heavy_tailed.test.inputs), exported.attempts[0].logits)
    assert model.card.quantization.finishing_steps > 0
    assert model.card.quantization.scheme.same_bits_everywhere


def test_the_same_bytes_again_whatever_happened_before(trained, heavy_tailed, exported):
    torch.manual_seed(99)
    torch.rand(7)
    before = torch.get_num_threads()
    again = export(trained, heavy_tailed, int8=QuantizeSettings())
    assert again.int8_model.content == exported.int8_model.content
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    "scheme",
    [Scheme(), Scheme(per_channel=True), Scheme(weight_bits=8), Scheme(per_channel=True, float_last=True)],
    ids=str,
)
def test_it_comes_closer_whatever_the_scheme(trained, heavy_tailed, scheme):
    inputs, test = heavy_tailed.train.inputs, heavy_tailed.test.inputs
    layers, maxima = over_unit_range(trained.layers, inputs), activation_maxima(trained.layers, inputs)
    finished = finish(trained.layers, layers, scheme, inputs)
    assert len(finished.activation_maxima) == 2
    reference = reference_logits(SoftmaxNetwork(trained.layers), test)
    plain, better = (
        divergence(reference, Network(rounded, Softmax()).logits(test), Softmax())
        for rounded in (
            quantize(layers, maxima, scheme),
            quantize(finished.layers, finished.activation_maxima, scheme, finished.weight_maxima),
        )
    )
    assert better < 0.8 * plain


def test_what_it_learns_on_is_what_the_integers_compute(rng):
    """The simulation against the layers' own rules, before anything is learned."""
    weights = [rng.normal(size=shape).astype(np.float32) for shape in ((9, 7), (5, 9), (3, 5))]
    linears = [Linear(weight, rng.normal(size=len(weight)).astype(np.float32)) for weight in weights]
    layers = (GreyLevels(), linears[0], Relu(), linears[1], Relu(), linears[2])
    pixels = rng.integers(0, 256, (50, 7)).astype(np.uint8)
    maxima = activation_maxima(layers, pixels)
    for scheme in (Scheme(), Scheme(per_channel=True), Scheme(per_channel=True, float_last=True)):
        expected = Network(quantize(layers, maxima, scheme), Softmax()).logits(pixels)
        levels = torch.from_numpy(pixels.astype(np.float32) * UNIT_SCALE)
        with torch.no_grad():
            simulated = _Rounded(layers[1:], maxima, scheme)(levels).numpy()
        # float32 falls to the other side of a rounding now and then, no more.
        assert np.isclose(simulated, expected, atol=1e-3 * np.abs(expected).max()).mean() > 0.9


def test_a_finishing_that_spoils_the_network_is_not_taken(trained, heavy_tailed, monkeypatch):
    def spoilt(*arguments):
        finished = finish(*arguments)
        layers = tuple(
            Linear(-layer.weight, layer.bias) if isinstance(layer, Linear) else layer for layer in finished.layers
        )
        return dataclasses.replace(finished, layers=layers)

    monkeypatch.setattr(export_module, "finish", spoilt)
    result = export(trained, heavy_tailed, int8=QuantizeSettings())
    assert all(attempt.finishing_seconds is None for attempt in result.attempts)


def test_one_that_the_validation_split_does_not_see_misses_the_gate(trained, heavy_tailed, monkeypatch):
    monkeypatch.setattr(export_module, "divergence", lambda *_: 0.0)
    monkeypatch.setattr(
        export_module,
        "finish",
        lambda *arguments: dataclasses.replace(
            (finished := finish(*arguments)),
            layers=tuple(
                Linear(-layer.weight, layer.bias) if isinstance(layer, Linear) else layer for layer in finished.layers
            ),
        ),
    )
    result = export(trained, heavy_tailed, int8=QuantizeSettings())
    assert result.int8_model is None
    assert all("chance explains no such loss" in attempt.failures[0] for attempt in result.attempts)


def test_one_logit_for_two_classes(rng):
    """A sigmoid's logit stands for two."""
    features = rng.normal(size=(400, 4)).astype(np.float32)
    architecture, first = Architecture((4,), (), (8,), 1), [Scale.to_unit_range(features)]
    layers = SoftmaxNetwork.untrained(architecture, first, torch.Generator().manual_seed(0)).to_layers()
    finished = finish(layers, over_unit_range(layers, features), Scheme(), features)
    rounded = quantize(finished.layers, finished.activation_maxima, Scheme(), finished.weight_maxima)
    reference = reference_logits(SoftmaxNetwork(layers), features)
    assert divergence(reference, Network(rounded, Sigmoid()).logits(features), Sigmoid()) < 1e-3


def test_a_dead_layer_stays_dead(rng):
    layers = (
        GreyLevels(),
        Linear(np.zeros((4, 6), np.float32), -np.ones(4, np.float32)),
        Relu(),
        Linear(rng.normal(size=(3, 4)).astype(np.float32), np.array([1, 2, 3], np.float32)),
    )
    pixels = rng.integers(0, 256, (60, 6)).astype(np.uint8)
    finished = finish(layers, layers, Scheme(), pixels)
    rounded = quantize(finished.layers, finished.activation_maxima, Scheme(), finished.weight_maxima)
    logits = Network(rounded, Softmax()).logits(pixels)
    np.testing.assert_allclose(logits, np.tile([1, 2, 3], (60, 1)), atol=0.1)
