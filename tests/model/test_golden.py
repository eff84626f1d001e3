import dataclasses
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesoft.errors import EdgesoftError
from edgesoft.model import golden as module
from edgesoft.model.golden import HEADER_LIMIT, Golden
from tests import hostile


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


SHAPES = {
    "inputs": ["uint8", 2, 3],
    "targets": ["int64", 2],
    "reference": ["float32", 2, 2],
    "expected": ["float32", 2, 2],
}
BODY = bytes(6) + np.array([0, 1]).tobytes() + np.arange(8, dtype=np.float32).tobytes()


def block(body=BODY, labels=("a", "b"), **shapes):
    """A block whose header says what it likes."""
    arrays = {name: shape for name, shape in {**SHAPES, **shapes}.items() if shape is not None}
    return hostile.golden_block({"labels": labels, "arrays": arrays}, body)


def text(content):
    return hostile.golden_text(zlib.compress(content))


def test_an_honest_block_by_hand():
    found = Golden.decode(block(labels=[1, "b"]), "here")
    assert found.labels == ("1", "b")
    assert found.targets.tolist() == [0, 1]
    assert found.expected.tolist() == [[4, 5], [6, 7]]
    assert found.page is None
    assert repr(found) == "Golden(2 x uint8 [3], 2 classes)"


def targets(*values):
    return block(bytes(6) + np.array(values).tobytes() + BODY[22:])


LIST, TABLE = "the right classes are no list as long as the inputs", "the logits are no table as long as the inputs"
REFUSED = {
    "another letter": ("*" + block(), "Only base64"),
    "no line": (text(b"{}"), "they have no header"),
    "a line too late": (text(b" " * HEADER_LIMIT + b"\n"), "they have no header"),
    "a list": (text(b"[]\n"), "they have no header"),
    "no arrays": (text(b'{"labels": []}\n'), "they have no header"),
    "arrays in a list": (text(b'{"arrays": []}\n'), "they have no header"),
    "deep": (text(b"[" * 100_000 + b"\n"), "recursion"),
    "no labels": (hostile.golden_block({"arrays": SHAPES}, BODY), "'labels'"),
    "labels that are none": (block(labels=3), "not iterable"),
    "no targets": (block(BODY[:6] + BODY[22:], targets=None), "'targets'"),
    "one array more": (block(BODY + b"1", other=["uint8", 1]), "unexpected keyword argument 'other'"),
    "a dtype that there is not": (block(inputs=["float64", 2, 3]), "inputs has another dtype or shape"),
    "no dtype": (block(inputs=[]), "not enough values"),
    "a size below 0": (block(inputs=["uint8", 2, -3]), "inputs has another dtype or shape"),
    "a size that is true": (block(inputs=["uint8", 6, True]), "inputs has another dtype or shape"),
    "a size that is a float": (block(inputs=["uint8", 2, 3.0]), "inputs has another dtype or shape"),
    "a size that is infinite": (block(inputs=["uint8", 2, float("inf")]), "inputs has another dtype or shape"),
    "none": (block(inputs=["uint8", 0, 3]), "there are none"),
    "a byte too few": (block(BODY[:-1]), "expected ends too soon"),
    "a byte too many": (block(BODY + b"1"), "bytes are left over"),
    "more than there is": (block(inputs=["uint8", 2, 2**70]), "inputs ends too soon"),
    "targets in a column": (block(targets=["int64", 2, 1]), LIST),
    "targets of fewer": (block(inputs=["uint8", 3, 2]), LIST),
    "targets in floats": (block(BODY[:6] + BODY[6:14] + BODY[22:], targets=["float32", 2]), LIST),
    "a target beyond": (targets(0, 2), "a right class is none of the labels"),
    "a target below": (targets(-1, 1), "a right class is none of the labels"),
    "a page in floats": (block(BODY + bytes(4), page=["float32", 1]), "the recorded page is no picture"),
    "what was seen in floats": (block(BODY + bytes(4), page_seen=["float32", 1]), "the recorded page is no picture"),
    **{
        f"{name}: {what}": (block(BODY + bytes(more), **{name: shape}), TABLE)
        for name in ("reference", "expected")
        for what, shape, more in (
            ("three axes", ["float32", 2, 2, 1], 0),
            ("one axis", ["float32", 4], 0),
            ("fewer rows", ["float32", 1, 4], 0),
            ("more rows", ["float32", 4, 1], 0),
            ("integers", ["int64", 2, 1], 0),
        )
    },
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_block(text, message):
    with pytest.raises(
        EdgesoftError, match="^here: the golden examples are damaged .* again: edgesoft export$"
    ) as caught:
        Golden.decode(text, "here")
    assert message in str(caught.value)


def test_the_message_is_one_short_line():
    with pytest.raises(EdgesoftError) as caught:
        Golden.decode(block(**{"a\nlong name " * 100: ["object", 1]}), "here")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 350


def test_no_more_is_unpacked_than_the_limit(golden, monkeypatch):
    text = golden.encode()
    size = len(zlib.decompress(hostile.base64.b64decode(text)))
    monkeypatch.setattr(module, "INFLATED_LIMIT", size)
    assert same(Golden.decode(text, "here"), golden)
    monkeypatch.setattr(module, "INFLATED_LIMIT", size - 1)
    with pytest.raises(EdgesoftError, match="^here: the golden examples unpack to more than"):
        Golden.decode(text, "here")


def test_a_page_travels_with_them(golden, rng):
    page = rng.integers(0, 256, (9, 7, 3), np.uint8)
    back = Golden.decode(dataclasses.replace(golden, page=page, page_seen=page[:4, :4, 0]).encode(), "here")
    np.testing.assert_array_equal(back.page, page)
    np.testing.assert_array_equal(back.page_seen, page[:4, :4, 0])
