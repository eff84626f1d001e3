"""Labels of arrays and files: one kind, one class a label, and whatever is accepted makes a card."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesoft.data.arrays import from_arrays
from edgesoft.data.labels import in_order
from edgesoft.errors import EdgesoftError
from edgesoft.escape import csv_cell, printable
from edgesoft.model.card import ModelCard
from edgesoft.model.golden import Golden
from edgesoft.training.provenance import card_of
from edgesoft.training.settings import TrainSettings
from tests.test_names import GOOD, HOSTILE

X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)


def load(y, **options):
    return from_arrays({"train": (X, y)}, **options)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, "1"] * 20, "labels mix int .1 in row 0 of train. and str .'1' in row 1"),
        ([True, 1] * 20, "labels mix bool .* and int"),
        ([None, "a"] * 20, "row 0 is None"),
        ([b"a", b"b"] * 20, "is b'a'.*decode them"),
        (np.array([b"a", b"b"] * 20), "is b'a'.*decode them"),
        (np.array(["a", None] * 20, object), "row 1 is None"),
        ([0.5, 1.0] * 20, "row 0 is 0.5.*a quantity is no class"),
        (np.array([2.0**53 + 2, 1.0] * 20), "9007199254740994.0.*float64 does not tell such numbers apart"),
        (np.array([2.0**24 + 2, 1.0] * 20, np.float32), "16777218.0.*float32 does not tell such numbers apart"),
        ([float("nan"), 1.0] * 20, "row 0 is nan"),
        ([10**400, 1] * 20, "row 0 is int"),
        (np.ma.array([1, 2] * 20, mask=[0, 1] * 20), "20 values are masked"),
        (np.array(["2020", "2021"] * 20, "M8[Y]"), "labels are datetime64"),
        (np.array([1j, 2] * 20), "labels are complex128"),
        ([[0], [1, 2]] * 20, "is list"),
        (np.frombuffer(b"\xff" * 160, "<U1"), "expected labels in one row"),
        (["é", "e\u0301"] * 20, "look alike"),
    ],
    ids=lambda value: "array" if isinstance(value, np.ndarray) else ascii(value)[:40],
)
def test_labels_of_no_kind_or_of_several(labels, message):
    with pytest.raises(EdgesoftError, match=message) as caught:
        load(labels)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([1.0, 2.0] * 20, ("1", "2")),
        (np.ma.array([1, 2] * 20), ("1", "2")),
        (np.array([0, 1] * 20, object), ("0", "1")),
        (np.array([2**64 - 1, 1] * 20, np.uint64), ("1", str(2**64 - 1))),
        ([2**63 - 1, 2**63 - 2] * 20, (str(2**63 - 2), str(2**63 - 1))),
        ([False, True] * 20, ("False", "True")),
        ([[0], [1]] * 20, ("0", "1")),
        ((np.str_("b"), "a") * 20, ("a", "b")),
    ],
    ids=lambda value: "array" if isinstance(value, np.ndarray) else ascii(value)[:40],
)
def test_labels_that_are_told_apart(labels, names):
    assert load(labels).labels == names


def test_splits_must_have_labels_of_one_kind():
    with pytest.raises(EdgesoftError, match="mix int .* and bool .* of test"):
        from_arrays({"train": (X, [0, 1] * 20), "test": (X, [False, True] * 20)})


def test_masked_inputs_are_not_silently_unmasked():
    with pytest.raises(EdgesoftError, match=r"train: 3 values are masked"):
        from_arrays({"train": (np.ma.array(X, mask=np.arange(80).reshape(40, 2) < 3), [0, 1] * 20)})


@pytest.mark.parametrize(
    "options",
    [
        {"labels": ["a"] * 2},
        {"labels": "ab"},
        {"labels": [0, 1]},
        {"labels": [b"a", b"b"]},
        {"labels": 5},
        {"labels": np.array([["a", "b"]])},
        {"feature_names": ["a", ""]},
        {"feature_names": ["a", "a"]},
        {"feature_names": ["é", "e\u0301"]},
        {"feature_names": [None, "a"]},
        {"feature_names": ["a", "b", "c"]},
        *({argument: [name, "b"]} for argument in ("labels", "feature_names") for name in HOSTILE),
        *({"name": name} for name in HOSTILE if name != ""),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_names_from_a_caller_are_checked(options):
    with pytest.raises(EdgesoftError) as caught:
        load([0, 1] * 20, **options)
    assert printable(str(caught.value)) == str(caught.value)


def test_numbers_in_a_file_are_compared_with_all_their_digits():
    big = ["9007199254740993", "9007199254740992", "10", "9", "-1", "nan", "?"]
    assert in_order(big, numeric=True) == ("?", "nan", "-1", "9", "10", "9007199254740992", "9007199254740993")
    assert in_order(["b", "a", "10", "9"], numeric=False) == ("10", "9", "a", "b")
    for twins in (["1", "1.0"], ["1e3", "1000"], ["01", "1"], ["0", "-0"]):
        with pytest.raises(ValueError, match="are the same number"):
            in_order([*twins, "5"], numeric=True)


LABEL = (
    st.text(max_size=6)
    | st.sampled_from([*GOOD, *HOSTILE])
    | st.text(st.sampled_from("aé\u0301ا\u200d\u200c\ufe0f👩 \xa0\n"))
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LABEL, min_size=2, max_size=4, unique=True))
def test_whatever_the_data_accept_makes_a_card_that_comes_back(labels):
    """So `train` never accepts what `export` refuses."""
    try:
        data = load([labels[index % len(labels)] for index in range(40)])
    except EdgesoftError as error:
        assert printable(str(error)) == str(error)
        return
    assert sorted(data.labels) == sorted(labels)
    card = card_of(data, TrainSettings(hidden=(), batch_norm=False))
    back = ModelCard.from_json(card.to_json().encode(), "here")
    assert (back.labels, back.name, back.input) == (card.labels, card.name, card.input)
    logits = np.zeros((1, len(labels)), np.float32)
    golden = Golden(data.labels, X[:1], np.zeros(1, np.int64), logits, logits)
    assert Golden.decode(golden.encode(), "here").labels == data.labels
    for label in labels:
        assert printable(label) == label
        cell = csv_cell(label)
        assert (json.loads(cell) if cell.startswith('"') else cell) == label


def test_more_names_than_fit_into_a_model_file_are_refused_before_the_work():
    names = [f"{'x' * 490}{number}" for number in range(5000)]
    data = from_arrays({"train": (np.zeros((40, 5000), np.float32), [0, 1] * 20)}, feature_names=names)
    with pytest.raises(EdgesoftError, match="more than fit into a model file"):
        card_of(data, TrainSettings(hidden=(), batch_norm=False))
