"""The same examples each time, from one end to the other."""

import numpy as np
import pytest

from edgesoft.exporting.sample import evenly_spread


@pytest.mark.parametrize(
    ("most", "expected"), [(1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (9, [0, 1, 2, 3, 4, 5, 6, 7, 9])]
)
def test_some_of_ten(most, expected):
    examples = np.arange(20).reshape(10, 2)
    np.testing.assert_array_equal(evenly_spread(examples, most), examples[expected])


@pytest.mark.parametrize("most", [10, 11, 10**9])
def test_all_of_them_are_not_copied(most):
    examples = np.arange(20).reshape(10, 2)
    assert evenly_spread(examples, most) is examples
