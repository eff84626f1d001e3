import dataclasses

import numpy as np
import pytest

from edgesoft.errors import UsageError
from edgesoft.exporting.gate import FLOAT_TOLERANCE, Gate, max_drop_for, paired_words
from edgesoft.inference.parity import compare
from edgesoft.model.heads import Softmax

N = 1000


def logits(targets, wrong=0):
    """Certain answers, the first `wrong` of them wrong."""
    answers = targets.copy()
    answers[:wrong] = (answers[:wrong] + 1) % 3
    return (5 * np.eye(3)[answers]).astype(np.float32)


@pytest.fixture
def targets(rng):
    return rng.integers(0, 3, N)


def test_equal_holds_every_gate(targets):
    parity = compare(logits(targets), logits(targets), Softmax(), targets)
    assert Gate(0).failures(parity, "float32") == Gate(0).failures(parity, "int8") == []


@pytest.mark.parametrize(
    ("shift", "holds"), [(9e-5, True), (2e-4, False), (float("nan"), False), (float("inf"), False)]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_float_gate_is_about_logits(targets, shift, holds):
    other = logits(targets)
    other[7] += np.float32(shift)
    assert (not Gate().failures(compare(logits(targets), other, Softmax(), targets), "float32")) == holds


def test_one_changed_label_misses_the_float_gate(targets):
    close = np.zeros((N, 3), np.float32)
    close[:, 0] = 1e-5
    other = close.copy()
    other[3, 1] = 2e-5
    assert Gate().failures(compare(close, other, Softmax(), targets), "float32") == [
        f"1 of {N} labels changed, allowed 0"
    ]


def paired(lost, won, examples):
    """A comparison in which so many examples are labelled rightly by one side only, and all others by both."""
    targets = np.zeros(examples, np.int64)
    reference, candidate = targets.copy(), targets.copy()
    candidate[:lost] = 1
    reference[lost : lost + won] = 2
    answers = (5 * np.eye(3)[labels].astype(np.float32) for labels in (reference, candidate))
    return compare(*answers, Softmax(), targets)


@pytest.mark.parametrize(
    ("lost", "won", "examples", "max_drop", "holds"),
    # By hand: chance loses 4 of 4 in 1/16 of all cases, 5 of 5 in 1/32, at least 8 of 10 in 56/1024, at least 9 of 10 in 11/1024.
    [
        (4, 0, 45, 0.1, True),
        (5, 0, 45, 0.1, False),
        (5, 0, 45, 11.2, True),  # 11.11 points
        (8, 2, 1000, 0.1, True),
        (9, 1, 1000, 0.1, False),
        (9, 1, 1000, 0.8, True),
        (9, 1, 1000, 0.79, False),
        (3, 2, 10_000, 0.1, True),
        (10, 0, 10_000, 0.1, True),  # no chance, and as much as is allowed
        (11, 0, 10_000, 0.1, False),
        (31, 19, 10_000, 0.1, True),  # more than is allowed, and chance: p = 0.06
        (300, 300, 10_000, 0.0, True),
        (0, 50, 1000, 0.0, True),  # fifty labels changed, all for the better
    ],
)
def test_the_int8_gate_asks_for_a_drop_that_is_too_large_and_no_chance(lost, won, examples, max_drop, holds):
    failures = Gate(max_drop).failures(paired(lost, won, examples), "int8")
    assert len(failures) == (not holds)


def test_what_a_miss_says():
    assert Gate().failures(paired(9, 1, 1000), "int8") == [
        "accuracy drops by 0.80 points, allowed 0.1, and chance explains no such loss (p = 0.01: 9 lost, 1 won)"
    ]


@pytest.mark.parametrize(
    ("lost", "won", "examples"), [(9, 1, 1000), (5, 0, 45), (12, 1, 317), (77, 3, 9999), (10, 0, 1000)]
)
def test_the_allowance_that_it_names_is_the_one_that_helps(lost, won, examples):
    parity = paired(lost, won, examples)
    named = max_drop_for(parity)
    assert Gate(named).failures(parity, "int8") == []
    assert Gate(named - 0.01).failures(parity, "int8") != []


def test_no_allowance_helps_where_logits_are_not_finite():
    assert max_drop_for(dataclasses.replace(paired(0, 0, 9), max_logit_difference=float("inf"))) is None


def test_few_examples_say_what_they_cannot_show():
    assert paired_words(paired(0, 0, 45)) == (
        "against float it lost 0 and won 0 of 45 test examples; they cannot exclude a loss of 7.9 points"
    )
    assert paired_words(paired(0, 0, 10_000)).endswith("they cannot exclude a loss of 0.038 points")
    assert paired_words(paired(0, 30, 100)).endswith("they cannot exclude a loss of 0 points")


def test_the_tolerance_itself_holds(targets):
    parity = compare(logits(targets), logits(targets), Softmax(), targets)
    assert not Gate().failures(dataclasses.replace(parity, max_logit_difference=FLOAT_TOLERANCE), "float32")


def test_without_true_labels_no_accuracy_is_lost(targets):
    parity = compare(logits(targets), logits(targets), Softmax())
    assert Gate(0).failures(parity, "int8") == []


def test_what_is_not_finite_misses_the_int8_gate(targets):
    parity = dataclasses.replace(
        compare(logits(targets), logits(targets), Softmax(), targets), max_logit_difference=float("nan")
    )
    assert Gate().failures(parity, "int8") == ["logits that are not finite"]


@pytest.mark.parametrize("wrong", [float("nan"), -0.1])
def test_an_allowance_that_means_nothing_is_a_usage_error(wrong):
    with pytest.raises(UsageError, match=f"--max-drop {wrong}"):
        Gate(wrong)
