"""One JSON object a line: what the server did, for people and for what collects logs."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any

TOGETHER = 0.05
"""Seconds in which the lines of requests are gathered: to write each by itself takes longer than to make it."""


class Log:
    """Hands its lines to `write`, one or several at a time; `always` stands in every line."""

    def __init__(self, write: Callable[[str], object], **always: Any) -> None:
        self._write, self._always, self._lines = write, always, list[str]()
        self._second, self._stamp = 0, ""

    def __call__(self, event: str, **fields: Any) -> None:
        """Write one line now, behind those that wait."""
        self._lines.append(self._line(event, fields))
        self._flush()

    def soon(self, event: str, **fields: Any) -> None:
        """Write one line together with others that come soon; from the event loop."""
        if not self._lines:
            asyncio.get_running_loop().call_later(TOGETHER, self._flush)
        self._lines.append(self._line(event, fields))

    def _line(self, event: str, fields: dict[str, Any]) -> str:
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        stamp = f"{self._stamp}.{int(now % 1 * 1000):03d}Z"
        # ASCII, in which nothing is left that a terminal could take for a command, but for one character.
        text = json.dumps({"time": stamp, "event": event, **self._always, **fields})
        return text.replace("\x7f", "\\u007f")

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._write("\n".join(lines))


class LibraryLog(logging.Handler):
    """What the libraries have to say, as lines of the same log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        trace = None if record.exc_info is None else logging.Formatter().formatException(record.exc_info)
        extra = {} if trace is None else {"traceback": trace}
        self._log("library", name=record.name, level=record.levelname.lower(), message=record.getMessage(), **extra)
