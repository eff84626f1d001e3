"""Each method does what its name says, on activations that are known."""

import numpy as np
import pytest
import torch

from edgesoft.exporting import activation_ranges as calibrate
from edgesoft.exporting.activation_ranges import BINS, METHODS, activation_maxima
from edgesoft.training.network import SoftmaxMLP


def network_with_activations(factor=1.0):
    """One hidden unit, whose activation is the pixel's grey level times `factor`."""
    network = SoftmaxMLP(1, (1,), 2)
    with torch.no_grad():
        network.layers[0].weight.fill_(255 * factor)
        network.layers[0].bias.zero_()
    return network


def maxima(values, method):
    inputs = np.asarray(values, np.uint8).reshape(-1, 1)
    (maximum,) = activation_maxima(network_with_activations(), inputs, method)
    return maximum


def test_minmax_is_the_largest_activation():
    assert maxima([3, 200, 17, 0], "minmax") == pytest.approx(200)


def test_percentile_leaves_out_what_is_rarer_than_one_in_a_hundred_thousand():
    values = np.full(300_000, 100, np.uint8)
    values[:2] = 255  # 0.67 of 100,000
    assert maxima(values, "percentile") == pytest.approx(100, abs=255 / BINS + 0.01)
    values[:30] = 255  # ten of 100,000
    assert maxima(values, "percentile") == pytest.approx(255)
    assert maxima(values, "minmax") == pytest.approx(255)


def test_percentile_by_its_definition(rng):
    values = rng.integers(0, 256, 50_000)
    expected = np.quantile(values, 0.99999, method="inverted_cdf")
    assert maxima(values, "percentile") == pytest.approx(expected, abs=255 / BINS + 0.01)


def histogram_of(samples):
    return np.histogram(samples, BINS, (0, samples.max()))[0].astype(np.float64)


def test_entropy_keeps_all_of_what_is_spread_evenly(rng):
    assert calibrate._entropy_cut(histogram_of(rng.uniform(0, 1, 500_000))) > 0.97 * BINS


def test_entropy_cuts_off_far_outliers(rng):
    samples = np.abs(rng.normal(size=500_000))
    samples[:3] = 40.0
    kept = calibrate._entropy_cut(histogram_of(samples)) / BINS * 40
    assert 2.5 < kept < 10


def test_the_methods_are_not_names_for_the_same(rng):
    """As entropy and minmax are in ONNX Runtime with its defaults."""
    values = np.minimum(rng.geometric(0.1, 400_000), 254)
    values[:12] = 255
    found = {method: maxima(values, method) for method in METHODS}
    assert found["entropy"] < found["percentile"] <= found["minmax"] == pytest.approx(255)


@pytest.mark.parametrize("method", METHODS)
def test_every_hidden_layer_gets_a_range_within_what_was_seen(small, method):
    network = SoftmaxMLP(784, (40, 20), 10)
    network.initialise(torch.Generator().manual_seed(1))
    largest = activation_maxima(network, small.train.inputs, "minmax")
    found = activation_maxima(network, small.train.inputs, method)
    assert len(found) == 2
    assert all(0 < value <= most * 1.0001 for value, most in zip(found, largest, strict=True))


def test_the_chosen_cut_has_the_least_divergence(rng):
    samples = np.abs(rng.standard_t(3, size=100_000))
    histogram = histogram_of(samples)
    chosen = calibrate._entropy_cut(histogram)
    histogram[0] = histogram[1]
    least = calibrate._divergence(histogram, chosen)
    assert all(calibrate._divergence(histogram, cut) >= least for cut in range(255, BINS + 1, 8))


@pytest.mark.parametrize("method", METHODS)
def test_a_dead_layer_gives_zero(method):
    assert maxima([0, 0, 0], method) == 0


@pytest.mark.parametrize("method", METHODS)
def test_plain_softmax_regression_has_nothing_to_calibrate(small, method):
    assert activation_maxima(SoftmaxMLP(784, (), 10), small.train.inputs, method) == []
