"""What people read: lines on stderr, results on stdout. All that this package prints goes through here, and no control code with it."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Sequence
from typing import Any, TextIO, cast

from edgesoft.escape import escaped_in_json, printable


def say(line: str) -> None:
    """Print one line of talk."""
    print(printable(line), file=sys.stderr, flush=True)


def write(*lines: str) -> None:
    """Print lines of a result: each stays one, whatever it holds."""
    for line in lines:
        print(printable(line))


def write_json(text: str) -> None:
    """Print what `json_text` made, in one line or in several."""
    print(text)


class _Guarded:
    """A stream that lets no control code through, whoever writes: what stands behind `say` and `write` when something goes past them.

    Line breaks pass. Rich draws with control codes; it is handed the stream itself (`unguarded`).
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(printable(text, lines=True))

    def writelines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def guard() -> None:
    """Guard stdout and stderr. A letter that their encoding does not have is written as in JSON, so that JSON stays JSON."""
    codecs.register_error("edgesoft", _without_loss)
    for name in ("stdout", "stderr"):
        stream = unguarded(getattr(sys, name))
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="edgesoft")
        setattr(sys, name, _Guarded(stream))


def unguarded(stream: TextIO) -> TextIO:
    """The stream itself, for text that is all our own."""
    return cast(TextIO, getattr(stream, "stream", stream))


def _without_loss(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return escaped_in_json(error.object[error.start : error.end]), error.end


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align rows of words, a line each: the first column to the left, the others to the right; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return lines


def percent(fraction: float, digits: int = 2) -> str:
    """0.9941 -> "99.41 %"."""
    return f"{100 * fraction:.{digits}f} %"
