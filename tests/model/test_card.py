import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesoft.errors import EdgesoftError
from edgesoft.model.card import CARD_LIMIT, ModelCard
from edgesoft.pictures.spec import PictureSpec

CARD = ModelCard(name="mnist", labels=("a", "b", "ü"), input=PictureSpec(), hidden=(5, 4), training={"seed": 1})


def damaged(**changes):
    document = json.loads(CARD.to_json())
    document.update(changes)
    return json.dumps({key: value for key, value in document.items() if value is not ...}, default=lambda _: None)


def test_there_and_back():
    assert ModelCard.from_json(CARD.to_json(), "here") == CARD
    assert ModelCard.from_json(CARD.to_json().encode(), "here") == CARD


def test_the_same_card_gives_the_same_bytes_whatever_the_order():
    turned = dataclasses.replace(CARD, training={"b": 2, "a": 1})
    assert turned.to_json() == dataclasses.replace(CARD, training={"a": 1, "b": 2}).to_json()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "schema version 'None'"),
        ('{"schema_version": 99}', "schema version '99', this edgesoft reads version 1"),
        ('{"schema_version": "' + "9" * 9999 + '"}', "schema version '99999999999999999999',"),
        ('{"schema_version": 1}', "is missing"),
        ('"' + "x" * CARD_LIMIT + '"', "is larger than"),
    ],
)
def test_what_is_no_card(text, match):
    with pytest.raises(EdgesoftError, match=match) as caught:
        ModelCard.from_json(text, "model.onnx")
    assert str(caught.value).startswith("model.onnx: ")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"name": ""}, "name"),
        ({"name": 3}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"labels": ["a"]}, "at least two"),
        ({"labels": "ab"}, "at least two"),
        ({"labels": ["a", 1]}, "at least two"),
        ({"labels": ["a", "a"]}, "differ"),
        ({"labels": ["a", "b\nc"]}, "at least two words"),
        ({"labels": ["a", "\x1b[31mred"]}, "at least two words"),
        ({"labels": ["a", "\ud800"]}, "at least two words"),
        ({"labels": ...}, "'labels' is missing"),
        ({"hidden": [0]}, "positive integers"),
        ({"hidden": [True]}, "positive integers"),
        ({"hidden": [2.0]}, "positive integers"),
        ({"hidden": None}, "positive integers"),
        ({"precision": "int4"}, "int4"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"training": []}, "training"),
        ({"metrics": None}, "metrics"),
        ({"parity": 3}, "parity"),
        ({"extra": 3}, "unknown field 'extra'"),
        ({"input": None}, "damaged"),
        ({"input": {"kind": "sound"}}, "kind"),
        ({"input": {"kind": "pixels", "height": "28"}}, "height"),
        ({"input": {"kind": "pixels", "height": 10**9}}, "expected 1 to 1024"),
        ({"input": {"kind": "pixels", "tallness": 28}}, "tallness"),
        ({"input": {"kind": "pixels", "stroke_low": 10**400}}, "damaged"),
    ],
)
def test_a_wrong_field_is_named_with_the_file(changes, match):
    with pytest.raises(EdgesoftError, match=match) as caught:
        ModelCard.from_json(damaged(**changes), "model.onnx")
    assert str(caught.value).startswith("model.onnx: the model card is damaged (")
    assert "\n" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    ),
    st.sampled_from(sorted(json.loads(CARD.to_json()))),
)
def test_any_value_in_any_field_is_a_card_or_one_clear_error(value, field):
    text = damaged(**{field: value})
    try:
        card = ModelCard.from_json(text, "model.onnx")
    except EdgesoftError as error:
        assert "\n" not in str(error)
    else:
        assert len(card.labels) >= 2
