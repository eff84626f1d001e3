"""Bodies of requests, read within limits of bytes, time, and memory of all of them together."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from edgesoft.serving.refusal import Refusal, busy, wrong

BODIES_AT_ONCE = 8
"""How many of the largest bodies may lie in memory together; the smaller ones are many more."""
_WINDOWS = {"gzip": 31, "deflate": 15}
"""Content-Encoding -> what zlib calls its header."""


class Bodies:
    """Reads bodies.

    Parameters
    ----------
    most
        Bytes of one body, as it comes and once it is unpacked.
    seconds
        For one to come.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds, self._held = most, seconds, 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request, unpacked, while the `with` block runs.

        Raises
        ------
        Refusal
            It is too large (413), too slow (408), packed in a way that nobody unpacks (415, 400), or one too many (429).
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower() or "identity"
        if encoding not in (*_WINDOWS, "identity"):
            raise Refusal(415, f"Content-Encoding {encoding[:60]!a}: expected gzip, deflate or none", closes=True)
        announced = int(request.headers.get("content-length", 0))
        if announced > self._most:
            raise self._too_large(f"{announced:,}")
        held = 0
        try:
            pieces, size = list[bytes](), 0
            try:
                async with asyncio.timeout(self._seconds):
                    async for piece in request.stream():
                        size += len(piece)
                        if size > self._most:
                            raise self._too_large(f"more than {self._most:,}")
                        held += self._hold(len(piece))
                        pieces.append(piece)
            except TimeoutError:
                raise Refusal(
                    408,
                    f"the body did not come within {self._seconds:g} s: send it at once",
                    reason="slow",
                    closes=True,
                ) from None
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            del pieces
            if encoding != "identity":
                held += self._hold(self._most)
                body = await asyncio.to_thread(self._unpacked, body, encoding)
            yield body
        finally:
            self._held -= held

    def _hold(self, size: int) -> int:
        if self._held + size > BODIES_AT_ONCE * self._most:
            raise busy("too many large requests at once", "memory", closes=True)
        self._held += size
        return size

    def _too_large(self, size: str) -> Refusal:
        return Refusal(413, f"a body of {size} bytes: expected at most {self._most:,}", reason="body", closes=True)

    def _unpacked(self, body: bytes, encoding: str) -> bytes:
        stream = zlib.decompressobj(_WINDOWS[encoding])
        try:
            content = stream.decompress(body, self._most)
        except zlib.error:
            raise wrong(f"the body is no {encoding}: leave Content-Encoding out, or pack it") from None
        if stream.unconsumed_tail:
            raise Refusal(413, f"the body unpacks to more than {self._most:,} bytes: send less", reason="body")
        if not stream.eof or stream.unused_data:
            raise wrong(f"the body is no whole {encoding} stream: send all of it, and nothing after it")
        return content


__all__ = ["BODIES_AT_ONCE", "Bodies", "ClientDisconnect"]
