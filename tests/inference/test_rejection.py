"""Answers that should not be trusted."""

import dataclasses

import numpy as np
import pytest

from edgesoft.errors import UsageError
from edgesoft.inference.rejection import energy_score, judge, limits
from edgesoft.model.card import ModelCard, Rejection
from edgesoft.model.inputs import PictureInput

CARD = ModelCard("m", ("a", "b"), PictureInput(), (), rejection=Rejection(0.6, 2.0))
USUAL, STRANGE = 9.0, 1.3


def test_low_confidence_is_rejected_with_its_reason():
    assert judge(limits(CARD), 0.59, USUAL) == (True, ("low confidence (59 %)",))
    assert judge(limits(CARD), 0.6, USUAL) == (False, ())


def test_the_caller_may_set_the_limit():
    assert judge(limits(CARD, 0.9), 0.8, USUAL).rejected
    assert not judge(limits(CARD, 0.0), 0.1, USUAL).rejected
    assert limits(CARD, 1) == Rejection(1.0, 2.0)


def test_an_unfamiliar_input_is_rejected_however_sure_the_model_is():
    assert judge(limits(CARD), 1.0, USUAL, is_unfamiliar=True).rejected
    assert not judge(limits(CARD, 0.0), 1.0, USUAL, is_unfamiliar=True).rejected


def test_an_unfamiliar_input_is_rejected_where_no_limit_of_confidence_is_known():
    assert judge(Rejection(), 1.0, USUAL, is_unfamiliar=True).rejected
    assert not judge(
        limits(dataclasses.replace(CARD, rejection=Rejection()), 0), 1.0, USUAL, is_unfamiliar=True
    ).rejected


def test_a_strange_picture_is_rejected_however_sure_the_model_is():
    assert judge(limits(CARD), 0.99, STRANGE, noun="picture") == (
        True,
        ("the picture does not look like the training data",),
    )
    assert not judge(limits(CARD), 0.99, 2.0).rejected


def test_the_energy_score_is_the_logarithm_of_the_sum_of_exponentials():
    logits = np.array([[0.5, -1.0, 2.0], [1000.0, 0.0, 0.0]], np.float32)
    assert energy_score(logits) == pytest.approx([np.log(np.exp([0.5, -1.0, 2.0]).sum()), 1000.0])


def test_a_card_without_limits_rejects_nothing():
    assert judge(limits(dataclasses.replace(CARD, rejection=Rejection())), 0.0, STRANGE) == (False, ())


@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan")])
def test_a_limit_of_the_callers_that_is_no_probability_is_an_error(limit):
    with pytest.raises(UsageError, match="probability from 0 to 1"):
        limits(CARD, limit)
