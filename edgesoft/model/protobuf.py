"""The protobuf wire format, read strictly: just enough to take an ONNX file apart without the onnx package.

Source: the encoding guide, https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

MOST_FIELDS = 256
"""Fields that one message may hold, unless it says otherwise: each costs a device a hundred bytes, however small it is in the file."""


class ForeignError(Exception):
    """The file has a form that edgesoft never writes."""


class Message:
    """One protobuf message whose every field is expected.

    Parameters
    ----------
    view
        The encoded message.
    name
        Its type in onnx.proto, for the messages.
    singles, repeated
        The field numbers that may stand at most once, and any number of times.
    most
        How many fields it may hold, and how many numbers one packed field.

    Raises
    ------
    ForeignError
        The bytes are no protobuf message, or hold another field, or a single field twice, or too many.
    """

    def __init__(
        self,
        view: memoryview,
        name: str,
        *,
        singles: Set[int],
        repeated: Set[int] = frozenset(),
        most: int = MOST_FIELDS,
    ) -> None:
        self._name, self._most = name, most
        self._fields: dict[int, list[int | memoryview]] = {}
        for count, (number, value) in enumerate(_fields(view), 1):
            if count > most:
                raise ForeignError(f"{name} has more than {most:,} fields")
            if number not in singles and number not in repeated:
                raise ForeignError(f"{name} has field {number}, which edgesoft never writes")
            values = self._fields.setdefault(number, [])
            # Protobuf would merge the copies of a field that stands once; two readers could then see two models.
            if values and number in singles:
                raise ForeignError(f"{name} has field {number} twice")
            values.append(value)

    def views(self, number: int) -> list[memoryview]:
        """All values of a field of bytes, text or messages."""
        views = []
        for value in self._fields.get(number, []):
            if not isinstance(value, memoryview):
                raise ForeignError(f"{self._name} has a number in field {number}")
            views.append(value)
        return views

    def view(self, number: int) -> memoryview:
        """The value of a single field of bytes; empty when it is absent."""
        return next(iter(self.views(number)), memoryview(b""))

    def numbers(self, number: int) -> list[int]:
        """All values of a field of integers, which may stand one by one or packed."""
        numbers: list[int] = []
        for value in self._fields.get(number, []):
            if isinstance(value, int):
                numbers.append(value)
                continue
            position = 0
            while position < len(value):
                item, position = _varint(value, position)
                numbers.append(item)
                if len(numbers) > self._most:
                    raise ForeignError(f"{self._name} has more than {self._most:,} numbers in field {number}")
        return numbers

    def number(self, number: int) -> int:
        """The value of a single integer field; 0 when it is absent."""
        return next(iter(self.numbers(number)), 0)

    def texts(self, number: int) -> tuple[str, ...]:
        """All values of a text field."""
        try:
            return tuple(str(view, "utf-8") for view in self.views(number))
        except UnicodeDecodeError:
            raise ForeignError(f"{self._name} has bytes that are no text in field {number}") from None

    def text(self, number: int) -> str:
        """The value of a single text field; empty when it is absent."""
        return next(iter(self.texts(number)), "")

    def message(
        self,
        number: int,
        name: str,
        *,
        singles: Set[int],
        repeated: Set[int] = frozenset(),
        most: int = MOST_FIELDS,
    ) -> Message:
        """The value of a single message field, which must be there."""
        if number not in self._fields:
            raise ForeignError(f"{self._name} has no {name}")
        return Message(self.view(number), name, singles=singles, repeated=repeated, most=most)

    def messages(self, number: int, name: str, *, singles: Set[int], repeated: Set[int] = frozenset()) -> list[Message]:
        """All values of a repeated message field."""
        return [Message(view, name, singles=singles, repeated=repeated) for view in self.views(number)]


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Walk the top level of one message."""
    position, end = 0, len(view)
    while position < end:
        tag, position = _varint(view, position)
        kind = tag & 7
        if kind == 0:
            value, position = _varint(view, position)
            yield tag >> 3, value
            continue
        if kind != 2:  # edgesoft writes no fixed-width numbers, and protobuf's groups are long gone
            raise ForeignError("it is no ONNX file, or a damaged one")
        length, position = _varint(view, position)
        if position + length > end:
            raise ForeignError("it ends in the middle: truncated, or no ONNX file")
        yield tag >> 3, view[position : position + length]
        position += length


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 64, 7):
        if position >= len(view):
            raise ForeignError("it ends in the middle: truncated, or no ONNX file")
        byte = view[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
    raise ForeignError("it is no ONNX file, or a damaged one")
