"""Answers that should not be trusted."""

import dataclasses

import numpy as np
import pytest

from edgesoft.card import ModelCard
from edgesoft.device.doubt import Doubt
from edgesoft.errors import EdgesoftError
from edgesoft.pictures import PictureSpec, Seen
from edgesoft.pictures.spec import BLANK

CARD = ModelCard("m", ("a", "b"), PictureSpec(), (), doubt={"reject_below": 0.6, "statistics": None})
SEEN = Seen(np.zeros((28, 28), np.uint8))


def test_low_confidence_is_rejected_with_its_reason():
    assert Doubt.from_card(CARD).about(SEEN, 0.59) == (True, ("low confidence (59 %)",))
    assert Doubt.from_card(CARD).about(SEEN, 0.6) == (False, ())


def test_the_caller_may_set_the_limit():
    assert Doubt.from_card(CARD, 0.9).about(SEEN, 0.8).rejected
    assert not Doubt.from_card(CARD, 0.0).about(SEEN, 0.1).rejected


def test_a_blank_picture_is_rejected_however_sure_the_model_is():
    blank = dataclasses.replace(SEEN, warnings=(BLANK,))
    assert Doubt.from_card(CARD).about(blank, 1.0).rejected
    assert not Doubt.from_card(CARD, 0.0).about(blank, 1.0).rejected


def test_a_card_without_limits_rejects_nothing():
    assert Doubt.from_card(dataclasses.replace(CARD, doubt=None)).about(SEEN, 0.0) == (False, ())


@pytest.mark.parametrize("limit", [-0.1, 1.1, "0.5", None])
def test_a_limit_that_is_no_probability_is_an_error(limit):
    card = dataclasses.replace(CARD, doubt={"reject_below": limit})
    with pytest.raises(EdgesoftError, match="reject_below"):
        Doubt.from_card(card)
