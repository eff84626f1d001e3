"""What people read: talk on stderr, results on stdout. All that this package prints goes through here."""

from __future__ import annotations

import sys

from edgesoft.cli.streams import unguarded
from edgesoft.terminal import Block, Screen, lines, talk


def say(line: str) -> None:
    """Print one line of talk."""
    for part in talk(line, Screen.of(sys.stderr)):
        print(part, file=unguarded(sys.stderr), flush=True)


def write(*blocks: Block) -> None:
    """Print a result; a string stays one line, whatever it holds."""
    for line in lines(blocks, Screen.of(sys.stdout)):
        print(line, file=unguarded(sys.stdout))


def write_json(text: str) -> None:
    """Print what `json_text` made, in one line or in several."""
    print(text)


def percent(fraction: float, digits: int = 2) -> str:
    """0.9941 -> "99.41 %"."""
    return f"{100 * fraction:.{digits}f} %"
