"""Tables of labelled examples: rows for a model of tables, paths of pictures for a model of pictures. They are read row by row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from edgesoft.data.arrow import Rows
from edgesoft.data.table_files import READERS
from edgesoft.errors import UsageError
from edgesoft.inference.labelled import Example, LabelIndex, LabelledData
from edgesoft.model.card import ModelCard
from edgesoft.model.inputs import PictureInput
from edgesoft.names import same
from edgesoft.tables.lines import kind_of
from edgesoft.tables.records import Record
from edgesoft.tables.rows import RowFile, check_heading, find_column, shortened
from edgesoft.tables.spec import TableError, TableSpec
from edgesoft.tables.text import read_records
from edgesoft.tables.values import MISSING_WORDS, is_missing

ENCODED = "rows, encoded by the model's columns, as infer reads them"
FILE_COLUMNS = ("file", "path", "filename", "file_name", "filepath", "picture", "image")
"""What a column with the paths of pictures may be called, in lower case."""


def as_infer(card: ModelCard) -> str:
    """What becomes of a picture file, in words."""
    is_ink = isinstance(card.input, PictureInput) and card.input.normaliser == "ink"
    return f"pictures, {'cut out, boxed and centred' if is_ink else 'scaled as a whole'}, as infer reads them"


def read_rows(
    path: Path, card: ModelCard, spec: TableSpec, target: str | None, *, rows: Rows | None = None
) -> LabelledData:
    """The rows of a table with a heading, for a model of tables.

    Parameters
    ----------
    path
        The file, or what the messages call the table.
    card
        The model's.
    spec
        What it takes.
    target
        The column that holds the labels; None takes the one that the model was trained with, or the only one that it does not take.
    rows
        Reads the table; None reads the file.

    Raises
    ------
    EdgesoftError
        The file cannot be read, or lacks a column that the model takes.
    UsageError
        There is no such column of labels, or several may be meant.
    """
    table = _Table(path, rows)
    taken = {same(column.name) for column in spec.columns}
    others = [name for name in table.heading if same(name) not in taken]
    missing = [column.name for column in spec.columns if same(column.name) not in set(map(same, table.heading))]
    if missing:
        raise TableError(
            f"{path}: the first line has no column {missing[0]!r}. Expected a heading with {shortened([c.name for c in spec.columns])}, "
            "and the column of the labels"
        )
    place = _label_column(table, target or _trained_target(card, others), others)
    if same(table.heading[place]) in taken:
        raise UsageError(
            f"{path}: --target {table.heading[place]}: the model takes this column as a feature. Name the labels' column"
        )
    index = LabelIndex(card.labels)
    features = [number for number, name in enumerate(table.heading) if same(name) in taken]

    def examples() -> Iterator[Example]:
        file = RowFile(path, spec, records=table.records({place, *features}))
        for row, label in file.with_column(place):
            name = f"{path}:{row.line}"
            is_read = row.error is None
            yield _labelled(name, row, label, table.heading[place], index) if is_read else Example(name, row, None)

    unused = [name for number, name in enumerate(table.heading) if same(name) not in taken and number != place]
    notes = (f"columns that the model does not take: {shortened(unused)}",) if unused else ()
    return LabelledData(
        str(path), None, f"{ENCODED}; labels from column {table.heading[place]!r}", examples, None, notes
    )


def _labelled(name: str, source: Any, label: str, column: str, index: LabelIndex) -> Example:
    """An example of a table; one without a label cannot be scored."""
    if is_missing(label, MISSING_WORDS) and index.find(label) is None:
        missing = TableError(f"no label in column {column!r} ({label!r}): fill it in or leave the row out")
        return Example(name, missing, None)
    return Example(name, source, label)


def _trained_target(card: ModelCard, others: Sequence[str]) -> str | None:
    """The column that the model was trained with, where the table has it."""
    target = None if card.training is None else card.training.target
    return target if target is not None and same(target) in map(same, others) else None


def _label_column(table: _Table, target: str | None, others: Sequence[str]) -> int:
    if target is None and len(others) == 1:
        target = others[0]
    if target is None:
        which = f"There are {shortened(others)}" if others else "The model takes every column that there is"
        raise UsageError(f"{table.path}: which column holds the labels? Say --target NAME. {which}")
    return find_column(target, table.heading, table.path)


class _Table:
    """A file with a heading, opened once for it, and again for each time that its rows are read."""

    def __init__(self, path: Path, rows: Rows | None = None) -> None:
        self.path = path
        if rows is None and (reader := READERS.get(kind_of(path))) is not None:
            rows = reader(path)
        self._rows = rows
        # The first time goes on where the heading was read, so that a pipe serves too.
        self._opened: Iterator[Record] | None = read_records(path) if self._rows is None else self._rows(())
        first = next(self._opened, None)
        if first is None:
            raise TableError(
                f"{path}: the file is empty. Expected a heading with a column of labels, and one row an example"
            )
        self.heading = first.cells
        check_heading(self.heading, path)
        if self._rows is None:
            self._opened = chain([first], self._opened)

    def records(self, places: Collection[int]) -> Iterator[Record]:
        """The heading and the rows; columns at other places than these may come empty."""
        if self._rows is not None:
            return self._rows(set(range(len(self.heading))) - set(places))
        opened, self._opened = self._opened, None
        return read_records(self.path) if opened is None else opened


def read_listed_pictures(path: Path, card: ModelCard, target: str | None) -> LabelledData:
    """Pictures that a table lists with their labels; paths begin where the table lies. For the rest see `read_rows`."""
    table = _Table(path)
    files = [place for place, name in enumerate(table.heading) if name.lower() in FILE_COLUMNS]
    if not files:
        raise TableError(
            f"{path}: the first line has no column of paths. The model {card.name!r} takes pictures: expected a column called "
            f"{', '.join(FILE_COLUMNS[:3])} and one with the labels, or name a folder with one subfolder a class"
        )
    others = [name for place, name in enumerate(table.heading) if place != files[0]]
    named = target or _trained_target(card, others) or next((n for n in others if n.lower() == "label"), None)
    place = _label_column(table, named, others)
    index = LabelIndex(card.labels)

    def examples() -> Iterator[Example]:
        records = table.records({files[0], place})
        next(records)
        for record in records:
            if record.error is not None:
                yield Example(f"{path}:{record.line}", TableError(record.error), None)
            elif not record.cells[files[0]]:
                no_path = TableError(f"no path in column {table.heading[files[0]]!r}: fill it in or leave the row out")
                yield Example(f"{path}:{record.line}", no_path, None)
            else:
                file = str(path.parent / record.cells[files[0]])
                yield _labelled(file, file, record.cells[place], table.heading[place], index)

    reading = f"{as_infer(card)}; labels from column {table.heading[place]!r}"
    return LabelledData(str(path), None, reading, examples)
