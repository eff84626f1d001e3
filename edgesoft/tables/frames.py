"""Rows as data frames hold them: named columns of values, from pandas, polars, pyarrow, or a dict.

None of these libraries is imported: a frame is known by what it can do. Its values become the words that a text file would hold, so that
all that follows is the same for both.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.names import BLANKS, quoted, same
from edgesoft.tables.spec import TableError, TableSpec

MOST_NOTES = 3
"""What is odd about the rows of one frame: so many remarks are told, the others counted."""
_MIDNIGHT = " 00:00:00"


def is_frame(values: Any) -> bool:
    """Whether these are named columns: a data frame, a dict, or one row of either."""
    kind = type(values)  # not the value: of a lazy frame, asking for the columns takes work
    return hasattr(kind, "columns") or (hasattr(kind, "keys") and hasattr(kind, "items"))


@dataclass(frozen=True)
class Frame:
    """Named columns of equal length.

    Raises
    ------
    TableError
        It cannot be read, a column has no name, or the columns differ in length.
    """

    values: Any
    """A data frame of pandas, polars, pyarrow, or any other that hands itself over as Arrow does; or a dict of columns or of one row."""
    where: str
    """What the messages call it."""

    def __post_init__(self) -> None:
        counts = {len(column) for _, column in self._columns}
        if len(counts) > 1:
            (first, one), (second, other) = (
                next((name, column) for name, column in self._columns if len(column) == count)
                for count in sorted(counts)[:2]
            )
            raise TableError(
                f"{self.where}: column {quoted(first)} has {len(one):,} values and column {quoted(second)} has {len(other):,}. "
                "Expected as many in every column"
            )

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [name for name, _ in self._columns]

    def __len__(self) -> int:
        return len(self._columns[0][1]) if self._columns else 0

    def cells(self, place: int) -> list[str]:
        """One column as a text file would hold it, "" where a value is missing."""
        name, column = self._columns[place]
        try:
            cells = [value.strip(BLANKS) if type(value) is str else _text(value) for value in column]
        except _OddValueError as error:
            raise TableError(
                f"{self.where}: column {quoted(name)} holds {error}. Expected numbers, text or dates: leave the column out"
            ) from None
        if any(isinstance(value, datetime) for value in column) and all(
            cell.endswith(_MIDNIGHT) or not cell for cell in cells
        ):
            return [cell.removesuffix(_MIDNIGHT) for cell in cells]
        return cells

    @cached_property
    def _columns(self) -> list[tuple[str, Sequence[Any]]]:
        return [(self._name(name), _listed(column)) for name, column in self._pairs()]

    def _pairs(self) -> Iterable[tuple[Any, Any]]:
        frame = self.values
        if hasattr(frame, "items"):  # pandas, a dict; and a row of pandas
            return list(frame.items())
        if hasattr(frame, "iter_columns"):  # polars, narwhals
            return [(column.name, column) for column in frame.iter_columns()]
        if hasattr(frame, "itercolumns"):  # pyarrow
            return list(zip(frame.column_names, frame.itercolumns(), strict=True))
        if hasattr(frame, "collect"):
            raise TableError(f"{self.where}: expected rows, but this frame is lazy. Collect it first: frame.collect()")
        if not hasattr(frame, "__arrow_c_stream__"):
            raise TableError(
                f"{self.where}: {type(frame).__name__} is no data frame known here. Hand over one of pandas, polars or pyarrow"
            )
        try:
            from pyarrow import table
        except ImportError:
            raise TableError(
                f"{self.where}: reading {type(frame).__name__} needs pyarrow. Install it: pip install pyarrow"
            ) from None
        return list(Frame(table(frame), self.where)._pairs())

    def _name(self, name: Any) -> str:
        if isinstance(name, str):
            return str(name).strip(BLANKS)
        try:
            return str(operator.index(name))  # pandas numbers columns that have no names
        except TypeError:
            raise TableError(
                f"{self.where}: the name of column {name!r} is {type(name).__name__}, expected text. Rename it"
            ) from None


def _listed(column: Any) -> Sequence[Any]:
    """The values of a column as Python has them; a single value is a column of one row."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "mM":
        column = column.astype(f"{column.dtype.kind}8[us]")  # of nanoseconds, Python makes integers
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(column, method):
            column = getattr(column, method)()
            break
    return column if isinstance(column, list | tuple) else [column]


class _OddValueError(Exception):
    """A value that is neither number nor text nor date."""


def _text(value: Any) -> str:
    """One value; raises _OddValueError, which says what it is."""
    kind = type(value)
    if kind is float:
        return "" if value != value else repr(value)
    if value is None or kind.__name__ in ("NAType", "NaTType"):  # pandas's missing values, as their types are called
        return ""
    if isinstance(value, np.generic) and not isinstance(value, str):
        return _text(value.item())
    if isinstance(value, bytes | bytearray | memoryview | Collection) and not isinstance(value, str):
        raise _OddValueError(f"{kind.__name__}, such as {quoted(repr(value))}")
    try:
        return str(value).strip(BLANKS)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        raise _OddValueError("a number of thousands of digits") from None


def encode_frame(values: Any, spec: TableSpec) -> tuple[NDArray[np.float32], list[str]]:
    """Named columns -> float32 `[n, features]`, and what is odd about them, one sentence each.

    Parameters
    ----------
    values
        What `is_frame` knows; its columns may stand in any order, and there may be others.
    spec
        What the model takes.

    Raises
    ------
    TableError
        A column is missing, or a row cannot be read.
    """
    frame = Frame(values, "the frame")
    names = frame.names
    places = {same(name): place for place, name in enumerate(names)}
    wanted = [column.name for column in spec.columns]
    missing = [name for name in wanted if same(name) not in places]
    if missing:
        raise TableError(
            f"the frame has no column {', '.join(map(quoted, missing[:MOST_NOTES]))}"
            f"{f' and {len(missing) - MOST_NOTES:,} others' if len(missing) > MOST_NOTES else ''}. It has {_shortened(names)}"
        )
    taken = [places[same(name)] for name in wanted]
    if len(set(map(same, names))) < len(names):
        twice = next(name for place, name in enumerate(names) if places[same(name)] != place)
        if places[same(twice)] in taken:
            raise TableError(f"the frame has two columns {quoted(twice)}. Leave one of them out")
    unused = [name for place, name in enumerate(names) if place not in set(taken)]
    notes = [f"columns that the model does not take: {_shortened(unused)}"] if unused else []
    features, odd = _encode(frame, taken, spec)
    return features, notes + odd


def encode_cells(array: NDArray[Any], spec: TableSpec) -> tuple[NDArray[np.float32], list[str]]:
    """One value a column in the model's order, `[n, columns]` or `[columns]` -> as `encode_frame`."""
    columns = {column.name: array[..., place] for place, column in enumerate(spec.columns)}
    return _encode(Frame(columns, "the rows"), range(len(columns)), spec)


def _encode(frame: Frame, places: Sequence[int], spec: TableSpec) -> tuple[NDArray[np.float32], list[str]]:
    encoded = np.empty((len(frame), *spec.shape), np.float32)
    notes, count = list[str](), 0
    for number, cells in enumerate(zip(*map(frame.cells, places), strict=True)):
        try:
            encoded[number], odd, _ = spec.encode(cells)
        except TableError as error:
            raise TableError(f"row {number}: {error}") from None
        count += bool(odd)
        if odd and len(notes) < MOST_NOTES:
            notes.append(f"row {number}: {'; '.join(odd)}")
    if count > MOST_NOTES:
        notes.append(f"and {count - MOST_NOTES:,} more such rows of {len(encoded):,}")
    return encoded, notes


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(map(quoted, names[:8]))
    return shown if len(names) <= 8 else f"{shown}, ... ({len(names):,} in all)"
