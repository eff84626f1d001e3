"""What a model of tables takes: its columns, and how a row of words becomes numbers.

- A column of numbers gives its number, in the units of the file; where the file had none, the median of the training rows.
- Yes and no give 1 and 0, and a date its year, month, day, weekday and hour, as far as they changed.
- A column of text gives one number for each value it was trained with: 1 for the value that stands in the row, 0 for the others.
- Where enough training rows had no value, one more number says so: 1 for a missing value, 0 otherwise.

Scaling is part of the model. All that a device needs to know stands in the card.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgesoft.names import fault, quoted, twins
from edgesoft.tables.column import SHOWN, Column, Range, TableError, read_column, shown

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["SHOWN", "Column", "TableError", "TableSpec", "shown"]

MOST_FEATURES = 32_768
"""Their names and ranges fit into a model card."""
FEW_ROWS = 30
"""So many training rows show half of the range that counts as familiar: see `TableSpec.reach`."""
MOST_NOTES = 5
"""Features that are named in the warnings of one row."""
LARGEST_TO_LEARN = 1e30
"""Largest number that training takes: with far larger ones, the sums within a network would leave float32."""


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
        """The name of each feature: see `Column.features`."""
        return tuple(name for column in self.columns for name in column.features)

    @cached_property
    def is_quantity(self) -> NDArray[np.bool_]:
        """Whether each feature, bool `[features]`, is a number with a range, to be scaled; the others are 0 or 1."""
        return np.array(
            [
                column.is_quantity and place < len(column.parts)
                for column in self.columns
                for place in range(column.width)
            ]
        )

    def fitted(self, inputs: NDArray[np.float32]) -> Self:
        """With the ranges that its numbers have in the training split, float32 `[n, features]`, and the medians that fill their gaps.

        NaN stands for a number that is missing; columns that have some must have a `fill`, of whatever values.
        """
        # As decimals of float32: 0.1 in the card, not 0.10000000149011612. Unlike min, fmin passes over NaN.
        low, high = (
            [float(str(end)) for end in ends.reduce(inputs, axis=0, dtype=np.float32)] for ends in (np.fmin, np.fmax)
        )
        columns, position = [], 0
        for column in self.columns:
            places = slice(position, position + len(column.parts))
            ranges = tuple(zip(low[places], high[places], strict=True)) if column.is_quantity else None
            fill = None
            if column.fill is not None:
                fill = tuple(float(str(middle)) for middle in np.nanmedian(inputs[:, places], axis=0))
            columns.append(replace(column, ranges=ranges, fill=fill))
            position += column.width
        return replace(self, columns=tuple(columns), rows=len(inputs))

    def fill_gaps(self, inputs: NDArray[np.float32]) -> None:
        """Put the medians in place of NaN, as `encode` does."""
        position = 0
        for column in self.columns:
            for place, value in enumerate(column.fill or (), start=position):
                inputs[np.isnan(inputs[:, place]), place] = value
            position += column.width

    @property
    def reach(self) -> float:
        """How many times its training range a number may lie beyond either end of it, before the row counts as unfamiliar.

        Just outside is common: of n training rows, a feature's next number lies outside their range with probability 2 / (n + 1),
        whatever its distribution. Beyond once more the whole range lies hardly any, but a few rows show too little of the range.
        Measured on tables of 4 to 30 features and 8 to 350 training rows: 0 to 0.8 % of the other rows.
        """
        return 1 + FEW_ROWS / self.rows if self.rows else math.inf

    @cached_property
    def _ranges(self) -> Mapping[int, Range]:
        """Place of the feature -> its range, of those that have one."""
        starts = np.cumsum([0, *(column.width for column in self.columns)]).tolist()
        return {
            place: ends
            for start, column in zip(starts, self.columns, strict=False)
            for place, ends in enumerate(column.ranges or (), start=start)
        }

    @cached_property
    def familiar(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The ends, float64 `[features]` each, between which a feature is familiar, or has the one value that it always had."""
        low, high = np.full(self.shape, -np.inf), np.full(self.shape, np.inf)
        if self.rows:
            for place, ends in self._ranges.items():
                first, last = (float(np.float32(end)) for end in ends)
                beyond = self.reach * (last - first)
                low[place], high[place] = first - beyond, last + beyond
        return low, high

    def encode(self, cells: Sequence[str]) -> tuple[NDArray[np.float32], tuple[str, ...], bool]:
        """One row of words -> float32 `[features]`, warnings, and whether the row is unlike those of the training.

        A number far outside its training range is (see `reach`): the network was never shown where such numbers lead. A feature that
        never changed in training is not, whatever it is now, because no weight depends on it. Nor is a single unseen
        word, which only takes away what the column would have said; but when they are half of the columns, the row is.

        A number that is missing is filled in, and a value that is missing marked, where training had such rows to learn from, and then
        there is nothing to warn of. Where training had none, a row without a number is an error: whatever stood in its place, the model
        was never judged on such rows.

        Parameters
        ----------
        cells
            One word a column, in the order of `columns`.

        Raises
        ------
        TableError
            See `Column.numbers`.
        """
        row = np.zeros(self.shape, np.float32)
        position, notes = 0, []
        for column, cell in zip(self.columns, cells, strict=True):
            if column.vocabulary is None:
                numbers = column.numbers(cell)
                if len(numbers) == 1:  # quicker than a slice
                    row[position] = numbers[0]
                else:
                    row[position : position + len(numbers)] = numbers
            elif (known := column.code(cell)) is not None:
                row[position + known] = 1
            else:
                notes.append(
                    f"{shown(cell)} in column {column.name!r} is not among the values seen in training: read as none of them"
                )
            position += column.width
        is_unfamiliar = 2 * len(notes) >= len(self.columns)
        low, high = self.familiar
        is_far = (row < low) | (row > high)
        if is_far.any():
            places = np.flatnonzero(is_far).tolist()
            is_unfamiliar |= any(low[place] < high[place] for place in places)
            notes += [self._far(place, row[place]) for place in places]
        if len(notes) > MOST_NOTES:
            notes[MOST_NOTES:] = [f"and {len(notes) - MOST_NOTES:,} more such features"]
        return row, tuple(notes), is_unfamiliar

    def _far(self, place: int, value: np.float32) -> str:
        name, (first, last) = self.features[place], self._ranges[place]
        if first == last:
            return f"{name} {value:g}: training saw only {first:g}, so the model ignores it"
        return f"{name} {value:g}: training saw {first:g} to {last:g}"

    def to_card(self) -> dict[str, Any]:
        """Return the columns as plain JSON values."""
        return {"columns": [column.to_card() for column in self.columns], "rows": self.rows}

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
        return cls(tuple(read_column(item) for item in card["columns"]), card["rows"])
