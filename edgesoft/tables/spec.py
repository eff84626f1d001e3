"""What a model of tables takes: its columns, and how a row of words becomes numbers.

A numeric column gives its number, in the units of the file. A text column gives one number for each value it was trained with:
1 for the value that stands in the row, 0 for the others. Scaling is part of the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.names import fault, quoted, same, twins

MOST_FEATURES = 32_768
"""Their names and ranges fit into a model card."""
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
"""What stands in a numeric column where a number is missing, in lower case."""
FEW_ROWS = 30
"""So many training rows show half of the range that counts as familiar: see `TableSpec.reach`."""
MOST_NOTES = 5
"""Features that are named in the warnings of one row."""
LONGEST_NUMBER = 1000
"""Characters of a number. No program writes so many, and reading them takes time."""
SHOWN = 40
"""Characters of a cell that a message shows."""
LARGEST_TO_LEARN = 1e30
"""Largest number that training takes: with far larger ones, the sums within a network would leave float32."""
_LARGEST = float(np.finfo(np.float32).max)


class TableError(EdgesoftError):
    """A table or a row that cannot be read: one line says where, what came and what to do."""


@dataclass(frozen=True)
class Column:
    """One column that the model takes."""

    name: str
    vocabulary: tuple[str, ...] | None = None
    """The values that a text column was trained with; None for a column of numbers."""
    range: tuple[float, float] | None = None
    """The smallest and the largest number of the training split; None for text, and where nobody knows."""

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """Value, as names are compared -> its place in the vocabulary."""
        return {same(word): place for place, word in enumerate(self.vocabulary or ())}

    @property
    def width(self) -> int:
        """How many features it becomes."""
        return 1 if self.vocabulary is None else len(self.vocabulary)


@dataclass(frozen=True, repr=False)
class TableSpec:
    """What the model takes; it lives in the model's card as JSON.

    Raises
    ------
    TableError
        There is no column, one has no name or that of another, or they make more than `MOST_FEATURES` features.
    """

    columns: tuple[Column, ...]
    """In the order of the features."""
    rows: int = 0
    """Training rows that the columns' ranges were seen in; 0 where nobody knows."""

    kind: ClassVar[str] = "features"
    """Name of the graph's input, and of this form of input in the card."""
    dtype: ClassVar[str] = "float32"

    def __post_init__(self) -> None:
        if not self.columns:
            raise TableError("a table without feature columns: expected at least one")
        if sum(column.width for column in self.columns) > MOST_FEATURES:
            raise TableError(f"the columns make more than {MOST_FEATURES:,} features: leave some of them out")
        wrong = fault([column.name for column in self.columns], "column")
        for column in self.columns:
            wrong = wrong or fault(column.vocabulary or (), f"the value in column {quoted(column.name)}", "values")
        if wrong is None and (double := twins(self.features)) is not None:
            wrong = f"two features are named {quoted(double[0])}"
        if wrong is not None:
            raise TableError(f"{wrong}. Rename it in the data")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.columns):,} columns, {len(self.features):,} features)"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input: ``(features,)``."""
        return (len(self.features),)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The name of each feature: the column's, or "column=value"."""
        return tuple(
            column.name if value is None else f"{column.name}={value}"
            for column in self.columns
            for value in ((None,) if column.vocabulary is None else column.vocabulary)
        )

    def fitted(self, inputs: NDArray[np.float32]) -> Self:
        """With the ranges that the numeric columns have in the training split, float32 `[n, features]`."""
        # As decimals of float32: 0.1 in the card, not 0.10000000149011612.
        ends = [[float(str(end)) for end in row] for row in (inputs.min(axis=0), inputs.max(axis=0))]
        columns, position = [], 0
        for column in self.columns:
            seen = (ends[0][position], ends[1][position]) if column.vocabulary is None else None
            columns.append(replace(column, range=seen))
            position += column.width
        return replace(self, columns=tuple(columns), rows=len(inputs))

    @property
    def reach(self) -> float:
        """How many times its training range a number may lie beyond either end of it, before the row counts as unfamiliar.

        Just outside is common: of n training rows, a feature's next number lies outside their range with probability 2 / (n + 1),
        whatever its distribution. Beyond once more the whole range lies hardly any, but a few rows show too little of the range.
        Measured on tables of 4 to 30 features and 8 to 350 training rows: 0 to 0.8 % of the other rows.
        """
        return 1 + FEW_ROWS / self.rows if self.rows else math.inf

    @cached_property
    def _familiar(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The ends, float64 `[features]` each, between which a feature is familiar, or has the one value that it always had."""
        low, high = np.full(self.shape, -np.inf), np.full(self.shape, np.inf)
        position = 0
        for column in self.columns:
            if column.range is not None and self.rows:
                first, last = (float(np.float32(end)) for end in column.range)
                beyond = self.reach * (last - first)
                low[position], high[position] = first - beyond, last + beyond
            position += column.width
        return low, high

    def encode(self, cells: Sequence[str]) -> tuple[NDArray[np.float32], tuple[str, ...], bool]:
        """One row of words -> float32 `[features]`, warnings, and whether the row is unlike those of the training.

        A number far outside its training range is (see `reach`): the network was never shown where such numbers lead. A feature that
        never changed in training is not, whatever it is now, because no weight depends on it. Nor is a single unseen
        word, which only takes away what the column would have said; but when they are half of the columns, the row is.

        Parameters
        ----------
        cells
            One word a column, in the order of `columns`.

        Raises
        ------
        TableError
            A number is missing, is none, or is not finite in float32.
        """
        row = np.zeros(self.shape, np.float32)
        position, notes = 0, []
        for column, cell in zip(self.columns, cells, strict=True):
            if column.vocabulary is None:
                row[position] = number(cell, column.name)
            elif (known := column.codes.get(same(cell))) is not None:
                row[position + known] = 1
            else:
                notes.append(
                    f"{shown(cell)} in column {column.name!r} is not among the values seen in training: read as none of them"
                )
            position += column.width
        is_unfamiliar = 2 * len(notes) >= len(self.columns)
        low, high = self._familiar
        is_far = (row < low) | (row > high)
        if is_far.any():
            places = np.flatnonzero(is_far).tolist()
            is_unfamiliar |= any(low[place] < high[place] for place in places)
            notes += [self._far(place, row[place]) for place in places]
        if len(notes) > MOST_NOTES:
            notes[MOST_NOTES:] = [f"and {len(notes) - MOST_NOTES:,} more such features"]
        return row, tuple(notes), is_unfamiliar

    def _far(self, place: int, value: np.float32) -> str:
        column = self._numeric[place]
        first, last = column.range or (0, 0)
        if first == last:
            return f"{column.name} {value:g}: training saw only {first:g}, so the model ignores it"
        return f"{column.name} {value:g}: training saw {first:g} to {last:g}"

    @cached_property
    def _numeric(self) -> Mapping[int, Column]:
        """Place of the feature -> its column, for columns of numbers."""
        places = np.cumsum([0, *(column.width for column in self.columns)]).tolist()
        return {place: column for place, column in zip(places, self.columns, strict=False) if column.vocabulary is None}

    def to_card(self) -> dict[str, Any]:
        """Return the columns as plain JSON values."""
        return {"columns": [_to_card(column) for column in self.columns], "rows": self.rows}

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> TableSpec:
        """Build the specification from a card's JSON object.

        Raises
        ------
        TableError
            A name is unknown or a value has the wrong type.
        """
        if set(card) != {"columns", "rows"} or not isinstance(card["columns"], list):
            raise TableError("the card's input must have a list of columns and nothing else but their rows")
        if type(card["rows"]) is not int or card["rows"] < 0:
            raise TableError("the card's input must count its training rows")
        return cls(tuple(_column(item) for item in card["columns"]), card["rows"])


def _to_card(column: Column) -> dict[str, Any]:
    if column.vocabulary is not None:
        return {"name": column.name, "kind": "text", "vocabulary": list(column.vocabulary)}
    return {"name": column.name, "kind": "numeric", "range": None if column.range is None else list(column.range)}


def _column(item: object) -> Column:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise TableError("every column in the card's input must have a name")
    vocabulary = item.get("vocabulary")
    if item.get("kind") == "numeric" and set(item) == {"name", "kind", "range"}:
        return Column(item["name"], range=_range(item["range"], item["name"]))
    words = isinstance(vocabulary, list) and all(isinstance(word, str) for word in vocabulary)
    if item.get("kind") != "text" or set(item) != {"name", "kind", "vocabulary"} or not words or not vocabulary:
        raise TableError(f"column {item['name']!r} in the card's input must be numeric, or text with a vocabulary")
    return Column(item["name"], tuple(vocabulary))


def _range(ends: object, name: str) -> tuple[float, float] | None:
    if ends is None:
        return None
    if isinstance(ends, list) and len(ends) == 2 and all(type(end) is float and math.isfinite(end) for end in ends):
        first, last = ends
        if first <= last:
            return first, last
    raise TableError(f"column {name!r} in the card's input must have a range of two numbers, or none")


def parse_number(cell: str) -> float:
    """Read a number as programs write it: "5.1", "-2e3", also "inf"; ASCII digits, no underscores and no hexadecimals.

    Raises
    ------
    ValueError
        It is none.
    """
    # 1_000 and Arabic digits are numbers to Python, and to no other program that reads the file.
    if len(cell) > LONGEST_NUMBER or "_" in cell or not cell.isascii():
        raise ValueError
    return float(cell)


def number(cell: str, column: str) -> float:
    """Read the number in a cell.

    Raises
    ------
    TableError
        It is missing, is no number, or is not finite in float32.
    """
    if cell.lower() in MISSING:
        raise TableError(f"no number in column {column!r} ({cell!r}): fill it in or leave the row out")
    try:
        value = parse_number(cell)
    except ValueError:
        raise TableError(f"{shown(cell)} in column {column!r} is no number: expected one such as 5.1") from None
    if not abs(value) <= _LARGEST:  # NaN fails this too
        raise TableError(f"{shown(cell)} in column {column!r} is not a finite float32 number")
    return value


def shown(cell: str) -> str:
    """A cell in quotes, of which only the beginning is shown when it is long."""
    return repr(cell) if len(cell) <= SHOWN else f"{cell[:SHOWN]!r}... ({len(cell):,} characters)"
