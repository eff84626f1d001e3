"""What a row of a file is before anybody knows its meaning, and what its cells may hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edgesoft.names import BLANKS
from edgesoft.tables.spec import TableError, shown

LONGEST_RECORD = 4 * 2**20
"""Most characters of one row."""
LONGEST_CELL = 2**17
"""Most characters of one cell."""
MOST_CELLS = 2**16
"""Most cells of one row."""
TOO_LONG = f"a line of more than {LONGEST_RECORD:,} characters: expected a shorter one"


class Record(NamedTuple):
    """One row of a file as it stands there."""

    line: int
    """Where it begins, counted from 1."""
    cells: list[str]
    """Without the blanks around them; none where there is an error."""
    error: str | None = None
    """Why the row cannot be read."""


class Block(NamedTuple):
    """Some rows of a file, by column."""

    lines: Sequence[int]
    """Where each row begins that can be read."""
    columns: Sequence[Sequence[str]]
    """Their cells; no columns at all where there is no row."""
    wrong: Sequence[Record] = ()
    """The others."""
    first: int = 0
    """Number of the first row among all that can be read."""


def gathered(records: Iterable[Record]) -> Block:
    """Some records as a block."""
    wrong, lines, rows = list[Record](), list[int](), list[list[str]]()
    for record in records:
        if record.error is None:
            lines.append(record.line)
            rows.append(record.cells)
        else:
            wrong.append(record)
    return Block(lines, list(zip(*rows, strict=True)), wrong)


def check_characters(text: str) -> None:
    """Refuse a row with something that is no text.

    Raises
    ------
    TableError
        It holds a zero byte, bytes that are not UTF-8, or half of a character.
    """
    if "\0" in text:
        raise TableError("a zero byte: expected text")
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError as error:
        raise TableError(f"not UTF-8: save the file as UTF-8{_perhaps(text, error.start)}") from None


def _perhaps(text: str, place: int) -> str:
    """What the word around a byte that is not UTF-8 is in the encoding of old Windows, which only its reader can judge."""
    before = text[:place].rpartition("\n")[2]
    start = 1 + max(before.rfind(mark) for mark in ',;\t|" ')
    end = min(at for mark in ',;\t|" \n' if (at := f"{text}\n".find(mark, place)) >= 0)
    try:
        word = text[len(text[:place]) - len(before) + start : end].encode("utf-8", "surrogateescape").decode("cp1252")
    except UnicodeError:
        return ""
    return f" (if {shown(word)} is meant: iconv -f cp1252 -t utf-8)" if word.isprintable() else ""


def stripped(cells: list[str], characters: int) -> list[str]:
    """The cells of a row of so many characters without the blanks around them.

    Raises
    ------
    TableError
        One of them is too long.
    """
    longest = max(map(len, cells)) if characters > LONGEST_CELL else 0
    if longest > LONGEST_CELL:
        raise TableError(f"a cell of {longest:,} characters: expected at most {LONGEST_CELL:,}")
    return [cell.strip(BLANKS) for cell in cells]
