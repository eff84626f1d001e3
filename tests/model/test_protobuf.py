"""The wire format, by messages that are put together by hand."""

import pytest

from edgesoft.model.protobuf import MOST_FIELDS, ForeignError, Message
from tests.hostile import field, varint


def message(content, **options):
    options = {"singles": {1, 2, 16}, "repeated": {3}, **options}
    return Message(memoryview(content), "Thing", **options)


def test_what_stands_once():
    found = message(field(1, 300) + field(2, "ü".encode()) + field(16, b"\xff"))
    assert found.number(1) == 300
    assert found.text(2) == "ü"
    assert bytes(found.view(16)) == b"\xff"


def test_what_is_absent():
    found = message(b"")
    assert (found.number(1), found.text(2), bytes(found.view(2))) == (0, "", b"")
    assert (found.numbers(3), found.views(3), found.texts(3)) == ([], [], ())
    assert found.messages(3, "Part", singles={1}) == []
    with pytest.raises(ForeignError, match="^Thing has no Part$"):
        found.message(2, "Part", singles={1})


def test_what_stands_often_one_by_one_or_packed():
    numbers = [0, 1, 127, 128, 300, 2**40]
    assert message(b"".join(field(3, number) for number in numbers)).numbers(3) == numbers
    packed = field(3, b"".join(map(varint, numbers)))
    assert message(packed).numbers(3) == numbers
    assert message(field(3, 5) + packed + field(3, 6)).numbers(3) == [5, *numbers, 6]
    assert message(field(3, b"a") + field(3, b"b")).texts(3) == ("a", "b")


def test_messages_in_messages():
    part = field(1, 7) + field(4, b"x")
    found = message(field(2, part) + field(3, part) + field(3, b""))
    one = found.message(2, "Part", singles={1}, repeated={4})
    assert (one.number(1), one.text(4)) == (7, "x")
    assert [item.number(1) for item in found.messages(3, "Part", singles={1}, repeated={4})] == [7, 0]
    with pytest.raises(ForeignError, match="^Part has field 4, which edgesoft never writes$"):
        found.message(2, "Part", singles={1})
    with pytest.raises(ForeignError, match="^Part has field 1, which edgesoft never writes$"):
        found.messages(3, "Part", singles=set(), repeated={4})
    with pytest.raises(ForeignError, match="^Part has more than 1 fields$"):
        found.message(2, "Part", singles={1}, repeated={4}, most=1)


@pytest.mark.parametrize("number", [0, 2**7 - 1, 2**7, 2**14, 2**63 - 1, 2**64 - 1])
def test_numbers_of_every_length(number):
    assert message(field(1, number)).number(1) == number


TRUNCATED, DAMAGED = "^it ends in the middle: truncated, or no ONNX file$", "^it is no ONNX file, or a damaged one$"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"\x80", TRUNCATED),
        (b"\x08", TRUNCATED),
        (b"\x08\x80", TRUNCATED),
        (b"\x12", TRUNCATED),
        (field(2, b"text")[:-1], TRUNCATED),
        (field(1, 1) + field(2, b"text")[:-1], TRUNCATED),
        (b"\x12" + varint(2**63), TRUNCATED),
        (b"\x08" + b"\x80" * 10 + b"\x01", DAMAGED),
        *((bytes([1 << 3 | kind]) + bytes(8), DAMAGED) for kind in (1, 3, 4, 5, 6, 7)),
        (field(5, 1), "^Thing has field 5, which edgesoft never writes$"),
        (field(5, b""), "^Thing has field 5, which edgesoft never writes$"),
        (field(1, 1) + field(1, 1), "^Thing has field 1 twice$"),
        (field(2, b"") + field(2, b""), "^Thing has field 2 twice$"),
    ],
)
def test_what_is_no_such_message(content, match):
    with pytest.raises(ForeignError, match=match):
        message(content)


def test_the_last_byte_may_be_the_last():
    assert bytes(message(field(2, b"text")).view(2)) == b"text"
    assert message(field(2, b"text") + field(1, 1)).number(1) == 1


def test_fields_of_another_kind_than_is_asked_for():
    with pytest.raises(ForeignError, match="^Thing has a number in field 3$"):
        message(field(3, b"x") + field(3, 1)).views(3)
    with pytest.raises(ForeignError, match="^Thing has bytes that are no text in field 3$"):
        message(field(3, b"x") + field(3, b"\xff")).texts(3)
    with pytest.raises(ForeignError, match=TRUNCATED):
        message(field(3, b"\x80")).numbers(3)


@pytest.mark.parametrize("most", [1, 3, None])
def test_no_more_than_is_allowed(most):
    options, most = ({}, MOST_FIELDS) if most is None else ({"most": most}, most)
    assert len(message(field(3, 1) * most, **options).numbers(3)) == most
    assert len(message(field(3, b"\x01" * most), **options).numbers(3)) == most
    with pytest.raises(ForeignError, match=f"^Thing has more than {most} fields$"):
        message(field(3, 1) * (most + 1), **options)
    with pytest.raises(ForeignError, match=f"^Thing has more than {most} numbers in field 3$"):
        message(field(3, b"\x01" * (most + 1)), **options).numbers(3)
