"""Files of tables: which reader opens one, whether its first line is a heading, and splits that are files of their own."""

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
from edgesoft.errors import UsageError
from edgesoft.names import same
from edgesoft.tables.lines import UNPACKED_LIMIT, kind_of
from edgesoft.tables.records import Block, Record, gathered
from edgesoft.tables.rows import check_heading, hint_of_row, is_number, odd_numbers, shortened
from edgesoft.tables.spec import TableError
from edgesoft.tables.text import read_blocks, read_records, rows_at_once

Blocks = Callable[[], Iterator[Block]]
"""The rows of a file, many at a time."""
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
KEPT_CELLS = 2**21
"""Cells of text that are kept to be looked at again; a file that holds more is read again, because it may be of any size."""


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
    quick: Blocks | None = None
    """What reads the rows many at a time, where there is such a way."""

    @classmethod
    def open(cls, path: Path) -> TableFile:
        """Look into a file, which may then be read as often as it takes.

        Raises
        ------
        EdgesoftError
            It cannot be read, is empty or too large, a column has no name, or what reads it is not installed.
        """
        reader = READERS.get(kind_of(path))
        rows = _text_rows(path) if reader is None else reader(path)
        heading = next(rows(()), Record(0, []))
        if not heading.cells:
            raise TableError(f"{path}: the file is empty. Expected a heading and one row an example")
        check_heading(heading.cells, path)
        quick = (lambda: read_blocks(path, heading.cells)) if reader is None else None
        return cls(path, heading.cells, rows, heading.line > 0, quick)

    def blocks(self, left_out: Collection[int]) -> Iterator[Block]:
        """The rows, many at a time; cells of the columns at these places may come empty."""
        if self.quick is not None:
            yield from self.quick()
            return
        records = self.rows(left_out)
        next(records, None)
        while some := list(islice(records, rows_at_once(len(self.names)))):
            yield gathered(some)


def open_tables(path: Path, options: DataSettings) -> dict[str, TableFile]:
    """Split -> its table: "train", and "validation" and "test" where the options name one.

    Raises
    ------
    EdgesoftError
        One of them cannot be opened: see `TableFile.open`.
    UsageError
        A split that has a table of its own shall have a share of the first one too, or two splits have the same table.
    """
    files, known = {"train": TableFile.open(path)}, {path.resolve(): "the training"}
    for option, split in (("val", "validation"), ("test", "test")):
        if (name := getattr(options, option)) is not None:
            options.refuse(f"a table with --{option}", f"{option}_split")
            other = Path(name).expanduser()
            if (use := known.setdefault(other.resolve(), f"--{option}")) != f"--{option}":
                raise UsageError(
                    f"{other}: --{option} names the table of {use}, which would say nothing new. Name another, or leave it out to "
                    "hold rows out"
                )
            files[split] = TableFile.open(other)
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
    block = next(file.blocks(set(range(len(file.names))) - {target, *places}), Block([], []))
    columns = [set(column[:FIRST_ROWS]) for column in block.columns]
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
        self._kept: list[Block] | None = None
        """All rows, once they were read and found few."""
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

    def blocks(self) -> Iterator[Block]:
        """The rows of all files, many at a time; they are read once where they are few, else each time."""
        if self._kept is not None:
            yield from self._kept
            return
        kept, room = list[Block](), KEPT_CELLS
        for block in self._read():
            room -= len(block.lines) * self.width
            if room >= 0:
                kept.append(block)
            else:
                kept.clear()
            yield block
        self._kept = kept if room >= 0 else None

    def _read(self) -> Iterator[Block]:
        first = 0
        for split, file in self._files.items():
            count, places = 0, self._places[split]
            for block in file.blocks([place for place in range(len(file.names)) if place not in places]):
                if block.lines and len(block.columns) != len(file.names):
                    raise TableError(f"{file.path}: changed while it was read. Try again")
                count += len(block.lines) + len(block.wrong)
                yield (block if file is self._first else self._moved(block, places, file.path))._replace(first=first)
                first += len(block.lines)
            if not count:
                raise TableError(f"{file.path}: has a heading but no rows. Expected one row an example")
            self._rows[split] = count

    def _moved(self, block: Block, places: Mapping[int, int], path: Path) -> Block:
        """A block of another file in the columns of the first."""
        columns: list[Sequence[str]] = [[""] * len(block.lines)] * self.width
        for place, home in places.items() if block.lines else ():
            columns[home] = block.columns[place]
        wrong = [record._replace(line=LineOf(record.line, path)) for record in block.wrong]
        return Block([LineOf(line, path) for line in block.lines], columns, wrong)

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
