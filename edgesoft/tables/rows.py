"""Rows of text files, and of the command line, for a model of tables."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgesoft.errors import UsageError
from edgesoft.names import fault, same
from edgesoft.tables.records import Record
from edgesoft.tables.spec import SHOWN, TableError, TableSpec
from edgesoft.tables.text import read_records, split_cells
from edgesoft.tables.values import parse_number


def check_heading(names: Sequence[str], path: Path) -> None:
    """Refuse a heading with a name that is none, or with two that a reader cannot tell apart; no name at all may be an index's.

    Raises
    ------
    TableError
        The heading is refused.
    """
    if (wrong := fault([name for name in names if name], "column")) is not None:
        raise TableError(f"{path}: line 1: {wrong}. Rename it{hint_of_row(names)}")


def find_column(name: str, names: Sequence[str], origin: str | Path) -> int:
    """The place of a column in a heading.

    Raises
    ------
    UsageError
        There is none of this name.
    """
    alike = [same(known) for known in names]
    if same(name) not in alike:
        close = difflib.get_close_matches(name, names, 1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are {shortened(names)}"
        raise UsageError(f"{origin}: has no column {name!r}. {hint}{hint_of_row(names)}")
    return alike.index(same(name))


def hint_of_row(names: Sequence[str]) -> str:
    """What to add to a complaint about a heading that looks like a row."""
    odd = next(iter(odd_numbers(names)), None)
    return (
        "" if odd is None else f". Or is the first line a row ({odd})? Then write the columns' names in a line above it"
    )


def odd_numbers(names: Sequence[str]) -> list[str]:
    """The names that are numbers, unless they count the columns."""
    numbers = [name for name in names if is_number(name)]
    first = numbers[0] if numbers and numbers[0].isdecimal() else ""
    counted = [str(int(first) + place) for place in range(len(numbers))] if 0 < len(first) < 10 else []
    return [] if numbers == counted else numbers


def is_number(text: str) -> bool:
    """Whether a cell holds a number as programs write it."""
    try:
        parse_number(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Row:
    """One row for a model, before its words become numbers."""

    line: int
    cells: tuple[str, ...]
    """One word a column, in the order of the model's columns; empty where there is an error."""
    error: str | None = None
    """Why the row cannot be read."""


class RowFile:
    """The rows of a text file, for one model.

    They are read once, so that a pipe serves too. The first line may be a heading that holds the model's columns in any order, among
    others; or the file has no heading and exactly the model's columns in the model's order. Objects of JSON lines need not have every
    column.

    Parameters
    ----------
    path
        The file.
    spec
        What the model takes.
    records
        The file's records, where it is no file of text, or has been opened already.

    Raises
    ------
    TableError
        The file cannot be read, holds no row, or its first line fits neither form.
    """

    def __init__(self, path: Path, spec: TableSpec, *, records: Iterator[Record] | None = None) -> None:
        self.path, self._spec = path, spec
        wanted = [column.name for column in spec.columns]
        self._records = read_records(path, wanted) if records is None else records
        self._first = next(self._records, None)
        if self._first is None:
            raise TableError(f"{path}: the file is empty. Expected rows with the columns {shortened(wanted)}")
        cells = self._first.cells
        place = {same(name): place for place, name in enumerate(cells)}
        missing = [name for name in wanted if same(name) not in place]
        self.has_heading = not missing
        if self.has_heading:
            check_heading(cells, path)
            self._places = [place[same(name)] for name in wanted]
        else:
            self._places = list(range(len(wanted)))
            if not self._looks_like_a_row(cells):
                raise TableError(
                    f"{path}: the first line has no column {missing[0]!r}, and is no row of {len(wanted)} values either. "
                    f"Expected a heading with {shortened(wanted)}, or such rows without a heading"
                )
        taken = set(self._places)
        self.unused = (
            [name for place, name in enumerate(cells) if name and place not in taken] if self.has_heading else []
        )
        """Columns of the file that the model does not take."""

    def _looks_like_a_row(self, cells: list[str]) -> bool:
        columns = self._spec.columns
        if len(cells) != len(columns):
            return False
        try:
            self._spec.encode(cells)
        except TableError:
            return False
        # Any words can be values that training never saw, also those of another heading; then one at least must be known.
        return any(
            column.vocabulary is None or column.code(cell) is not None
            for column, cell in zip(columns, cells, strict=True)
        )

    def __iter__(self) -> Iterator[Row]:
        """The rows in their order, once; one that cannot be read carries its error, and the next one follows."""
        return (row for row, _ in self.with_column(0))

    def with_column(self, place: int) -> Iterator[tuple[Row, str]]:
        """The same, each with what stands in one more column of the file; nothing where the row cannot be read."""
        if self._first is not None and not self.has_heading:
            yield Row(self._first.line, tuple(self._first.cells)), self._first.cells[place]
        for record in self._records:
            if record.error is not None:
                yield Row(record.line, (), record.error), ""
            else:
                yield Row(record.line, tuple(record.cells[place] for place in self._places)), record.cells[place]


def named_rows(file: RowFile) -> Iterator[tuple[str, Row]]:
    """The rows of a file with the names that they have in the answers: "rows.csv:2" is the row in line 2."""
    for row in file:
        yield f"{file.path}:{row.line}", row


def parse_row(text: str, spec: TableSpec) -> Row:
    """One row given as text: "5.1,3.5,1.4,0.2", one value a column, in the model's order; values with commas in double quotes.

    Raises
    ------
    TableError
        There are more or fewer values than columns, or one is wrong.
    """
    cells = split_cells(text.replace("\r\n", "\n").replace("\r", "\n").strip("\n"))
    names = [column.name for column in spec.columns]
    if len(cells) != len(names):
        raise TableError(f"{len(cells)} values: expected {len(names)}, for {shortened(names)}")
    spec.encode(cells)
    return Row(1, tuple(cells))


def shortened(names: Sequence[str]) -> str:
    """The first names, of which only the beginning is shown when they are long, and how many there are."""
    shown = ", ".join(name[:SHOWN] for name in names[:12])
    return shown if len(names) <= 12 else f"{shown}, ... ({len(names)} in all)"
