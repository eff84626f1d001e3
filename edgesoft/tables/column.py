"""One column of a table: how a cell of it becomes numbers, and what the model's card says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from edgesoft.errors import EdgesoftError
from edgesoft.names import quoted, same
from edgesoft.tables.values import MISSING_WORDS, Form, NumberForm, form_of, is_missing, parse_number

if TYPE_CHECKING:
    from decimal import Decimal

SHOWN = 40
"""Characters of a cell that a message shows."""
_LARGEST = float(np.finfo(np.float32).max)

Range = tuple[float, float]


class TableError(EdgesoftError):
    """A table or a row that cannot be read: one line says where, what came and what to do."""


PLAIN = NumberForm()


@dataclass(frozen=True)
class Column:
    """One column that the model takes."""

    name: str
    vocabulary: tuple[str, ...] | None = None
    """The values that a text column was trained with; None for a column that holds numbers."""
    ranges: tuple[Range, ...] | None = None
    """The smallest and the largest number of the training split, for each part; None for text, yes and no, and where nobody knows."""
    form: Form = PLAIN
    """How its numbers are written; means nothing for text."""
    fill: tuple[float, ...] | None = None
    """What stands for a number that is missing, for each part: the medians of the training split. None: it must not be missing."""
    marks_missing: bool = False
    """Whether a last feature says that the value is missing."""

    @cached_property
    def codes(self) -> Mapping[str | Decimal, int]:
        """Value, as names are compared -> its place in the vocabulary; also the number that it writes, so that "3" is found as "3.0"."""
        words = self.vocabulary or ()
        codes: dict[str | Decimal, int] = {}
        for place, word in enumerate(words):
            codes[same(word)] = place
            if (value := _written(word)) is not None:
                codes.setdefault(value, place)
        return codes

    @property
    def range(self) -> Range | None:
        """That of a column of one number."""
        return None if self.ranges is None else self.ranges[0]

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The name of each feature, without a mark of missing values."""
        if self.vocabulary is not None:
            return tuple(f"{self.name}={value}" for value in self.vocabulary)
        return tuple(f"{self.name} {part}" if part else self.name for part in self.form.parts)

    @cached_property
    def width(self) -> int:
        """How many features it becomes."""
        return len(self.parts) + self.marks_missing

    @property
    def features(self) -> tuple[str, ...]:
        """The name of each feature: the column's, "column=value", "column year", and "column is missing"."""
        return (*self.parts, f"{self.name} is missing") if self.marks_missing else self.parts

    @property
    def is_quantity(self) -> bool:
        """Whether its numbers have a range."""
        return self.vocabulary is None and self.form.is_quantity

    @cached_property
    def is_plain(self) -> bool:
        """Whether it holds numbers as programs write them."""
        return self.vocabulary is None and self.form == PLAIN

    def code(self, cell: str) -> int | None:
        """The place of the feature that is 1 for this cell of a text column; None for a value that training never saw."""
        found = self.codes.get(same(cell))
        if found is None and (value := _written(cell)) is not None:
            found = self.codes.get(value)
        if found is None and self.marks_missing and is_missing(cell, MISSING_WORDS):
            return len(self.parts)
        return found

    def numbers(self, cell: str) -> tuple[float, ...]:
        """The features of a cell of a column that holds numbers.

        Raises
        ------
        TableError
            The number is missing where training had all, is written in another form, or is not finite in float32.
        """
        try:
            values = self.form.read(cell)
        except ValueError:
            if not is_missing(cell):
                raise TableError(f"{shown(cell)} in column {self.name!r} is no {self._what}") from None
            values = (math.nan,)
        if values[0] != values[0]:
            if self.fill is None:
                raise TableError(f"no number in column {self.name!r} ({cell!r}): fill it in or leave the row out")
            return (*self.fill, 1.0) if self.marks_missing else self.fill
        if not abs(values[0]) <= _LARGEST:
            raise TableError(f"{shown(cell)} in column {self.name!r} is not a finite float32 number")
        return (*values, 0.0) if self.marks_missing else values

    def words(self, values: Sequence[float]) -> str:
        """The cell that its features stand for, about as people write it: the way back from `code` and `numbers`."""
        if self.marks_missing and values[-1] > 0:
            return "missing"
        if self.vocabulary is not None:
            return next((word for word, value in zip(self.vocabulary, values, strict=False) if value > 0), "unknown")
        parts = [f"{part} {value:g}".strip() for part, value in zip(self.form.parts, values, strict=False)]
        return ", ".join(parts)

    @property
    def _what(self) -> str:
        if self.is_plain:
            return "number: expected one such as 5.1"
        return f"{self.form.kind.replace('numeric', 'number')} as training saw it: expected {self.form.expected}"

    def describe(self) -> str:
        """What it takes, in one line."""
        if self.vocabulary is not None:
            words = ", ".join(map(quoted, self.vocabulary[:5]))
            what = f"one of {words}{f', ... ({len(self.vocabulary):,} in all)' if len(self.vocabulary) > 5 else ''}"
        else:
            what = "a number" if self.is_plain else self.form.expected
            if self.form.parts != ("",):
                what += f" ({', '.join(self.form.parts)})"
            if self.range is not None:
                what += f"; training saw {', '.join(f'{low:g} to {high:g}' for low, high in self.ranges or ())}"
        if self.fill is not None:
            what += f"; missing: {', '.join(f'{value:g}' for value in self.fill)}"
        return f"{what}{(', and' if self.fill else '; missing:') + ' marked' if self.marks_missing else ''}"

    def to_card(self) -> dict[str, Any]:
        """Return the column as plain JSON values; what is as usual is left out."""
        if self.vocabulary is not None:
            card: dict[str, Any] = {"name": self.name, "kind": "text", "vocabulary": list(self.vocabulary)}
        else:
            card = {"name": self.name, "kind": self.form.kind, **self.form.to_card()}
        if self.is_quantity:
            several = len(self.form.parts) > 1 or self.form.parts != ("",)
            ends = None if self.ranges is None else [list(ends) for ends in self.ranges]
            card |= {"ranges": ends} if several else {"range": ends and ends[0]}
        if self.fill is not None or self.marks_missing:
            fill = None if self.fill is None else list(self.fill)
            card["missing"] = {"fill": fill, "is_marked": self.marks_missing}
        return card


def _written(word: str) -> Decimal | None:
    """The number that a word writes, of which it may be a code, with all its digits; None where it writes none."""
    try:
        is_finite = math.isfinite(parse_number(word))
    except ValueError:
        return None
    if not is_finite:
        return None
    from decimal import Decimal  # few models have such codes, and every start of a program would pay for it

    return Decimal(word.strip())


def read_column(item: object) -> Column:
    """Build a column from its object in the card: it must say all that `Column.to_card` says, and nothing else.

    Raises
    ------
    TableError
        A name is unknown or a value has the wrong type.
    """
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise TableError("every column in the card's input must have a name")
    name, vocabulary = item["name"], item.get("vocabulary")
    fill, marks_missing = _missing(item.get("missing"), name) if "missing" in item else (None, False)
    wrong = TableError(
        f"column {name!r} in the card's input must be numeric, or text with a vocabulary, or boolean, or a date"
    )
    if item.get("kind") == "text":
        if not isinstance(vocabulary, list) or not vocabulary or not all(isinstance(word, str) for word in vocabulary):
            raise wrong
        column = Column(name, tuple(vocabulary), marks_missing=marks_missing)
    else:
        try:
            form = form_of(item)
        except ValueError:
            raise wrong from None
        ranges = _ranges(item, name) if form.is_quantity else None
        column = Column(name, None, ranges, form, fill, marks_missing)
    of_every_part = [of for of in (column.ranges, column.fill) if of is not None]
    if column.to_card() != item or any(len(of) != len(column.parts) for of in of_every_part):
        raise wrong
    return column


def _missing(item: object, name: str) -> tuple[tuple[float, ...] | None, bool]:
    if isinstance(item, dict) and type(item.get("is_marked")) is bool:
        fill = item.get("fill")
        if fill is None or (isinstance(fill, list) and all(type(x) is float and abs(x) <= _LARGEST for x in fill)):
            return (None if fill is None else tuple(fill)), item["is_marked"]
    raise TableError(
        f"column {name!r} in the card's input must say what stands for missing values, and whether they are marked"
    )


def _ranges(item: Mapping[str, Any], name: str) -> tuple[Range, ...] | None:
    several = item.get("ranges")
    ranges = [item.get("range")] if "range" in item else several
    if ranges is None or ranges == [None]:
        return None
    if isinstance(ranges, list):
        return tuple(_range(ends, name) for ends in ranges)
    raise TableError(f"column {name!r} in the card's input must have a range of two numbers for each part, or none")


def _range(ends: object, name: str) -> Range:
    if isinstance(ends, list) and len(ends) == 2 and all(type(end) is float and math.isfinite(end) for end in ends):
        first, last = ends
        if first <= last:
            return first, last
    raise TableError(f"column {name!r} in the card's input must have a range of two numbers, or none")


def shown(cell: str) -> str:
    """A cell in quotes, of which only the beginning is shown when it is long."""
    return repr(cell) if len(cell) <= SHOWN else f"{cell[:SHOWN]!r}... ({len(cell):,} characters)"
