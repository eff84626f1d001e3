"""Connections: uvicorn's, with limits on what comes before a request's body, and with errors in JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_BYTES = 2**16
"""Largest head of a request, and largest trailer behind a body."""
HEAD_SECONDS = 20.0
"""For a head to come, from the connection or its first byte on."""


class _Gathering:
    """A transport that writes once what comes in pieces within one turn of the event loop: the head of an answer, and its body.

    A system call for each of them, and two packets, take longer than all else that HTTP costs.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop, self._pieces = transport, loop, list[bytes]()

    def write(self, piece: bytes) -> None:
        """Write a piece, together with those that come before the loop gets round to it."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(piece)

    def close(self) -> None:
        """Close the connection behind what has been written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces:
            self._transport.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """One connection. The parser keeps whatever has no end: bytes without progress are counted, and a head has its time."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._bytes_since = 0
        self._is_in_body = False
        self._clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first head."""
        super().connection_made(transport)
        self.transport = _Gathering(transport, self.loop)  # type: ignore[assignment]
        self._clock = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and see whether it gets on."""
        self._bytes_since += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._bytes_since > HEAD_BYTES:
            self._refuse(431, f"more than {HEAD_BYTES:,} bytes before or behind a body: send fewer headers")
        elif self._clock is None and not self._is_in_body and self._bytes_since:
            self._clock = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._stop_clock()
        self._bytes_since, self._is_in_body = 0, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Part of a body."""
        self._bytes_since = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._bytes_since, self._is_in_body = 0, False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is said so in JSON."""
        self._refuse(400, msg)

    def _too_slow(self) -> None:
        self._clock = None
        if not self.transport.is_closing():
            self._refuse(408, f"the head of a request did not come within {HEAD_SECONDS:g} s")

    def _refuse(self, status: int, message: str) -> None:
        """Answer and close, where no other answer is on its way: an earlier request's, or this one's, which has begun."""
        is_first = self.cycle is None or self.cycle.response_complete
        if is_first or (self._is_in_body and not self.cycle.response_started):
            content = json.dumps({"error": message}).encode()
            fields = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(content)
            self.transport.write(STATUS_LINE[status] + fields + content)
        self.transport.close()

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
