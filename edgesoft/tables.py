"""Rows of a table -> the features that a model takes.

A numeric column gives its number, in the units of the file. A text column gives one number for each value it was trained with:
1 for the value that stands in the row, 0 for the others. Scaling is part of the model.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.files import reason

MOST_FEATURES = 65_536
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
"""What stands in a numeric column where a number is missing, in lower case."""
_SEPARATORS = ",;\t"
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
        There is no column, two have one name, or they make more than `MOST_FEATURES` features.
    """

    columns: tuple[Column, ...]
    """In the order of the features."""

    kind: ClassVar[str] = "features"
    """Name of the graph's input, and of this form of input in the card."""
    dtype: ClassVar[str] = "float32"

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if not names:
            raise TableError("a table without feature columns: expected at least one")
        if len(set(names)) != len(names):
            raise TableError(f"two feature columns are named {_first_double(names)!r}: expected different names")
        if sum(column.width for column in self.columns) > MOST_FEATURES:
            raise TableError(f"the columns make more than {MOST_FEATURES:,} features: leave some of them out")

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
            elif cell in column.vocabulary:
                row[position + column.vocabulary.index(cell)] = 1
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
    if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not item["name"]:
        raise TableError("every column in the card's input must have a name")
    vocabulary = item.get("vocabulary")
    if item.get("kind") == "numeric" and set(item) == {"name", "kind"}:
        return Column(item["name"])
    words = isinstance(vocabulary, list) and all(isinstance(word, str) for word in vocabulary)
    if item.get("kind") != "text" or set(item) != {"name", "kind", "vocabulary"} or not words or not vocabulary:
        raise TableError(f"column {item['name']!r} in the card's input must be numeric, or text with a vocabulary")
    if len(set(vocabulary)) != len(vocabulary):
        raise TableError(f"column {item['name']!r} in the card's input has a value twice in its vocabulary")
    return Column(item["name"], tuple(vocabulary))


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


class Record(NamedTuple):
    """One row of a text file as it stands there."""

    line: int
    """Counted from 1; the last one, where a quoted cell holds line breaks."""
    cells: list[str]
    """Without the blanks around them."""


def read_records(path: Path) -> Iterator[Record]:
    """The rows of a CSV or TSV file, the heading first, one at a time: a file of any size takes no memory.

    The cells are separated by tabs in a ``.tsv`` file; else by whichever of comma, semicolon and tab is most frequent in the first line.
    Empty lines hold no row. A byte that is not UTF-8 becomes a lone surrogate, which `check_record` finds.

    Raises
    ------
    TableError
        The file cannot be opened, or is no text with separated cells.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            first = file.readline(2**20)
            if "\0" in first:
                raise TableError(
                    f"{path}: expected rows of text (CSV or TSV, UTF-8), but this is a binary or UTF-16 file"
                )
            file.seek(0)
            separator = "\t" if path.suffix.lower() == ".tsv" else max(_SEPARATORS, key=first.count)
            reader = csv.reader(file, delimiter=separator, strict=True)
            for cells in reader:
                if cells:
                    yield Record(reader.line_num, [cell.strip() for cell in cells])
    except csv.Error as error:
        raise TableError(f"{path}: line {reader.line_num}: {error}. Save the file as CSV again") from error
    except FileNotFoundError:
        raise TableError(f"{path}: no such file (expected rows of features: .csv or .tsv)") from None
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({reason(error)})") from error


def check_record(record: Record, columns: int) -> None:
    """Refuse a row with another number of cells than the heading, or with bytes that are not UTF-8.

    Raises
    ------
    TableError
        The row is refused.
    """
    try:
        "".join(record.cells).encode()
    except UnicodeEncodeError:
        raise TableError("not UTF-8: save the file as UTF-8") from None
    if len(record.cells) != columns:
        raise TableError(f"{len(record.cells)} cells where the heading has {columns}")


def check_heading(names: Sequence[str], path: Path) -> None:
    """Refuse a heading with an empty or a double name.

    Raises
    ------
    TableError
        The heading is refused.
    """
    if "" in names:
        raise TableError(f"{path}: column {names.index('') + 1} has no name in the first line. Name every column there")
    if len(set(names)) != len(names):
        raise TableError(f"{path}: two columns are named {_first_double(names)!r}. Rename one of them")


@dataclass(frozen=True)
class Row:
    """One row, ready for a model; either `features` or `error` is None."""

    line: int
    features: NDArray[np.float32] | None
    """float32 `[features]`, in the units of the file."""
    warnings: tuple[str, ...] = ()
    error: str | None = None


class RowFile:
    """The rows of a CSV or TSV file, for one model.

    The first line may be a heading that holds the model's columns in any order, among others; or the file has no heading and
    exactly the model's columns in the model's order.

    Raises
    ------
    TableError
        The file cannot be read, holds no row, or its first line fits neither form.
    """

    def __init__(self, path: Path, spec: TableSpec) -> None:
        self.path, self._spec = path, spec
        wanted = [column.name for column in spec.columns]
        first = next(read_records(path), None)
        if first is None:
            raise TableError(f"{path}: the file is empty. Expected rows with the columns {', '.join(wanted)}")
        self._width = len(first.cells)
        missing = [name for name in wanted if name not in first.cells]
        self.has_heading = not missing
        if self.has_heading:
            check_heading(first.cells, path)
            self._places = [first.cells.index(name) for name in wanted]
        else:
            self._places = list(range(len(wanted)))
            if not self._looks_like_a_row(first.cells):
                raise TableError(
                    f"{path}: the first line has no column {missing[0]!r}, and is no row of {len(wanted)} values either. "
                    f"Expected a heading with {_shortened(wanted)}, or such rows without a heading"
                )
        self.unused = [name for name in first.cells if name not in wanted] if self.has_heading else []
        """Columns of the file that the model does not take."""

    def _looks_like_a_row(self, cells: list[str]) -> bool:
        if len(cells) != len(self._spec.columns):
            return False
        try:
            self._spec.encode(cells)
        except TableError:
            return False
        return True

    def __iter__(self) -> Iterator[Row]:
        """The rows in their order; one that cannot be read carries its error, and the next one follows."""
        records = read_records(self.path)
        if self.has_heading:
            next(records)
        for record in records:
            try:
                check_record(record, self._width)
                features, notes = self._spec.encode([record.cells[place] for place in self._places])
                yield Row(record.line, features, notes)
            except TableError as error:
                yield Row(record.line, None, error=str(error))


def given_row(text: str, spec: TableSpec) -> Iterator[tuple[str, Row]]:
    """The row of `--features` under the name that it has in the answers; raises TableError like `parse_features`."""
    values, notes = parse_features(text, spec)
    yield "features", Row(1, values, notes)


def named_rows(file: RowFile) -> Iterator[tuple[str, Row]]:
    """The rows of a file with the names that they have in the answers: "rows.csv:2" is the row in line 2."""
    for row in file:
        yield f"{file.path}:{row.line}", row


def parse_features(text: str, spec: TableSpec) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """One row given as text: "5.1,3.5,1.4,0.2", one value a column, in the model's order; values with commas in double quotes.

    Returns
    -------
    tuple
        float32 `[features]`, and warnings.

    Raises
    ------
    TableError
        There are more or fewer values than columns, or one is wrong.
    """
    cells = [cell.strip() for cell in next(csv.reader([text]), [])]
    names = [column.name for column in spec.columns]
    if len(cells) != len(names):
        raise TableError(f"{len(cells)} values: expected {len(names)}, for {_shortened(names)}")
    return spec.encode(cells)


def _first_double(names: Sequence[str]) -> str:
    return next(name for name, count in Counter(names).items() if count > 1)


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown}, ... ({len(names)} in all)"
