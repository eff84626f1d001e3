import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesoft.errors import EdgesoftError
from edgesoft.model.golden import Golden


@pytest.fixture
def golden(rng):
    logits = rng.normal(size=(5, 3)).astype(np.float32)
    return Golden(("a", "b", "ü"), rng.integers(0, 256, (5, 4, 4), np.uint8), np.arange(5) % 3, logits, logits + 1)


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("inputs", "targets", "reference", "expected")
    )


def test_there_and_back(golden):
    back = Golden.decode(golden.encode(), "here")
    assert back.labels == golden.labels
    assert same(back, golden)
    assert [array.dtype for array in (back.inputs, back.targets, back.expected)] == [np.uint8, np.int64, np.float32]
    assert len(back) == 5


def test_the_same_examples_give_the_same_text(golden):
    turned = dataclasses.replace(
        golden, inputs=np.asfortranarray(golden.inputs), reference=golden.reference.astype(">f4")
    )
    assert turned.encode() == golden.encode() == Golden.decode(golden.encode(), "x").encode()


def test_the_text_is_plain_ascii(golden):
    assert golden.encode().isascii()


def test_floats_come_back_bit_for_bit(golden):
    odd = np.array([[-0.0, np.inf, np.nan], [1e-45, 3.4e38, -np.inf]] * 2 + [[0, 0, 0]], np.float32)
    back = Golden.decode(dataclasses.replace(golden, expected=odd).encode(), "here")
    assert back.expected.tobytes() == odd.tobytes()


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_letter_is_an_error_or_harmless(place, letter):
    logits = np.ones((2, 2), np.float32)
    golden = Golden(("a", "b"), np.ones((2, 3), np.uint8), np.array([0, 1]), logits, logits)
    text = golden.encode()
    place %= len(text)
    try:
        back = Golden.decode(text[:place] + chr(letter) + text[place + 1 :], "here")
    except EdgesoftError as error:
        assert "\n" not in str(error)
    else:
        assert same(back, golden)


def test_truncated_is_an_error(golden):
    text = golden.encode()
    for length in range(0, len(text), 4):
        with pytest.raises(EdgesoftError, match="^here: the golden examples are damaged"):
            Golden.decode(text[:length], "here")
