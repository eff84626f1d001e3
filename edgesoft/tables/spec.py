"""What a model of tables takes: its columns, and how a row of words becomes numbers.

A numeric column gives its number, in the units of the file. A text column gives one number for each value it was trained with:
1 for the value that stands in the row, 0 for the others. Scaling is part of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.names import fault, quoted, same, twins

MOST_FEATURES = 65_536
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
"""What stands in a numeric column where a number is missing, in lower case."""
_LARGEST = float(np.finfo(np.float32).max)


class TableError(EdgesoftError):
    """A table or a row that cannot be read: one line says where, what came and what to do."""


@dataclass(frozen=True)
class Column:
    """One column that the model takes."""

    name: str
    vocabulary: tuple[str, ...] | None = None
    """The values that a text column was trained with; None for a column of numbers."""

    @property
    def width(self) -> int:
        """How many features it becomes."""
        return 1 if self.vocabulary is None else len(self.vocabulary)


@dataclass(frozen=True)
class TableSpec:
    """What the model takes; it lives in the model's card as JSON.

    Raises
    ------
    TableError
        There is no column, one has no name or that of another, or they make more than `MOST_FEATURES` features.
    """

    columns: tuple[Column, ...]
    """In the order of the features."""

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

    def encode(self, cells: Sequence[str]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """One row of words -> float32 `[features]`, and warnings.

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
            elif (known := _known(cell, column.vocabulary)) is not None:
                row[position + known] = 1
            else:
                notes.append(
                    f"{cell!r} in column {column.name!r} is not among the values seen in training: read as none of them"
                )
            position += column.width
        return row, tuple(notes)

    def to_card(self) -> dict[str, Any]:
        """Return the columns as plain JSON values."""
        return {
            "columns": [
                {"name": column.name, "kind": "numeric"}
                if column.vocabulary is None
                else {"name": column.name, "kind": "text", "vocabulary": list(column.vocabulary)}
                for column in self.columns
            ]
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> TableSpec:
        """Build the specification from a card's JSON object.

        Raises
        ------
        TableError
            A name is unknown or a value has the wrong type.
        """
        if set(card) != {"columns"} or not isinstance(card["columns"], list):
            raise TableError("the card's input must have a list of columns and nothing else")
        return cls(tuple(_column(item) for item in card["columns"]))


def _column(item: object) -> Column:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise TableError("every column in the card's input must have a name")
    vocabulary = item.get("vocabulary")
    if item.get("kind") == "numeric" and set(item) == {"name", "kind"}:
        return Column(item["name"])
    words = isinstance(vocabulary, list) and all(isinstance(word, str) for word in vocabulary)
    if item.get("kind") != "text" or set(item) != {"name", "kind", "vocabulary"} or not words or not vocabulary:
        raise TableError(f"column {item['name']!r} in the card's input must be numeric, or text with a vocabulary")
    return Column(item["name"], tuple(vocabulary))


def _known(cell: str, vocabulary: tuple[str, ...]) -> int | None:
    """The place of a value, however its accents are written."""
    if cell in vocabulary:
        return vocabulary.index(cell)
    known = [same(word) for word in vocabulary] if not cell.isascii() else []
    return known.index(same(cell)) if same(cell) in known else None


def number(cell: str, column: str) -> float:
    """Read one number.

    Raises
    ------
    TableError
        It is missing, is no number, or is not finite in float32.
    """
    if cell.lower() in MISSING:
        raise TableError(f"no number in column {column!r} ({cell!r}): fill it in or leave the row out")
    try:
        value = float(cell)
    except ValueError:
        raise TableError(f"{cell!r} in column {column!r} is no number: expected one such as 5.1") from None
    if not abs(value) <= _LARGEST:  # NaN fails this too
        raise TableError(f"{cell!r} in column {column!r} is not a finite float32 number")
    return value
