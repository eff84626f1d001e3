"""What people read: lines on stderr, results on stdout. All that this package prints goes through here, and no control code with it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edgesoft.cli.streams import unguarded
from edgesoft.escape import printable


def say(line: str) -> None:
    """Print one line of talk."""
    print(printable(line), file=sys.stderr, flush=True)


def say_json(text: str) -> None:
    """Print talk that is JSON in ASCII, in one line or in several: nothing in it can be unsafe, and there may be much of it."""
    stream = unguarded(sys.stderr)
    stream.write(f"{text}\n")
    stream.flush()


def write(*lines: str) -> None:
    """Print lines of a result: each stays one, whatever it holds."""
    for line in lines:
        print(printable(line))


def write_now(line: str) -> None:
    """Print one line of a result for whoever waits for it."""
    print(printable(line), flush=True)


def write_json(text: str) -> None:
    """Print what `json_text` made, in one line or in several."""
    print(text)


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
