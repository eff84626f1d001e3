import pytest
from scipy.stats import binomtest

from edgesoft.inference.paired import Paired


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (0, 1), (3, 2), (2, 9), (9, 2), (40, 40), (700, 620)])
def test_the_exact_test_is_scipys(lost, won):
    pairs = Paired(2000, lost, won)
    expected = binomtest(lost, lost + won).pvalue if lost + won else 1
    assert pairs.p_value == pytest.approx(expected, rel=1e-9)
    assert pairs.p_value == Paired(2000, won, lost).p_value
    one_sided = binomtest(lost, lost + won, alternative="greater").pvalue if lost + won else 1
    assert pairs.loss_p_value == pytest.approx(one_sided, rel=1e-9)


def test_the_interval_turns_with_the_models():
    low, high = Paired(500, lost=3, won=12).interval
    assert Paired(500, lost=3, won=12).difference == 9 / 500
    assert low < 9 / 500 < high
    assert Paired(500, lost=12, won=3).interval == (pytest.approx(-high), pytest.approx(-low))
    assert low > 0  # as its test says, too
    assert Paired(500, 3, 12).p_value < 0.05
    assert Paired(1, 0, 1).interval[1] == pytest.approx(1)
