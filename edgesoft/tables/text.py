"""Rows of text files: separated cells line by line, or JSON lines. A bad line costs itself and no other, and every line has a limit.

Python's csv module takes a quote that is never closed for one cell up to the end of the file. Here a record that does not close
within its limits, or does not fit the others, costs its first line; reading goes on at the next one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from edgesoft.names import BLANKS
from edgesoft.tables import json_lines
from edgesoft.tables.lines import Line, Lines, kind_of
from edgesoft.tables.records import (
    LONGEST_CELL,
    LONGEST_RECORD,
    MOST_CELLS,
    TOO_LONG,
    Block,
    Record,
    check_characters,
    gathered,
    stripped,
)
from edgesoft.tables.spec import TableError

MOST_LINES = 100
"""Lines that the quoted cells of one row may run over, and comments that may stand before the heading."""
PATIENCE = 100_000
"""Lines of a file that are looked at in vain for the end of a quoted cell; after them, every row stands on one line."""
CELLS_AT_ONCE = 2**16
"""Cells of a block: more of them leave the processor's cache, and take twice as long."""
_SEPARATORS = ",;\t|"
_SAID = re.compile(r'"?sep=([,;\t|])"?[,;\t|]*', re.IGNORECASE)
"""The line by which spreadsheets say what separates the cells."""
_QUOTED = re.compile('"[^"]*"')


class UnclosedError(TableError):
    """A quoted cell that does not end."""

    def __init__(self) -> None:
        super().__init__("a quote is opened and never closed: close it or leave it out")


def read_records(path: Path, columns: Sequence[str] | None = None) -> Iterator[Record]:
    """The rows of a text file, the heading first, one at a time: a file of any size takes the memory of one row.

    The cells are separated by tabs in a ``.tsv`` file; else by what its first line says (``sep=;``), or by whichever of comma, semicolon,
    tab and pipe fits the heading. Lines before it that begin with ``#`` are comments, unless they are divided like the heading itself.
    Empty lines hold no row. A row that cannot be read, or has another number of cells than the first, carries its error. A file
    whose first line is a JSON object, or that is named ``.jsonl`` or ``.ndjson``, holds such an object a line: see `json_records`.

    Parameters
    ----------
    path
        The file.
    columns
        The names that are wanted of objects, where they need not have all of them; None reads a file of JSON lines twice, first for
        their names. Separated cells need none, because their heading names them.

    Raises
    ------
    TableError
        The file cannot be read, or its first row cannot.
    """
    reader = _opened(path, columns)
    if not isinstance(reader, _Reader):
        yield from reader
        return
    yield reader.heading
    while (record := reader.record(reader.width)) is not None:
        yield record


def read_blocks(path: Path, columns: Sequence[str] | None = None) -> Iterator[Block]:
    """The same rows, many at a time, and without the heading: several times as quick, in the memory of some hundred thousand cells."""
    reader = _opened(path, columns)
    if isinstance(reader, _Reader):
        yield from reader.blocks()
        return
    at_once = rows_at_once(len(next(reader, Record(0, [])).cells))
    while some := list(islice(reader, at_once)):
        yield gathered(some)


def rows_at_once(width: int) -> int:
    """How many rows of so many cells a block has."""
    return max(16, CELLS_AT_ONCE // max(1, width))


def _opened(path: Path, columns: Sequence[str] | None) -> _Reader | Iterator[Record]:
    """What reads separated cells, or the records of JSON lines, or nothing from an empty file."""
    lines = Lines(path)
    first = lines.take()
    if first is None:
        return iter(())
    lines.give_back([first])
    if kind_of(path) in json_lines.KINDS or json_lines.is_object(first[1] or ""):
        names = json_lines.json_names(Lines(path), path) if columns is None else columns
        return json_lines.json_records(lines, names)
    reader = _Reader(lines, "\t" if kind_of(path) == ".tsv" else None)
    heading = reader.record(None)
    if heading is None:
        return iter(())
    if heading.error is not None:
        raise TableError(f"{path}: line {heading.line}: {heading.error}")
    reader.heading, reader.width = heading, len(heading.cells)
    return reader


class _Reader:
    """Joins lines to records, and begins again at the line after a bad one."""

    def __init__(self, lines: Lines, separator: str | None) -> None:
        self._lines, self._patience = lines, PATIENCE
        self._separator = self._begin(separator)
        self.heading, self.width = Record(0, []), 0

    def _begin(self, separator: str | None) -> str:
        """Take away what stands before the heading; what separates the cells."""
        line = self._filled()
        if line is not None and (said := _SAID.fullmatch(line[1] or "")):
            separator, line = said[1], self._filled()
        comments, kept = list[Line](), list[Line]()
        while line is not None and _is_comment(line[1]) and len(comments) < MOST_LINES:
            comments.append(line)
            line = self._filled()
        if line is None:  # rows of words that begin with #
            kept, comments = comments, []
        else:
            kept = [line]
        text = kept[0][1] or "" if kept else ""
        separator = separator or self._guessed(text)
        while comments and (comments[-1][1] or "").count(separator) == text.count(separator):
            kept.insert(0, comments.pop())
        self._lines.give_back(kept)
        return separator

    def _filled(self) -> Line | None:
        """The next line that is not empty."""
        while (line := self._lines.take()) is not None and line[1] == "":
            pass
        return line

    def _guessed(self, heading: str) -> str:
        """Which separator a heading has; of several, the one that divides the next line into as many cells."""
        counts = {mark: _QUOTED.sub("", heading).count(mark) for mark in _SEPARATORS}
        following = self._filled() if sum(map(bool, counts.values())) > 1 else None
        if following is not None:
            self._lines.give_back([following])
        text = _QUOTED.sub("", following[1] or "") if following is not None else ""
        return max(_SEPARATORS, key=lambda mark: (0 < counts[mark] == text.count(mark), counts[mark]))

    def record(self, width: int | None) -> Record | None:
        """The next record, of so many cells if it is good; None at the end of the file."""
        while (number_and_line := self._lines.take()) is not None:
            number, line = number_and_line
            if line is None:
                return Record(number, [], TOO_LONG)
            if not line:
                continue
            try:
                cells = split_cells(line, self._separator) if '"' not in line else self._quoted(line, width)
                if width is not None and len(cells) != width:
                    raise TableError(f"{len(cells)} cells where the first line has {width}")
            except TableError as error:
                return Record(number, [], str(error))
            return Record(number, cells)
        return None

    def blocks(self) -> Iterator[Block]:
        """All records, many at a time: those of plain lines at once, the others one by one."""
        at_once = rows_at_once(self.width)
        while some := self._lines.take_some(at_once):
            if (block := self._plain(some)) is None:
                self._lines.give_back(some)
                block = gathered(islice(iter(lambda: self.record(self.width), None), len(some)))
            yield block

    def _plain(self, some: Sequence[Line]) -> Block | None:
        """The rows of these lines, if each is one that can be read; what is in doubt is left to `record`."""
        lines = [line for line in some if line[1] != ""]
        texts = [text for _, text in lines if text is not None]
        whole = self._separator.join(texts)
        if len(texts) < len(lines) or max(map(len, texts), default=0) > LONGEST_CELL:
            return None
        try:
            check_characters(whole)
            columns = self._quoted_columns(texts) if '"' in whole else self._columns(whole, texts)
        except (TableError, csv.Error):
            return None
        if columns is None:
            return None
        if not whole.isascii() or " " in whole or "\t" in whole:
            columns = [[cell.strip(BLANKS) for cell in column] for column in columns]
        return Block([number for number, _ in lines], columns)

    def _columns(self, whole: str, texts: Sequence[str]) -> Sequence[Sequence[str]] | None:
        if {text.count(self._separator) for text in texts} != {self.width - 1}:
            return None
        cells = whole.split(self._separator)  # of all rows at once: a list for each row would take three times as long
        return [cells[place :: self.width] for place in range(self.width)]

    def _quoted_columns(self, texts: Sequence[str]) -> Sequence[Sequence[str]] | None:
        rows = list(csv.reader(texts, delimiter=self._separator, strict=True))
        if len(rows) != len(texts) or {len(row) for row in rows} != {self.width}:  # a row may run over several lines
            return None
        return list(zip(*rows, strict=True))

    def _quoted(self, line: str, width: int | None) -> list[str]:
        """The cells of a record that begins with `line` and may run on over the next ones, which are given back if it is bad."""
        try:
            return split_cells(line, self._separator)
        except UnclosedError:
            if self._patience <= 0:
                raise
        taken: list[tuple[int, str | None]] = []
        try:
            _first_record(self._ran_on(line, taken), self._separator)
            lines = [line, *(text or "" for _, text in taken)]
            cells = split_cells("\n".join(lines), self._separator)
            # A quote too many here and one there: what lies between them are rows, not the text of a cell.
            are_rows = [part.count(self._separator) + 1 == width for part in lines]
            if any(are_rows[1:-1]) or all(are_rows):
                raise UnclosedError
            if width is not None and len(cells) != width:
                raise UnclosedError
        except TableError:
            self._patience -= len(taken)
            self._lines.give_back(taken)
            raise UnclosedError from None
        return cells

    def _ran_on(self, line: str, taken: list[tuple[int, str | None]]) -> Iterator[str]:
        """`line` and as many of the next ones as are asked for, within the limits of one record."""
        yield line + "\n"
        room = LONGEST_RECORD - len(line)
        while len(taken) < MOST_LINES and (following := self._lines.take()) is not None:
            taken.append(following)
            room -= len(following[1] or "") + 1
            if following[1] is None or room < 0:
                return
            yield following[1] + "\n"


def _is_comment(line: str | None) -> bool:
    return line is not None and line.startswith("#") and len(line) <= LONGEST_CELL


def split_cells(text: str, separator: str = ",") -> list[str]:
    """The cells of one row, without the blanks around them; a cell with separators or line breaks stands in double quotes.

    Raises
    ------
    TableError
        A quote is not closed or stands in the wrong place, there are more or longer cells than a row may have, or something that is
        no text.
    """
    if len(text) > LONGEST_RECORD:
        raise TableError(f"a row of more than {LONGEST_RECORD:,} characters: expected a shorter one")
    if text.count(separator) >= MOST_CELLS:
        raise TableError(f"more than {MOST_CELLS:,} cells in a row: expected fewer columns")
    check_characters(text)
    cells = text.split(separator)
    if '"' in text or "\n" in text:
        lines = (line + "\n" for line in text.split("\n"))
        cells = _first_record(lines, separator)
        if next(lines, None) is not None:
            raise TableError("a line break outside quotes: expected one row")
    return stripped(cells, len(text))


def _first_record(lines: Iterator[str], separator: str) -> list[str]:
    """The cells of the first record, for which no more lines are taken than it has."""
    try:
        return next(csv.reader(lines, delimiter=separator, strict=True), [])
    except csv.Error as error:
        if str(error) == "unexpected end of data":
            raise UnclosedError from None
        raise TableError(
            f"cells that cannot be told apart ({error}): write a quote inside a quoted cell twice"
        ) from None
