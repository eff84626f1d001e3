"""What people read: lines on stderr, tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def say(line: str) -> None:
    """Print one line of talk."""
    print(line, file=sys.stderr, flush=True)


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
