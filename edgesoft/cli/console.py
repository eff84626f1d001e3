"""What people read: lines on stderr, tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence

# Line breaks and control codes, which file names and labels may hold: they must not reach a terminal.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def say(line: str) -> None:
    """Print one line of talk."""
    print(printable(line), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """`text` as one line without control codes."""
    return text.translate(_CONTROL)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align rows of words: the first column to the left, the others to the right; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def percent(fraction: float, digits: int = 2) -> str:
    """0.9941 -> "99.41 %"."""
    return f"{100 * fraction:.{digits}f} %"
