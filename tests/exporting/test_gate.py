import dataclasses

import numpy as np
import pytest

from edgesoft.errors import UsageError
from edgesoft.exporting.gate import FLOAT_TOLERANCE, Gate
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


@pytest.mark.parametrize(
    ("wrong", "max_drop", "failures"), [(1, 0.1, 0), (2, 0.1, 1), (2, 0.2, 0), (5, 1, 0), (6, 1, 1), (6, 0.1, 2)]
)
def test_the_int8_gate_is_about_accuracy_and_labels(targets, wrong, max_drop, failures):
    parity = compare(logits(targets), logits(targets, wrong), Softmax(), targets)
    assert len(Gate(max_drop).failures(parity, "int8")) == failures


def test_labels_that_changed_for_the_better_count_as_well(targets):
    parity = compare(logits(targets, 50), logits(targets), Softmax(), targets)
    assert Gate().failures(parity, "int8") == ["50 of 1000 labels changed, allowed 0.5 %"]


def test_the_tolerance_itself_holds(targets):
    parity = compare(logits(targets), logits(targets), Softmax(), targets)
    assert not Gate().failures(dataclasses.replace(parity, max_logit_difference=FLOAT_TOLERANCE), "float32")


def test_the_drop_is_in_percentage_points(targets):
    parity = compare(logits(targets), logits(targets, 5), Softmax(), targets)
    assert Gate().failures(parity, "int8") == ["accuracy drops by 0.50 points, allowed 0.1"]


@pytest.mark.parametrize(("changed", "failures"), [(0, 0), (1, 0), (2, 1)])
def test_one_example_may_always_change_its_label(targets, changed, failures):
    """Of a hundred it is 1 %."""
    few = targets[:100]
    parity = compare(logits(few), logits(few, changed), Softmax(), few)
    assert len(Gate(100).failures(parity, "int8")) == failures


def test_without_true_labels_no_accuracy_is_lost(targets):
    parity = compare(logits(targets), logits(targets), Softmax())
    assert Gate(0).failures(parity, "int8") == []
    assert Gate(-0.05).failures(parity, "int8") == ["accuracy drops by 0.00 points, allowed -0.05"]


def test_what_is_not_finite_misses_the_int8_gate(targets):
    parity = dataclasses.replace(
        compare(logits(targets), logits(targets), Softmax(), targets), max_logit_difference=float("nan")
    )
    assert Gate().failures(parity, "int8") == ["logits that are not finite"]


def test_an_allowance_that_is_no_number_is_a_usage_error():
    with pytest.raises(UsageError, match="max drop nan"):
        Gate(float("nan"))
