"""Golden pictures as they travel in converted folders."""

import numpy as np
import pytest

from edgesoft.targets.proof import without_zeros


def with_zeros(packed):
    found, place = [], 0
    while place < len(packed):
        if packed[place]:
            found.append(packed[place])
            place += 1
        else:
            found += [0] * int(packed[place + 1])
            place += 2
    return np.array(found, np.uint8)


@pytest.mark.parametrize(
    "pictures",
    [
        np.zeros((2, 28, 28), np.uint8),
        np.full((1, 3), 255, np.uint8),
        np.zeros((3, 255), np.uint8),
        np.zeros((2, 256), np.uint8),
        np.random.default_rng(0).integers(0, 3, (5, 40, 3), dtype=np.uint8),
        np.concatenate([np.ones((1, 300), np.uint8), np.zeros((1, 300), np.uint8)]),
    ],
)
def test_pictures_come_back_and_no_row_of_zeros_goes_on_into_the_next(pictures):
    np.testing.assert_array_equal(with_zeros(without_zeros(pictures)), pictures.reshape(-1))
    for picture in pictures:
        np.testing.assert_array_equal(with_zeros(without_zeros(picture[None])), picture.reshape(-1))
    parts = [without_zeros(picture[None]) for picture in pictures]
    np.testing.assert_array_equal(np.concatenate(parts), without_zeros(pictures))


def test_mnist_takes_a_third(mnist):
    assert without_zeros(mnist.test.inputs[:200]).size < mnist.test.inputs[:200].size / 3
