"""The ranges, on activations that are known, and on a network that PyTorch computes too."""

import numpy as np
import pytest
import torch

from edgesoft.exporting import activation_ranges
from edgesoft.exporting.activation_ranges import activation_maxima
from edgesoft.model.architecture import Architecture
from edgesoft.model.layers import Linear, Relu
from edgesoft.model.scaling import GreyLevels
from edgesoft.training.network import SoftmaxNetwork


def linear(weight, bias=0.0):
    return Linear(np.array([[weight]], np.float32), np.array([bias], np.float32))


@pytest.mark.parametrize("place", range(4))
def test_it_is_the_largest_activation_in_any_batch(monkeypatch, place):
    """One hidden unit, whose activation is twice the pixel's grey level, and a second that is half of the first, less 30."""
    layers = (GreyLevels(), linear(510), Relu(), linear(0.5, -30), Relu(), linear(1000))
    inputs = np.roll(np.array([200, 3, 17, 0], np.uint8), place).reshape(-1, 1)
    found = activation_maxima(layers, inputs)
    assert found == pytest.approx([400, 170])
    assert all(type(maximum) is float for maximum in found)  # the card takes no other
    monkeypatch.setattr(activation_ranges, "BATCH_SIZE", 1)
    assert activation_maxima(layers, inputs) == pytest.approx([400, 170])


def test_what_relu_cuts_off_is_0():
    assert activation_maxima((GreyLevels(), linear(-1), Relu(), linear(1)), np.full((5, 1), 9, np.uint8)) == [0.0]


def test_pytorch_finds_the_same(small):
    architecture = Architecture((28, 28), (), (40, 20), 10)
    network = SoftmaxNetwork.untrained(architecture, [GreyLevels()], torch.Generator().manual_seed(1))
    x, expected = torch.from_numpy(small.train.inputs).float().flatten(1) / 255, []
    with torch.no_grad():
        for module in list(network.products)[:-1]:
            x = torch.relu(module(x))
            expected.append(x.max().item())
    assert activation_maxima(network.to_layers(), small.train.inputs) == pytest.approx(expected, rel=1e-5)


def test_a_network_without_hidden_layers_has_none(small):
    assert activation_maxima((GreyLevels(), linear(1)), small.train.inputs[:, :1, :1]) == []
