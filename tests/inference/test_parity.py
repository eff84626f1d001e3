import dataclasses
import math

import numpy as np
import pytest

from edgesoft.errors import EdgesoftError
from edgesoft.inference.parity import Parity, compare, softmax, wilson_interval
from edgesoft.model.heads import Softmax

REFERENCE = np.array([[2, 1, 0], [0, 3, 0], [1, 0, 1.5]], np.float32)


def test_equal_logits():
    parity = compare(REFERENCE, REFERENCE.copy(), Softmax(), np.array([0, 1, 0]))
    assert parity.examples == 3
    assert parity.max_logit_difference == parity.mean_logit_difference == parity.max_probability_difference == 0
    assert parity.label_changes == ()
    assert parity.reference_accuracy == parity.candidate_accuracy == pytest.approx(2 / 3)
    assert parity.accuracy_drop == 0
    assert (parity.lost, parity.won) == (0, 0)


def test_a_hand_computed_difference():
    candidate = REFERENCE.copy()
    candidate[2] = [1.75, 0, 1.5]
    parity = compare(REFERENCE, candidate, Softmax(), np.array([0, 1, 2]))
    assert parity.max_logit_difference == 0.75
    assert parity.mean_logit_difference == pytest.approx(0.75 / 9)
    before, after = (np.exp(side) / np.exp(side).sum() for side in (REFERENCE[2], candidate[2]))
    assert parity.max_probability_difference == pytest.approx(np.abs(before - after).max())
    (change,) = parity.label_changes
    assert (change.example, change.reference, change.candidate) == (2, 2, 0)
    assert change.reference_probability == pytest.approx(math.exp(1.5) / (math.e + 1 + math.exp(1.5)))
    assert change.candidate_probability == pytest.approx(math.exp(1.75) / (math.exp(1.75) + 1 + math.exp(1.5)))
    assert parity.accuracy_drop == pytest.approx(1 / 3)
    assert (parity.lost, parity.won) == (1, 0)


def test_a_shift_of_every_logit_is_seen_in_the_logits_only():
    parity = compare(REFERENCE, REFERENCE + 5, Softmax())
    assert parity.max_logit_difference == 5
    assert parity.max_probability_difference < 1e-12
    assert parity.reference_accuracy is parity.candidate_accuracy is None
    assert parity.accuracy_drop is parity.lost is parity.won is None


@pytest.mark.parametrize("unknown", ["reference_accuracy", "candidate_accuracy"])
def test_no_drop_is_known_where_one_accuracy_is_not(unknown):
    parity = compare(REFERENCE, REFERENCE, Softmax(), np.array([0, 1, 2]))
    assert dataclasses.replace(parity, **{unknown: None}).accuracy_drop is None


def test_differences_are_exact():
    """In float32, 1e8 and 1 are 1e8 apart."""
    one, other = np.array([[1e8, 0]], np.float32), np.array([[1, 0]], np.float32)
    assert compare(one, other, Softmax()).max_logit_difference == 99_999_999


def test_every_number_is_pythons_own():
    """The card takes no others, and JSON not all of them."""
    parity = compare(REFERENCE, REFERENCE[::-1], Softmax(), np.array([0, 1, 2]))
    assert parity.label_changes
    for item in (parity, *parity.label_changes):
        assert all(type(value) in (int, float, tuple) for value in vars(item).values()), item


def test_a_smaller_probability_is_a_difference_too():
    """Of two classes only the change of one is positive."""
    parity = compare(np.array([[0, 5, 5]], np.float32), np.array([[9, 5, 5]], np.float32), Softmax())
    assert parity.max_probability_difference == pytest.approx(np.exp(9) / (np.exp(9) + 2 * np.exp(5)), abs=0.01)
    back = compare(np.array([[9, 5, 5]], np.float32), np.array([[0, 5, 5]], np.float32), Softmax())
    assert back.max_probability_difference == parity.max_probability_difference


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_not_finite_holds_no_tolerance(odd):
    candidate = REFERENCE.copy()
    candidate[1, 1] = odd
    assert not compare(REFERENCE, candidate, Softmax()).max_logit_difference <= 1e300
    assert not compare(candidate, candidate, Softmax()).max_logit_difference <= 1e300  # inf - inf is NaN


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        (REFERENCE[:0], REFERENCE[:0]),
        (REFERENCE, REFERENCE[:2]),
        (REFERENCE[:, :0], REFERENCE[:, :0]),
        (REFERENCE[0], REFERENCE[0]),
        (REFERENCE, REFERENCE[:1]),
    ],
)
def test_nothing_to_compare_is_an_error(reference, candidate):
    with pytest.raises(EdgesoftError, match="no examples to compare|cannot compare logits"):
        compare(reference, candidate, Softmax())


def test_softmax_of_huge_logits():
    np.testing.assert_allclose(softmax(np.array([[1e4, 1e4, -1e4]], np.float32)), [[0.5, 0.5, 0]])


@pytest.mark.parametrize(
    ("right", "examples", "low", "high"),
    # From Wilson's formula, worked by hand and against published tables (Newcombe 1998, table I: 81/263, 15/148, 0/20, 1/29).
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_interval_against_known_values(right, examples, low, high):
    assert wilson_interval(right / examples, examples) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilson_interval_never_leaves_0_to_1():
    for examples in range(1, 300):
        low, high = wilson_interval(0.0, examples)[0], wilson_interval(1.0, examples)[1]
        assert low >= 0
        assert high <= 1


def paired(lost, won, examples):
    return Parity(examples, 0.0, 0.0, 0.0, (), 0.5, 0.5 - (lost - won) / examples, lost, won)


@pytest.mark.parametrize(
    ("lost", "won", "p"),
    # Tails of the binomial distribution at one half, by hand.
    [(0, 0, 1), (0, 3, 1), (1, 0, 1 / 2), (5, 0, 1 / 32), (3, 2, 16 / 32), (8, 2, 56 / 1024), (9, 1, 11 / 1024)],
)
def test_how_often_chance_loses_as_much(lost, won, p):
    assert paired(lost, won, 100).paired.loss_p_value == pytest.approx(p, rel=1e-12)


def test_chance_among_very_many(rng):
    """Next to a simulation; and no number overflows."""
    simulated = (rng.binomial(400, 0.5, 200_000) >= 215).mean()
    assert paired(215, 185, 10_000).paired.loss_p_value == pytest.approx(simulated, abs=0.003)
    assert 0 < paired(25_000, 24_000, 10**6).paired.loss_p_value < 1e-5


def test_the_loss_that_cannot_be_excluded():
    # Without discordant pairs the score test gives z^2 / (n + z^2); without wins, Wilson's upper bound of the share lost.
    z2 = 1.959964**2
    for examples in (45, 10_000):
        assert paired(0, 0, examples).largest_drop == pytest.approx(z2 / (examples + z2), abs=1e-9)
        assert paired(3, 0, examples).largest_drop == pytest.approx(
            wilson_interval(3 / examples, examples)[1], abs=1e-9
        )
    assert paired(0, 10, 100).largest_drop < 0
    assert paired(45, 0, 45).largest_drop == pytest.approx(1)


@pytest.mark.parametrize(("examples", "loses", "wins"), [(45, 0.05, 0.02), (200, 0.03, 0.03), (2000, 0.01, 0.004)])
def test_it_is_seldom_too_small(rng, examples, loses, wins):
    draws = rng.multinomial(examples, [loses, wins, 1 - loses - wins], size=400)
    covered = np.mean([paired(int(lost), int(won), examples).largest_drop >= loses - wins for lost, won, _ in draws])
    assert covered >= 0.95
