"""What the command line writes to. Data that cannot be written is an error; talk that cannot be written is dropped.

So a full disk, a closed terminal or a reader that has gone costs a training its progress lines, and nothing else.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import IO, Any, cast


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


def guard_streams() -> None:
    """Give every stream a file, and make stderr one that never fails."""
    # In this order: each takes the lowest free descriptor, its own. Else the next file that is opened would get it, and with it whatever a
    # library prints.
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stdout is None:
        # A file that only reads: what is printed there fails, as it must, for nobody would get it.
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name may hold bytes that are no text; in JSON, \udcff is just how they are written.
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    elif isinstance(sys.stderr, io.TextIOWrapper):
        raw: Any = getattr(sys.stderr.buffer, "raw", sys.stderr.buffer)  # unbuffered, there is nothing in between
        sys.stderr = io.TextIOWrapper(
            cast(IO[bytes], _Talk(raw)),
            sys.stderr.encoding,
            "backslashreplace",
            line_buffering=True,
            write_through=True,
        )
