"""What the command line writes to. Data that cannot be written is an error; talk that cannot be written is dropped.

So a full disk, a closed terminal or a reader that has gone costs a training its progress lines, and nothing else. No control code comes
through either of them, whoever writes.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, Any, TextIO, cast

from edgesoft.escape import escaped_in_json, printable


class _Talk(io.RawIOBase):
    """Writes where it can, and says that all is well where it cannot: whoever talks must never fail."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        left = memoryview(data).cast("B")  # type: ignore[arg-type]
        size = len(left)
        with suppress(OSError):
            while left and (written := self._raw.write(left)):
                left = left[written:]
        return size

    def isatty(self) -> bool:
        return self._raw.isatty()

    def fileno(self) -> int:
        return self._raw.fileno()


class _Guarded:
    """A stream that escapes control codes: what stands behind `say` and `write` when a library or a mistake goes past them.

    Line breaks pass. Rich draws with control codes; it is handed the stream itself (`unguarded`).
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(printable(text, lines=True))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def unguarded(stream: TextIO) -> TextIO:
    """The stream itself, for text that is all our own.

    While a bar is on the screen, rich has put a stream of its own around ours, so that lines come above the bar: that one stays.
    """
    return stream.stream if isinstance(stream, _Guarded) else stream


def _without_loss(error: UnicodeError) -> tuple[str, int]:
    """How a letter is written that the stream's encoding does not have: as in JSON, so that JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return escaped_in_json(error.object[error.start : error.end]), error.end


def guard_streams() -> None:
    """Give every stream a file, make stderr one that never fails, and let no control code through."""
    codecs.register_error("edgesoft", _without_loss)
    # In this order: each takes the lowest free descriptor, its own. Else the next file that is opened would get it, and with it whatever a
    # library prints.
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stdout is None:
        # A file that only reads: what is printed there fails, as it must, for nobody would get it.
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="edgesoft")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    elif isinstance(sys.stderr, io.TextIOWrapper):
        raw: Any = getattr(sys.stderr.buffer, "raw", sys.stderr.buffer)  # unbuffered, there is nothing in between
        sys.stderr = io.TextIOWrapper(
            cast(IO[bytes], _Talk(raw)),
            sys.stderr.encoding,
            "edgesoft",
            line_buffering=True,
            write_through=True,
        )
    sys.stdout, sys.stderr = (cast(TextIO, _Guarded(stream)) for stream in (sys.stdout, sys.stderr))
