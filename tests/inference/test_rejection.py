"""Answers that should not be trusted."""

import dataclasses

import numpy as np
import pytest

from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.inference.rejection import Doubt, energy_score
from edgesoft.model.card import ModelCard
from edgesoft.pictures import PictureSpec, Seen
from edgesoft.pictures.spec import BLANK

CARD = ModelCard("m", ("a", "b"), PictureSpec(), (), doubt={"reject_below": 0.6, "familiar_above": 2.0})
SEEN = Seen(np.zeros((28, 28), np.uint8))
FAMILIAR, FOREIGN = 9.0, 1.3


def test_low_confidence_is_rejected_with_its_reason():
    assert Doubt.from_card(CARD).about(SEEN, 0.59, FAMILIAR) == (True, ("low confidence (59 %)",))
    assert Doubt.from_card(CARD).about(SEEN, 0.6, FAMILIAR) == (False, ())


def test_the_caller_may_set_the_limit():
    assert Doubt.from_card(CARD, 0.9).about(SEEN, 0.8, FAMILIAR).rejected
    assert not Doubt.from_card(CARD, 0.0).about(SEEN, 0.1, FAMILIAR).rejected


def test_a_blank_picture_is_rejected_however_sure_the_model_is():
    blank = dataclasses.replace(SEEN, warnings=(BLANK,))
    assert Doubt.from_card(CARD).about(blank, 1.0, FAMILIAR).rejected
    assert not Doubt.from_card(CARD, 0.0).about(blank, 1.0, FAMILIAR).rejected


def test_an_unfamiliar_picture_is_rejected_however_sure_the_model_is():
    doubts = Doubt.from_card(CARD).about(SEEN, 0.99, FOREIGN)
    assert doubts == (True, ("the picture does not look like the training data",))


def test_familiarity_is_the_logarithm_of_the_sum_of_exponentials():
    logits = np.array([[0.5, -1.0, 2.0], [1000.0, 0.0, 0.0]], np.float32)
    assert energy_score(logits) == pytest.approx([np.log(np.exp([0.5, -1.0, 2.0]).sum()), 1000.0])


def test_a_card_without_limits_rejects_nothing():
    assert Doubt.from_card(dataclasses.replace(CARD, doubt=None)).about(SEEN, 0.0, FAMILIAR) == (False, ())


@pytest.mark.parametrize("limit", [-0.1, 1.1, "0.5", None])
def test_a_limit_that_is_no_probability_is_an_error(limit):
    card = dataclasses.replace(CARD, doubt={"reject_below": limit, "familiar_above": 0.0})
    with pytest.raises(EdgesoftError, match="limits of doubt"):
        Doubt.from_card(card)


@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan")])
def test_so_is_one_of_the_callers(limit):
    with pytest.raises(UsageError, match="probability from 0 to 1"):
        Doubt.from_card(CARD, limit)
