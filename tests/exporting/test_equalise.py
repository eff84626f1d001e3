"""Equalising: the float network stays, and what one scale for all weights would spoil is spoiled no more."""

import numpy as np
import pytest

from edgesoft.exporting.activation_ranges import activation_maxima
from edgesoft.exporting.equalise import LARGEST_FACTOR, STRENGTHS, equalised, least_error
from edgesoft.exporting.quantize import quantize
from edgesoft.model.card import Scheme
from edgesoft.model.heads import Softmax
from edgesoft.model.layers import Convolution, Flatten, Linear, MaxPool, Relu
from edgesoft.model.network import Network
from edgesoft.model.scaling import GreyLevels, Planes


def products(layers):
    return [layer for layer in layers if isinstance(layer, Linear)]


def uneven(rng, kind, outputs, *inputs):
    """Weights whose channels differ in size by a hundred times."""
    weight = rng.normal(size=(outputs, *inputs)) * np.geomspace(0.03, 3, outputs).reshape(-1, *[1] * len(inputs))
    return kind(weight.astype(np.float32), rng.normal(size=outputs).astype(np.float32))


@pytest.fixture
def dense(rng):
    return (
        GreyLevels(),
        uneven(rng, Linear, 20, 36),
        Relu(),
        uneven(rng, Linear, 9, 20),
        Relu(),
        uneven(rng, Linear, 4, 9),
    )


@pytest.fixture
def convolutional(rng):
    convolutions = uneven(rng, Convolution, 6, 1, 3, 3), uneven(rng, Convolution, 5, 6, 3, 3)
    first, second = ((convolution, Relu(), MaxPool()) for convolution in convolutions)
    return (Planes((8, 8, 1)), *first, *second, Flatten(), uneven(rng, Linear, 4, 20))


@pytest.fixture(params=["dense", "convolutional"])
def network(request):
    """Layers, and inputs for them."""
    side = {"dense": 6, "convolutional": 8}[request.param]
    inputs = np.random.default_rng(1).integers(0, 256, (600, side, side), dtype=np.uint8)
    return request.getfixturevalue(request.param), inputs


def logits(layers, inputs):
    return Network(tuple(layers), Softmax()).logits(inputs)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_the_float_network_stays(network, strength):
    layers, inputs = network
    found = equalised(layers, strength)
    changed = [not np.array_equal(a.weight, b.weight) for a, b in zip(products(layers), products(found), strict=True)]
    assert changed == [strength > 0] * 3
    before = logits(layers, inputs)
    np.testing.assert_allclose(logits(found, inputs), before, atol=1e-5 * np.abs(before).max())


def test_at_full_strength_both_sides_of_a_channel_have_one_size(dense):
    first, second = products(equalised([dense[0], dense[1], Relu(), dense[3]], 1.0))
    np.testing.assert_allclose(np.abs(first.weight).max(axis=1), np.abs(second.weight).max(axis=0), rtol=1e-5)


def test_dead_channels_and_extreme_ones(dense):
    layers = list(dense)
    weight = layers[1].weight.copy()
    weight[0], weight[1], weight[2] = 0, 1e-38, 1e30
    layers[1] = Linear(weight, layers[1].bias)
    following = layers[3].weight.copy()
    following[:, 3] = 0
    layers[3] = Linear(following, layers[3].bias)
    first, second, _ = products(equalised(layers, 1.0))
    assert all(np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all() for layer in (first, second))
    np.testing.assert_array_equal(first.weight[[0, 3]], weight[[0, 3]])
    np.testing.assert_allclose(first.weight[2], weight[2] / LARGEST_FACTOR, rtol=1e-6)


def test_rounding_errs_less(network):
    layers, inputs = network
    wanted = logits(layers, inputs)

    def error(candidate):
        return np.square(
            logits(quantize(candidate, activation_maxima(candidate, inputs), Scheme()), inputs) - wanted
        ).mean()

    found = least_error(layers, Softmax(), inputs, Scheme())
    assert error(found) < 0.5 * error(layers)
    assert error(found) == pytest.approx(min(error(equalised(layers, strength)) for strength in STRENGTHS), rel=0.5)


def test_a_scale_for_each_channel_needs_none(network):
    layers, inputs = network
    assert least_error(layers, Softmax(), inputs, Scheme(per_channel=True)) == layers
