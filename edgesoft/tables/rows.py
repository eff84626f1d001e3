"""Rows of CSV and TSV files, and of the command line, for a model of tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edgesoft.files import reason
from edgesoft.names import BLANKS, fault, same
from edgesoft.tables.spec import TableError, TableSpec

_SEPARATORS = ",;\t"


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
        with path.open("rb") as beginning:
            if b"\0" in beginning.read(1024):
                raise TableError(
                    f"{path}: expected rows of text (CSV or TSV, UTF-8), but this is a binary or UTF-16 file"
                )
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            first = file.readline(2**20)
            file.seek(0)
            separator = "\t" if path.suffix.lower() == ".tsv" else max(_SEPARATORS, key=first.count)
            reader = csv.reader(file, delimiter=separator, strict=True)
            for cells in reader:
                if cells:
                    yield Record(reader.line_num, [cell.strip(BLANKS) for cell in cells])
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
    """Refuse a heading with a name that is none, or with two that a reader cannot tell apart.

    Raises
    ------
    TableError
        The heading is refused.
    """
    if "" in names:
        raise TableError(f"{path}: column {names.index('') + 1} has no name in the first line. Name every column there")
    if (wrong := fault(names, "column")) is not None:
        raise TableError(f"{path}: line 1: {wrong}. Rename it")


@dataclass(frozen=True)
class Row:
    """One row for a model, before its words become numbers."""

    line: int
    cells: tuple[str, ...]
    """One word a column, in the order of the model's columns; empty where there is an error."""
    error: str | None = None
    """Why the row cannot be read."""


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
        heading = [same(name) for name in first.cells]
        missing = [name for name in wanted if same(name) not in heading]
        self.has_heading = not missing
        if self.has_heading:
            check_heading(first.cells, path)
            self._places = [heading.index(same(name)) for name in wanted]
        else:
            self._places = list(range(len(wanted)))
            if not self._looks_like_a_row(first.cells):
                raise TableError(
                    f"{path}: the first line has no column {missing[0]!r}, and is no row of {len(wanted)} values either. "
                    f"Expected a heading with {_shortened(wanted)}, or such rows without a heading"
                )
        taken = set(self._places)
        self.unused = [name for place, name in enumerate(first.cells) if place not in taken] if self.has_heading else []
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
                yield Row(record.line, tuple(record.cells[place] for place in self._places))
            except TableError as error:
                yield Row(record.line, (), str(error))


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
    cells = [cell.strip() for cell in next(csv.reader([text]), [])]
    names = [column.name for column in spec.columns]
    if len(cells) != len(names):
        raise TableError(f"{len(cells)} values: expected {len(names)}, for {_shortened(names)}")
    spec.encode(cells)
    return Row(1, tuple(cells))


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown}, ... ({len(names)} in all)"
