"""Files of tables: which reader opens one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from edgesoft.data.arrow import Rows
from edgesoft.data.feather import feather_rows
from edgesoft.data.parquet import parquet_rows
from edgesoft.data.settings import DataSettings
from edgesoft.data.splits import Indices, divide
from edgesoft.names import same
from edgesoft.tables.lines import UNPACKED_LIMIT, kind_of
from edgesoft.tables.records import Record
from edgesoft.tables.rows import check_heading, hint_of_row, is_number, odd_numbers, shortened
from edgesoft.tables.spec import TableError
from edgesoft.tables.text import read_records

FILE_LIMIT = UNPACKED_LIMIT
"""Largest text file read, in bytes."""
READERS: Mapping[str, Callable[[Path], Rows]] = {
    ".parquet": parquet_rows,
    ".pq": parquet_rows,
    ".feather": feather_rows,
    ".arrow": feather_rows,
}
"""Suffix -> what reads such a file; all others are read as text."""
FIRST_ROWS = 1000
"""Rows that a heading is held against, at most."""
FIRST_CELLS = 2**20
"""Cells in them, at most."""


class LineOf(int):
    """The number of a line, which says in a message of which file it is."""

    path: Path

    def __new__(cls, number: int, path: Path) -> LineOf:
        """A line of a file."""
        line = super().__new__(cls, number)
        line.path = path
        return line

    def __format__(self, spec: str) -> str:
        return f"{int(self):{spec}} of {self.path}"


@dataclass(frozen=True)
class TableFile:
    """A file and its heading."""

    path: Path
    names: list[str]
    rows: Rows
    is_text: bool
    """Whether the names stand in a line that might be a row."""

    @classmethod
    def open(cls, path: Path) -> TableFile:
        """Look into a file, which may then be read as often as it takes.

        Raises
        ------
        EdgesoftError
            It cannot be read, is empty or too large, a column has no name, or what reads it is not installed.
        """
        rows = READERS.get(kind_of(path), _text_rows)(path)
        heading = next(rows(()), Record(0, []))
        if not heading.cells:
            raise TableError(f"{path}: the file is empty. Expected a heading and one row an example")
        check_heading(heading.cells, path)
        return cls(path, heading.cells, rows, is_text=heading.line > 0)

    def records(self, left_out: Collection[int]) -> Iterator[Record]:
        """The rows; cells of the columns at these places may come empty."""
        records = self.rows(left_out)
        next(records, None)
        return records


def open_tables(path: Path, options: DataSettings) -> dict[str, TableFile]:
    """Split -> its table: "train", and "validation" and "test" where the options name one.

    Raises
    ------
    EdgesoftError
        One of them cannot be opened: see `TableFile.open`.
    UsageError
        A split that has a table of its own shall have a share of the first one too.
    """
    files = {"train": TableFile.open(path)}
    for option, split in (("val", "validation"), ("test", "test")):
        if (other := getattr(options, option)) is not None:
            options.refuse(f"a table with --{option}", f"{option}_split")
            files[split] = TableFile.open(Path(other).expanduser())
    return files


def check_first_line(file: TableFile, target: int, places: Sequence[int]) -> list[str]:
    """Refuse a heading that is a row: its label is a label of the next rows too, and its other cells are like theirs.

    Returns
    -------
    list
        A sentence, where it is one perhaps.

    Raises
    ------
    TableError
        It is a row.
    """
    if not file.is_text:
        return []
    rows = file.records(set(range(len(file.names))) - {target, *places})
    some = islice(rows, max(2, min(FIRST_ROWS, FIRST_CELLS // len(file.names))))
    cells = zip(*(record.cells for record in some if record.error is None), strict=True)
    columns = list(map(set, cells))
    if not columns:
        return []
    odd = set(odd_numbers(file.names))
    alike = [
        place
        for place in places
        if (file.names[place] in odd and all(map(is_number, columns[place] - {""})))
        or (file.names[place] in columns[place] - {""} and not is_number(file.names[place]))
    ]
    if 2 * len(alike) < len(places) or not alike:
        return []
    shown = shortened([file.names[place] for place in places])
    if file.names[target] in columns[target]:
        raise TableError(
            f"{file.path}: the first line looks like a row, not like a heading: {file.names[target]!r} is a label of other rows too, "
            f"and {shown} are values. Write the names of the columns in a line above it"
        )
    return [
        f"{file.path}: the columns are named {shown}: if the first line is a row, write their names in a line above it"
    ]


class SplitFiles:
    """A table, and others that are its further splits: their rows one after the other, in the columns of the first.

    Raises
    ------
    TableError
        One of the others lacks a column.
    """

    def __init__(self, files: Mapping[str, TableFile], needed: Collection[int]) -> None:
        self._first, self._files = files["train"], files
        self._places: dict[str, dict[int, int]] = {}
        """Split -> where a column stands in its file -> where it stands in the first."""
        self._rows: dict[str, int] = {}
        """Split -> rows in its file, as the last whole pass counted them."""
        self.notes: list[str] = []
        """What is odd about the columns of the others."""
        self.width = len(self._first.names)
        """Columns of the first."""
        known = {"", *map(same, self._first.names)}
        for split, file in files.items():
            found = {same(name): place for place, name in enumerate(file.names)}
            # An index without a name need not stand in every file.
            held = [place for place in needed if self._first.names[place] or file is self._first or "" in found]
            missing = [name for place in held if same(name := self._first.names[place]) not in found]
            if missing:
                raise TableError(
                    f"{file.path}: has no column {', '.join(map(repr, missing[:5]))}, which {self._first.path} has. "
                    f"Expected the same columns, in any order{hint_of_row(file.names)}"
                )
            self._places[split] = {found[same(self._first.names[place])]: place for place in held}
            if unused := [name for name in file.names if same(name) not in known]:
                self.notes.append(
                    f"{file.path}: columns that {self._first.path} has not are not used: {shortened(unused)}"
                )

    def __iter__(self) -> Iterator[Record]:
        for split, file in self._files.items():
            self._rows[split] = 0
            places = self._places[split]
            for record in file.records([place for place in range(len(file.names)) if place not in places]):
                self._rows[split] += 1
                yield record if file is self._first else self._moved(record, places, file.path)
            if not self._rows[split]:
                raise TableError(f"{file.path}: has a heading but no rows. Expected one row an example")

    def _moved(self, record: Record, places: Mapping[int, int], path: Path) -> Record:
        """A record of another file in the columns of the first."""
        line, cells = LineOf(record.line, path), [""] * len(self._first.names)
        if record.error is not None:
            return Record(line, [], record.error)
        for place, home in places.items():
            cells[home] = record.cells[place]
        return Record(line, cells)

    def divided(self, targets: Indices, labels: Sequence[str], options: DataSettings) -> dict[str, Indices]:
        """Split -> its rows: all of its table, or of the first table what is held out.

        Parameters
        ----------
        targets
            int64 `[n]`, of all rows in their order; -1 where a row has no label, which then belongs to no split.
        labels
            The class names.
        options
            How to hold out.

        Raises
        ------
        TableError
            Another table has a label that the first has not.
        """
        count = start = self._rows["train"]
        labelled = np.flatnonzero(targets[:count] >= 0)
        has = {f"has_{split}": split in self._files for split in ("validation", "test")}
        parts = {split: labelled[part] for split, part in divide(targets[labelled], options, **has).items()}
        for split, file in self._files.items():
            if file is self._first:
                continue
            rows = np.arange(start, start := start + self._rows[split])
            parts[split] = rows[targets[rows] >= 0]
            if strange := sorted({labels[target] for target in np.setdiff1d(targets[parts[split]], targets[:count])}):
                raise TableError(
                    f"{file.path}: no row of {self._first.path} has the label {', '.join(map(repr, strange[:5]))}"
                    f"{' and others' if len(strange) > 5 else ''}. Remove these rows, or train on such ones too"
                )
        return parts


def table_name(path: Path) -> str:
    """What a table is called after: "rows" of "rows.csv.gz"."""
    return path.stem if path.suffix.lower() != ".gz" else Path(path.stem).stem


def _text_rows(path: Path) -> Rows:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0  # opening it will say why
    if size > FILE_LIMIT:
        raise TableError(
            f"{path}: {size / 1e9:.1f} GB is more than a table may have ({FILE_LIMIT / 1e9:.1f} GB), because its numbers must fit "
            "into memory. Take a sample of the rows, or save it as .parquet"
        )
    names = next(read_records(path), Record(0, [])).cells  # known once, JSON lines need not be searched for them again
    return lambda _: read_records(path, names)
