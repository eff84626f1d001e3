"""What people read: talk on stderr, results on stdout. All that this package prints goes through here."""

from __future__ import annotations

import sys

from edgesoft.cli.streams import unguarded
from edgesoft.terminal import Block, Screen, lines, talk


def say(line: str) -> None:
    """Print one line of talk."""
    for part in talk(line, Screen.of(sys.stderr)):
        print(part, file=unguarded(sys.stderr), flush=True)


def say_json(text: str) -> None:
    """Print talk that is JSON in ASCII, in one line or in several: nothing in it can be unsafe, and there may be much of it."""
    stream = unguarded(sys.stderr)
    stream.write(f"{text}\n")
    stream.flush()


def write(*blocks: Block) -> None:
    """Print a result; a string stays one line, whatever it holds."""
    for line in lines(blocks, Screen.of(sys.stdout)):
        print(line, file=unguarded(sys.stdout))


def write_now(line: str) -> None:
    """Print one line of a result for whoever waits for it."""
    write(line)
    sys.stdout.flush()


def write_json(text: str) -> None:
    """Print what `json_text` made, in one line or in several."""
    print(text)


def percent(fraction: float, digits: int = 2) -> str:
    """0.9941 -> "99.41 %"."""
    return f"{100 * fraction:.{digits}f} %"
