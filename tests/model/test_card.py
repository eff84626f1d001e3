import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesoft.errors import EdgesoftError
from edgesoft.model.card import CARD_LIMIT, ModelCard, Quantization, Rejection, Scheme, StatedParity, Training
from edgesoft.model.heads import Sigmoid
from edgesoft.model.inputs import PictureInput

CARD = ModelCard(
    name="mnist",
    labels=("a", "b", "ü"),
    input=PictureInput(),
    hidden=(5, 4),
    rejection=Rejection(0.5, -1.25),
    training=Training("mnist", "ab12", outliers=True, settings={"seed": 1}),
    quantization=Quantization(Scheme(per_channel=True), 100, (1.5, 2.5)),
    parity=StatedParity(10, 0.5, 0.25, 1, 0.9, 1.0),
)
YES_OR_NO = ModelCard("yes", ("no", "yes"), PictureInput(), (), head=Sigmoid(2.0, 0.25))


def part(name, **changes):
    """A field of the card with changes inside of it."""
    document = {**json.loads(CARD.to_json())[name], **changes}
    return {name: {key: value for key, value in document.items() if value is not ...}}


def damaged(**changes):
    document = json.loads(CARD.to_json())
    document.update(changes)
    return json.dumps({key: value for key, value in document.items() if value is not ...}, default=lambda _: None)


def test_there_and_back():
    assert ModelCard.from_json(CARD.to_json(), "here") == CARD
    assert ModelCard.from_json(YES_OR_NO.to_json(), "here") == YES_OR_NO
    assert ModelCard.from_json(CARD.to_json().encode(), "here") == CARD


def test_the_same_card_gives_the_same_bytes_whatever_the_order():
    turned = dataclasses.replace(CARD, metrics={"b": 2, "a": 1})
    assert turned.to_json() == dataclasses.replace(CARD, metrics={"a": 1, "b": 2}).to_json()


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
        ({"labels": ["a", 1]}, "label 1 is int"),
        ({"labels": ["a", "a"]}, "two labels are named 'a'"),
        ({"labels": ["e\u0301", "\xe9"]}, "look alike"),
        ({"labels": ["a", ""]}, "is empty"),
        ({"labels": ["a", "b\nc"]}, "a line break"),
        ({"labels": ["a", "\x1b[31mred"]}, "a control character"),
        ({"labels": ["a", "\ud800"]}, "half a character"),
        ({"labels": ...}, "'labels' is missing"),
        ({"hidden": [0]}, "positive integers"),
        ({"hidden": [True]}, "positive integers"),
        ({"hidden": [2.0]}, "positive integers"),
        ({"hidden": None}, "positive integers"),
        *(
            (part("head", temperature=value), "temperature must be a positive number")
            for value in (0.0, -1.0, 1, "1", True, None, float("nan"), float("inf"))
        ),
        ({"head": ...}, "'head' is missing"),
        ({"head": "softmax"}, "head must be an object"),
        (part("head", kind="linear"), "unknown head 'linear'"),
        (part("head", kind=...), "'kind' is missing"),
        (part("head", threshold=0.5), "threshold"),  # softmax has none
        ({"head": {"kind": "sigmoid"}}, "head 'sigmoid' with 3 labels"),
        *(
            (
                {"labels": ["a", "b"], "head": {"kind": "sigmoid", "threshold": value}},
                "threshold must be a number between",
            )
            for value in (0.0, 1.0, 0, "0.5", float("nan"))
        ),
        ({"rejection": ...}, "'rejection' is missing"),
        *((part("rejection", min_confidence=value), "a confidence from 0 to 1") for value in (-0.1, 1.1, 1, "x")),
        *(
            (part("rejection", min_energy_score=value), "a finite energy")
            for value in (0, "x", float("inf"), float("nan"))
        ),
        ({"training": []}, "training must be an object"),
        (part("training", data_sha256=...), "'data_sha256' is missing"),
        (part("training", data_sha256=1), "training must name its data"),
        (part("training", data=None), "training must name its data"),
        (part("training", outliers=1), "whether there were outliers"),
        *(
            (part("training", **{name: []}), "training must hold objects")
            for name in ("examples", "settings", "versions")
        ),
        (part("training", extra=1), "unknown field 'extra'"),
        ({"metrics": None}, "metrics"),
        ({"quantization": "int8"}, "damaged"),
        (part("quantization", scheme=...), "'scheme' is missing"),
        (part("quantization", scheme={"weight_bits": 4}), "no such scheme"),
        (part("quantization", scheme={"weight_bits": 7.0}), "no such scheme"),
        (part("quantization", scheme={"weight_bits": 8, "per_channel": 1}), "no such scheme"),
        (part("quantization", scheme={"float_last": None}), "no such scheme"),
        (part("quantization", examples=0), "must count its examples"),
        (part("quantization", examples=True), "must count its examples"),
        (part("quantization", activation_maxima=[1]), "a list of maxima"),
        (part("quantization", activation_maxima=3.0), "a list of maxima"),
        (part("quantization", finishing_steps=-1), "count its finishing steps"),
        (part("quantization", finishing_steps=True), "count its finishing steps"),
        ({"parity": 3}, "parity must be an object"),
        (part("parity", examples=1.0), "parity must hold counts"),
        (part("parity", accuracy=None), "parity must hold numbers"),
        (part("parity", max_logit_difference="0"), "parity must hold numbers"),
        ({"extra": 3}, "unknown field 'extra'"),
        ({"input": None}, "damaged"),
        ({"metrics": {"\ud800": 1}}, "surrogates not allowed"),
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


def test_the_bounds_of_each_field_belong_to_it():
    assert Quantization(Scheme(weight_bits=8), 1, ()).examples == 1
    assert dataclasses.replace(CARD, hidden=(1,)).hidden == (1,)
    assert [Rejection(confidence).min_confidence for confidence in (0.0, 1.0)] == [0, 1]
    text = CARD.to_json()
    assert ModelCard.from_json(text.ljust(CARD_LIMIT), "here") == CARD
    for bits in (6, 9):
        with pytest.raises(ValueError, match="no such scheme"):
            Scheme(weight_bits=bits)
    with pytest.raises(ValueError, match="a list of maxima"):
        Quantization(Scheme(), 1, (1.0, 2))


def test_what_a_card_says_of_its_model():
    assert (CARD.outputs, CARD.precision) == (3, "int8")
    assert (YES_OR_NO.outputs, YES_OR_NO.precision) == (1, "float32")


@pytest.mark.parametrize(
    ("scheme", "words", "same"),
    [
        (Scheme(), "7-bit weights per tensor", True),
        (Scheme(per_channel=True), "7-bit weights per channel", True),
        (Scheme(weight_bits=8), "8-bit weights per tensor", False),
        (Scheme(per_channel=True, float_last=True), "7-bit weights per channel, last layer in float", False),
    ],
)
def test_a_scheme_in_words_and_where_its_bits_are_the_same(scheme, words, same):
    assert str(scheme) == words
    assert scheme.same_bits_everywhere is same


def test_a_card_is_compact_text_without_what_json_has_not():
    text = YES_OR_NO.to_json()
    assert '"head":{"kind":"sigmoid","temperature":2.0,"threshold":0.25}' in text
    assert " " not in text
    assert '"ü"' in CARD.to_json()
    with pytest.raises(ValueError, match="JSON"):
        dataclasses.replace(CARD, metrics={"loss": float("nan")}).to_json()


def test_the_message_says_what_is_wrong_and_nothing_else():
    with pytest.raises(EdgesoftError) as caught:
        ModelCard.from_json(damaged(hidden=[0]), "m.onnx")
    assert (
        str(caught.value)
        == "m.onnx: the model card is damaged (hidden must be a list of positive integers). Export the model again"
    )


def test_what_has_a_default_may_be_absent():
    text = damaged(metrics=..., **part("training", settings=..., versions=..., examples=...))
    card = ModelCard.from_json(text, "here")
    assert card.metrics == card.training.settings == card.training.versions == card.training.examples == {}


@pytest.mark.parametrize("letter", ["\n", "\x85", "\u2028", "\u2029", "\ud800"])
def test_a_name_is_one_line(letter):
    for changes in ({"name": f"a{letter}b"}, {"labels": ["a", f"b{letter}"]}, part("training", data=f"a{letter}b")):
        with pytest.raises(EdgesoftError, match="is damaged"):
            ModelCard.from_json(damaged(**changes), "here")
