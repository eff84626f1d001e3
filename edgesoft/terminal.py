"""What a stream can show: lines, facts and tables that fit the width of a terminal, and emphasis where it has colours.

Where a stream is no terminal (a pipe, a file), every line stays whole and bare, whatever its length: programs read it.
Foreign text is escaped here, before any control code of ours comes to it.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from edgesoft.escape import printable

UNKNOWN_WIDTH = 80
"""Columns of a terminal that does not say how many it has."""
GAP = 2
"""Columns between the columns of a table, and those that the rest of a folded line stands in."""
NARROW = 16
"""Columns that a table's first column gets at least, if it wants them."""
TRUE_COLOUR = 1 << 24

_CODES = {"good": "32", "bad": "1;31", "odd": "33", "strong": "1", "faint": "2"}
# How talk begins, and how that is emphasised.
_PREFIXES = {
    "error": "bad",
    "not published": "bad",
    "warning": "odd",
    "left out": "odd",
    "note": "faint",
    "next": "strong",
    "continue": "strong",
}
# What is never folded: a word, and a command that a sentence ends with, which is copied.
_WORD = re.compile(r"(?:(?<=: )|(?<=:  ))(?:edgesoft|pip install|docker run) .*$|[^ ]+")


class Emphasised(str):
    """Text that stands out where the stream has colours; `style` says how: good, bad, odd, strong or faint."""

    __slots__ = ("style",)
    style: str

    def __new__(cls, text: str, style: str) -> Emphasised:
        """Make one."""
        self = super().__new__(cls, text)
        self.style = style
        return self


def good(text: str) -> str:
    """What passed."""
    return Emphasised(text, "good")


def bad(text: str) -> str:
    """What was missed."""
    return Emphasised(text, "bad")


def odd(text: str) -> str:
    """What deserves a second look: an unknown answer."""
    return Emphasised(text, "odd")


def strong(text: str) -> str:
    """What a reader looks for."""
    return Emphasised(text, "strong")


Text = str | tuple[str, ...]
"""One line, or its parts, each with its own emphasis."""


@dataclass(frozen=True)
class Screen:
    """What a stream can show."""

    width: int | None
    """Columns; None: it is no terminal, and lines stay whole."""
    colours: int
    """How many; 0: none are wanted, or it has none."""
    has_blocks: bool = False
    """Whether its encoding has letters such as the upper half block."""

    @classmethod
    def of(cls, stream: TextIO) -> Screen:
        """Ask a stream, and the variables that users set: COLUMNS, NO_COLOR, COLORTERM, TERM."""
        if not stream.isatty():
            return cls(None, 0)
        encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
        return cls(_columns(stream), _colours(), encoding == "utf8")

    def paint(self, text: str, style: str | None) -> str:
        """`text`, which is safe, with its emphasis."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colours and style and text else text


def _columns(stream: TextIO) -> int:
    asked = os.environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdigit() and int(asked[:6]) > 0:
        return int(asked[:6])
    try:
        return os.get_terminal_size(stream.fileno()).columns or UNKNOWN_WIDTH
    except (OSError, ValueError):
        return UNKNOWN_WIDTH


def _colours() -> int:
    terminal = os.environ.get("TERM", "")
    is_new_windows = sys.platform == "win32" and "WT_SESSION" in os.environ
    if os.environ.get("NO_COLOR") or terminal == "dumb" or not (terminal or is_new_windows):
        return 0
    if is_new_windows or os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return TRUE_COLOUR
    return 256 if "256" in terminal else 8


def cells(text: str) -> int:
    """Columns that `text` takes: letters of East Asia take two, marks on other letters none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(letter) in ("Mn", "Me", "Cf") else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )


@dataclass(frozen=True)
class Prose:
    """A sentence, folded between words; the lines after the first are set in."""

    text: Text
    indent: int = GAP

    def lines(self, screen: Screen) -> Iterator[str]:
        """The lines of a screen."""
        yield from _painted(self.text, screen, self.indent)


@dataclass(frozen=True)
class Facts:
    """Names and what is told of each, below each other; a text that is folded stays beside its name."""

    rows: Sequence[tuple[str, Text]]
    indent: int
    """The column in which texts begin."""

    def lines(self, screen: Screen) -> Iterator[str]:
        """The lines of a screen."""
        for name, text in self.rows:
            parts = (text,) if isinstance(text, str) else text
            yield from _painted((name.ljust(self.indent), *parts) if text else name, screen, self.indent)


@dataclass(frozen=True)
class Table:
    """Rows of words under a heading, which is the first row: the first column to the left, the others to the right.

    Where it is too wide, headings and the first column are folded between words; where that is not enough, the columns come in several
    tables, each with the first column.
    """

    rows: Sequence[Sequence[str]]

    @property
    def width(self) -> int:
        """Columns that it takes whole."""
        widths = [max(cells(printable(cell)) for cell in column) for column in zip(*self.rows, strict=True)]
        return sum(widths) + GAP * (len(widths) - 1)

    def lines(self, screen: Screen) -> Iterator[str]:
        """The lines of a screen."""
        if screen.width is None or self.width <= screen.width:
            widths = [max(cells(printable(cell)) for cell in column) for column in zip(*self.rows, strict=True)]
            yield from _table_lines(self.rows, widths, screen)
            return
        names, *others = zip(*self.rows, strict=True)
        widths = [max(_longest_word(heading), *(cells(printable(cell)) for cell in body)) for heading, *body in others]
        first = max(cells(printable(name)) for name in names)
        least = min(first, max(NARROW, *map(_longest_word, names)), screen.width // 2)
        if (left := screen.width - sum(widths) - GAP * len(widths)) >= least:
            yield from _table_lines(self.rows, [min(left, first), *widths], screen)
            return
        first = min(first, max(least, screen.width // 3))
        for number, columns in enumerate(_blocks(widths, screen.width - first)):
            yield from ([""] if number else [])
            block = [[row[0], *(row[1 + column] for column in columns)] for row in self.rows]
            yield from _table_lines(block, [first, *(widths[column] for column in columns)], screen)


Block = str | Prose | Facts | Table
"""What is shown; a string is a line that is never folded, such as a file's path."""


def lines(blocks: Iterable[Block], screen: Screen) -> Iterator[str]:
    """The lines of a screen, escaped and with their emphasis."""
    for block in blocks:
        if isinstance(block, str):
            yield screen.paint(printable(block), getattr(block, "style", None))
        else:
            yield from block.lines(screen)


def talk(line: str, screen: Screen) -> Iterator[str]:
    """The lines of a message; its kind, which it begins with, is emphasised."""
    head, colon, rest = line.partition(":")
    style = _PREFIXES.get(head)
    return Prose(line if style is None else (Emphasised(head + colon, style), rest)).lines(screen)


def _longest_word(text: str) -> int:
    return max(map(cells, printable(text).split(" ")))


def _blocks(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """The columns that stand in one table, the next ones, ...; at least one in each."""
    block, used = list[int](), 0
    for column, width in enumerate(widths):
        if block and used + GAP + width > room:
            yield block
            block, used = [], 0
        block.append(column)
        used += GAP + width
    yield block


def _table_lines(rows: Sequence[Sequence[str]], widths: Sequence[int], screen: Screen) -> Iterator[str]:
    for number, row in enumerate(rows):
        folded = [list(_painted(cell, screen, 0, width, hard=True)) for cell, width in zip(row, widths, strict=True)]
        for line in range(max(map(len, folded))):
            words = [
                _aligned(cell[line : line + 1], column, width)
                for column, (cell, width) in enumerate(zip(folded, widths, strict=True))
            ]
            yield (" " * GAP).join(words).rstrip()
        if not number:
            yield (" " * GAP).join("-" * width for width in widths)


def _aligned(cell: Sequence[str], column: int, width: int) -> str:
    text = cell[0] if cell else ""
    space = " " * (width - cells(_bare(text)))
    return text + space if column == 0 else space + text


def _bare(text: str) -> str:
    """`text` without our control codes, the only ones that are left in it."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text) if "\x1b" in text else text


def _painted(text: Text, screen: Screen, indent: int, width: int | None = None, *, hard: bool = False) -> Iterator[str]:
    """Fold a line, and then give each part its emphasis."""
    parts = [(printable(part), getattr(part, "style", None)) for part in ((text,) if isinstance(text, str) else text)]
    plain = "".join(part for part, _ in parts)
    for start, end, space in _folds(plain, screen.width if width is None else width, indent, hard=hard):
        painted, place = [" " * space], 0
        for part, style in parts:
            painted.append(screen.paint(part[max(start - place, 0) : max(end - place, 0)], style))
            place += len(part)
        yield "".join(painted)


def _folds(text: str, width: int | None, indent: int, *, hard: bool) -> Iterator[tuple[int, int, int]]:
    """Where each line of `text` starts and ends, and how far it is set in; `hard`: within words too, where one is too long."""
    if width is None or cells(text) <= width:
        yield 0, len(text), 0
        return
    start = end = space = 0
    for word in _WORD.finditer(text):
        stop = word.end()
        if end > start and space + cells(text[start:stop]) > width and text[start:end].strip():
            yield start, end, space
            start, space = word.start(), max(0, min(indent, width - cells(word[0])))
        while hard and cells(text[start:stop]) > width - space:
            fitting = next(
                place
                for place in range(stop, start, -1)
                if cells(text[start:place]) <= width - space or place == start + 1
            )
            yield start, fitting, space
            start = fitting
        end = stop
    yield start, end, space
