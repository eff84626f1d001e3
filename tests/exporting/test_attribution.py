import numpy as np
import pytest

from edgesoft.exporting.attribution import attributions
from edgesoft.model.architecture import Architecture
from edgesoft.model.heads import Softmax
from edgesoft.model.layers import Linear
from edgesoft.model.network import Network
from edgesoft.model.scaling import GreyLevels


def layers(shape, stages, hidden, outputs, *, biased):
    generator = np.random.default_rng(0)
    architecture = Architecture(shape, stages, hidden, outputs)
    products = []
    from edgesoft.model.layers import product_of

    for weight in architecture.weight_shapes:
        bias = generator.normal(size=weight[0]) if biased else np.zeros(weight[0])
        products.append(product_of(generator.normal(size=weight).astype(np.float32), bias.astype(np.float32)))
    return architecture.layers(architecture.first([GreyLevels()]), products)


def margins(logits, answers):
    logits = logits.astype(np.float64)
    if logits.shape[1] == 1:
        logits = np.column_stack([np.zeros(len(logits)), logits[:, 0]])
    return logits[np.arange(len(logits)), answers] - logits.mean(axis=1)


@pytest.mark.parametrize(
    ("shape", "stages", "hidden", "outputs"),
    [((6, 5), (), (7, 4), 3), ((6, 5), (), (), 3), ((6, 5, 3), (), (7,), 1), ((9, 8, 3), ((4,), (5, 6)), (), 3)],
)
def test_without_biases_what_each_pixel_says_sums_to_what_the_network_says(shape, stages, hidden, outputs):
    """A network of products and ReLUs alone is linear between here and 0: Euler's theorem on homogeneous functions."""
    network = layers(shape, stages, hidden, outputs, biased=False)
    inputs = np.random.default_rng(1).integers(0, 256, (5, *shape)).astype(np.uint8)
    answers = np.array([0, 1, 0, 1, 1])
    found = attributions(network, inputs, answers)
    assert found.shape == inputs.shape
    logits = Network(network, Softmax()).logits(inputs)
    np.testing.assert_allclose(found.reshape(5, -1).sum(axis=1), margins(logits, answers), rtol=1e-3, atol=1e-3)


def test_one_layer_is_weights_times_pixels_whatever_the_biases():
    network = layers((4, 3), (), (), 3, biased=True)
    inputs = np.random.default_rng(1).integers(0, 256, (1, 4, 3)).astype(np.uint8)
    weight = next(layer for layer in network if isinstance(layer, Linear)).weight.reshape(3, 4, 3)
    expected = (weight[2] - weight.mean(axis=0)) * inputs[0] / 255
    np.testing.assert_allclose(attributions(network, inputs, np.array([2]))[0], expected, rtol=1e-4, atol=1e-5)
    assert (attributions(network, 0 * inputs, np.array([2])) == 0).all()
