"""Rows as data frames hold them: named columns of values, from pandas, polars, pyarrow, or a dict.

None of these libraries is imported: a frame is known by what it can do. Its values become the words that a text file would hold, so that
all that follows is the same for both.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgesoft.names import BLANKS, quoted, same
from edgesoft.tables.spec import TableError, TableSpec

MOST_NOTES = 3
"""What is odd about the rows of one frame: so many remarks are told, the others counted."""
_MIDNIGHT = " 00:00:00"
_TO_LIST = ("to_pylist", "to_list", "tolist")  # pyarrow; pandas and polars; numpy and torch


def is_frame(values: Any) -> bool:
    """Whether these are columns with names: a data frame, or a dict."""
    kind = type(values)  # not the value: of a lazy frame, asking for the columns takes work
    return hasattr(kind, "columns") or (issubclass(kind, Mapping) and not hasattr(kind, "shape"))  # scipy's sparse dict


def has_names(values: Any) -> bool:
    """Whether these are columns with names, or one row with names, as pandas has it."""
    return is_frame(values) or (hasattr(values, "keys") and hasattr(values, "items"))


@dataclass(frozen=True)
class Frame:
    """Named columns of equal length; `read_frame` makes one.

    Raises
    ------
    TableError
        The columns differ in length.
    """

    columns: Sequence[tuple[str, Any]]
    """Name and values: a pandas or polars series, an array of pyarrow or numpy, a list, whatever has a length and can be sliced."""
    where: str
    """What the messages call it."""
    _days: dict[int, bool] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, column in self.columns:
            if len(column) != len(self):
                first = self.columns[0][0]
                raise TableError(
                    f"{self.where}: column {quoted(first)} has {len(self):,} values and column {quoted(name)} has {len(column):,}. "
                    "Expected as many in every column"
                )

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [name for name, _ in self.columns]

    def __len__(self) -> int:
        return len(self.columns[0][1]) if self.columns else 0

    def cells(self, place: int, start: int = 0, stop: int | None = None) -> list[str]:
        """The words that a text file would hold in one column, from row `start` on; "" where a value is missing."""
        try:
            values = self._values(place, start, stop)
            cells = [value.strip(BLANKS) if type(value) is str else _text(value) for value in values]
            if any(isinstance(value, datetime) for value in values) and self._are_days(place):
                return [cell.removesuffix(_MIDNIGHT) for cell in cells]
        except (ValueError, TypeError, OverflowError) as error:  # also of dates that Python does not have
            detail = " ".join(str(error).split())[:200]
            raise TableError(
                f"{self.where}: column {quoted(self.names[place])} cannot be read ({detail}). Expected numbers, text or dates: "
                "leave the column out"
            ) from None
        return cells

    def _values(self, place: int, start: int = 0, stop: int | None = None) -> Sequence[Any]:
        """The values of a column, as Python has them."""
        column = self.columns[place][1]
        column = getattr(column, "iloc", column)[start:stop]  # of pandas, a slice itself goes by the index
        if isinstance(column, np.ndarray) and column.dtype.kind in "mM":
            column = column.astype(f"{column.dtype.kind}8[us]")  # numpy makes integers of nanoseconds
        for method in _TO_LIST:
            if hasattr(column, method):
                return cast(list[Any], getattr(column, method)())
        return cast(list[Any], column)

    def _are_days(self, place: int) -> bool:
        """Whether every time in a column is midnight: then days are meant."""
        if place not in self._days:
            times = (_text(value) for value in self._values(place) if isinstance(value, datetime))
            self._days[place] = all(time.endswith(_MIDNIGHT) or not time for time in times)
        return self._days[place]


def read_frame(values: Any, where: str) -> Frame:
    """The columns of a data frame of pandas, polars, pyarrow, or of what hands itself over as Arrow does; or of a dict.

    Raises
    ------
    TableError
        It is none of these, a column has no name, or the columns differ in length.
    """
    return Frame([(_name(name, where), as_column(column)) for name, column in _pairs(values, where)], where)


def _pairs(frame: Any, where: str) -> Iterable[tuple[Any, Any]]:
    if hasattr(frame, "items"):  # pandas, a dict; and a row of pandas
        return cast(Iterable[tuple[Any, Any]], frame.items())
    if hasattr(frame, "iter_columns"):  # polars, narwhals
        return [(column.name, column) for column in frame.iter_columns()]
    if hasattr(frame, "itercolumns"):  # pyarrow
        return zip(frame.column_names, frame.itercolumns(), strict=True)
    if hasattr(frame, "collect"):
        raise TableError(f"{where}: expected rows, but this frame is lazy. Collect it first: frame.collect()")
    if not hasattr(frame, "__arrow_c_stream__"):
        kind = type(frame).__name__
        raise TableError(f"{where}: {kind} is no data frame known here. Hand over one of pandas, polars or pyarrow")
    try:
        from pyarrow import table
    except ImportError:
        raise TableError(
            f"{where}: reading {type(frame).__name__} needs pyarrow. Install it: pip install pyarrow"
        ) from None
    return _pairs(table(frame), where)


def _name(name: Any, where: str) -> str:
    if isinstance(name, str):
        return str(name).strip(BLANKS)
    try:
        return str(operator.index(name))  # pandas numbers columns that have no names
    except TypeError:
        raise TableError(
            f"{where}: the name of column {quoted(repr(name))} is {type(name).__name__}, expected text. Rename it"
        ) from None


def as_column(values: Any) -> Any:
    """What has a length and can be sliced: a single value is a column of one row."""
    if getattr(values, "ndim", None) == 0:
        return [values.item()]
    is_column = isinstance(values, list | tuple) or any(hasattr(values, method) for method in _TO_LIST)
    return values if is_column else [values]


def _text(value: Any) -> str:
    """One value as a text file would hold it; raises TypeError when it is neither number nor text nor date."""
    kind = type(value)
    if kind is float:
        return "" if value != value else repr(value)
    if value is None or kind.__name__ in ("NAType", "NaTType"):  # pandas's missing values, as their types are called
        return ""
    if isinstance(value, np.generic) and not isinstance(value, str):
        return _text(np.asarray(value).astype("datetime64[us]").item() if value.dtype.kind == "M" else value.item())
    if isinstance(value, bytes | bytearray | memoryview | Collection) and not isinstance(value, str):
        raise TypeError(f"it holds {kind.__name__}, such as {quoted(repr(value))}")
    if isinstance(value, timedelta):
        raise TypeError(f"it holds durations, such as {quoted(str(value))}")  # each program writes them in another way
    return str(value).strip(BLANKS)


def encode_frame(values: Any, spec: TableSpec) -> tuple[NDArray[np.float32], list[str]]:
    """Named columns -> float32 `[n, features]`, and what is odd about them, one sentence each.

    Parameters
    ----------
    values
        What `has_names` knows; its columns may stand in any order, and there may be others.
    spec
        What the model takes.

    Raises
    ------
    TableError
        A column is missing, or a row cannot be read.
    """
    frame = read_frame(values, "the frame")
    names = frame.names
    places = {same(name): place for place, name in enumerate(names)}
    wanted = [column.name for column in spec.columns]
    missing = [name for name in wanted if same(name) not in places]
    if missing:
        raise TableError(
            f"the frame has no column {', '.join(map(quoted, missing[:MOST_NOTES]))}"
            f"{f' and {len(missing) - MOST_NOTES:,} more' if len(missing) > MOST_NOTES else ''}. It has {_shortened(names)}"
        )
    if not len(frame):
        raise TableError("the frame has no rows. Expected at least one")
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
    columns = [(column.name, as_column(array[..., place])) for place, column in enumerate(spec.columns)]
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
