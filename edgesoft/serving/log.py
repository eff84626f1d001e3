"""One JSON object a line: what the server did, for people and for what collects logs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from edgesoft.escape import json_text

Log = Callable[..., None]
"""Called with the event's name and its fields."""


def make_log(write: Callable[[str], object], **always: Any) -> Log:
    """A log that hands its lines to `write`; `always` stands in every line."""

    def log(event: str, **fields: Any) -> None:
        now = time.time()
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"
        write(json_text({"time": stamp, "event": event, **always, **fields}))

    return log


class LibraryLog(logging.Handler):
    """What uvicorn and asyncio have to say, as lines of the same log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        trace = None if record.exc_info is None else logging.Formatter().formatException(record.exc_info)
        extra = {} if trace is None else {"traceback": trace}
        self._log("server", level=record.levelname.lower(), message=record.getMessage(), **extra)
