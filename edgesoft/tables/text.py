"""Text files with separated cells, line by line: a bad line costs itself and no other, and every line has a limit.

Python's csv module takes a quote that is never closed for one cell up to the end of the file. Here a record that does not close
within its limits, or does not fit the others, costs its first line; reading goes on at the next one.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edgesoft.errors import EdgesoftError
from edgesoft.files import is_utf16, open_to_read, reason
from edgesoft.names import BLANKS
from edgesoft.tables.spec import TableError

LONGEST_RECORD = 4 * 2**20
"""Most characters of one row."""
LONGEST_CELL = 2**17
"""Most characters of one cell."""
MOST_CELLS = 2**16
"""Most cells of one row."""
MOST_LINES = 100
"""Lines that the quoted cells of one row may run over."""
PATIENCE = 100_000
"""Lines of a file that are looked at in vain for the end of a quoted cell; after them, every row stands on one line."""
_CHUNK = 2**18
_SEPARATORS = ",;\t"
_FOREIGN = ((b"\x1f\x8b", "compressed with gzip"), (b"PK\x03\x04", "a zip file or spreadsheet"), (b"PAR1", "Parquet"))


class UnclosedError(TableError):
    """A quoted cell that does not end."""

    def __init__(self) -> None:
        super().__init__("a quote is opened and never closed: close it or leave it out")


class Record(NamedTuple):
    """One row of a text file as it stands there."""

    line: int
    """Where it begins, counted from 1."""
    cells: list[str]
    """Without the blanks around them; none where there is an error."""
    error: str | None = None
    """Why the row cannot be read."""


def read_records(path: Path) -> Iterator[Record]:
    """The rows of a CSV or TSV file, the heading first, one at a time: a file of any size takes the memory of one row.

    The cells are separated by tabs in a ``.tsv`` file; else by whichever of comma, semicolon and tab is most frequent in the first line.
    Empty lines hold no row. A row that cannot be read, or has another number of cells than the first, carries its error.

    Raises
    ------
    TableError
        The file cannot be read, or its first row cannot.
    """
    reader = _Reader(path)
    first = reader.record(None)
    if first is None:
        return
    if first.error is not None:
        raise TableError(f"{path}: line {first.line}: {first.error}")
    yield first
    while (record := reader.record(len(first.cells))) is not None:
        yield record


class _Reader:
    """Joins lines to records, and begins again at the line after a bad one."""

    def __init__(self, path: Path) -> None:
        self._lines = enumerate(_lines(path), start=1)
        self._ahead: deque[tuple[int, str | None]] = deque()
        """Lines that were looked at, and belong to no record yet."""
        self._patience = PATIENCE
        self._separator = "\t" if path.suffix.lower() == ".tsv" else ""

    def record(self, width: int | None) -> Record | None:
        """The next record, of so many cells if it is good; None at the end of the file."""
        while (number_and_line := self._next()) is not None:
            number, line = number_and_line
            if line is None:
                return Record(number, [], f"a line of more than {LONGEST_RECORD:,} characters: expected a shorter one")
            if not line:
                continue
            self._separator = self._separator or max(_SEPARATORS, key=line.count)
            try:
                cells = split_cells(line, self._separator) if '"' not in line else self._quoted(line, width)
                if width is not None and len(cells) != width:
                    raise TableError(f"{len(cells)} cells where the first line has {width}")
            except TableError as error:
                return Record(number, [], str(error))
            return Record(number, cells)
        return None

    def _next(self) -> tuple[int, str | None] | None:
        return self._ahead.popleft() if self._ahead else next(self._lines, None)

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
            self._ahead.extendleft(reversed(taken))
            raise UnclosedError from None
        return cells

    def _ran_on(self, line: str, taken: list[tuple[int, str | None]]) -> Iterator[str]:
        """`line` and as many of the next ones as are asked for, within the limits of one record."""
        yield line + "\n"
        room = LONGEST_RECORD - len(line)
        while len(taken) < MOST_LINES and (following := self._next()) is not None:
            taken.append(following)
            room -= len(following[1] or "") + 1
            if following[1] is None or room < 0:
                return
            yield following[1] + "\n"


def _lines(path: Path) -> Iterator[str | None]:
    """The lines of a file, without their ends (LF, CR LF or CR); None for one that is too long.

    A byte that is not UTF-8 becomes a lone surrogate.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")("surrogateescape"), translate=True)
    tail, is_too_long = "", False
    for chunk in _chunks(path):
        *whole, tail = (tail + decoder.decode(chunk, final=not chunk)).split("\n")
        for line in whole:
            yield None if is_too_long or len(line) > LONGEST_RECORD else line
            is_too_long = False
        is_too_long |= len(tail) > LONGEST_RECORD
        tail = "" if is_too_long else tail
    if tail or is_too_long:
        yield None if is_too_long else tail


def _chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file or pipe, and an empty chunk at the end."""
    try:
        with open_to_read(path, "rows of text (CSV or TSV)") as file:
            chunk = os.read(file.fileno(), _CHUNK)
            if not chunk and stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
                raise TableError(
                    f"{path}: expected rows of text (CSV or TSV), but this is a pipe that nobody writes to"
                )
            _check_text(chunk, path)
            while chunk:
                yield chunk
                chunk = os.read(file.fileno(), _CHUNK)
            yield b""
    except TableError:
        raise
    except EdgesoftError as error:
        raise TableError(str(error)) from error
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({reason(error)})") from error


def _check_text(beginning: bytes, path: Path) -> None:
    for signature, what in _FOREIGN:
        if beginning.startswith(signature):
            raise TableError(f"{path}: expected rows of text (CSV or TSV, UTF-8), but this is {what}. Save it as CSV")
    first = beginning.replace(b"\r", b"\n").partition(b"\n")[0]
    is_binary = b"\0" in beginning[:1024] and not _is_utf8(first)
    if is_utf16(beginning) or b"\0" in first or is_binary:  # further on in a text, it costs its row
        found = "UTF-16. Save it as UTF-8" if is_utf16(beginning) else "a binary file"
        raise TableError(f"{path}: expected rows of text (CSV or TSV, UTF-8), but this is {found}")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


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
    if "\0" in text:
        raise TableError("a zero byte: expected text")
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        raise TableError("not UTF-8: save the file as UTF-8") from None
    cells = text.split(separator)
    if '"' in text or "\n" in text:
        lines = (line + "\n" for line in text.split("\n"))
        cells = _first_record(lines, separator)
        if next(lines, None) is not None:
            raise TableError("a line break outside quotes: expected one row")
    longest = max(map(len, cells)) if len(text) > LONGEST_CELL else 0
    if longest > LONGEST_CELL:
        raise TableError(f"a cell of {longest:,} characters: expected at most {LONGEST_CELL:,}")
    return [cell.strip(BLANKS) for cell in cells]


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
