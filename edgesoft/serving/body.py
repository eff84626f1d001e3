"""Bodies of requests, read within limits of bytes, and of the memory that all of them take together."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from edgesoft.serving.refusal import Refusal, busy, wrong

BODIES_AT_ONCE = 8
"""How many of the largest bodies may lie in memory together; the smaller ones are many more."""
_WINDOWS = {b"gzip": 31, b"deflate": 15}
"""Content-Encoding -> what zlib calls its header."""


class Body:
    """One body, and what it takes of the memory for all of them until it is given back: `with` it does so by itself."""

    __slots__ = ("_bodies", "content", "held")

    def __init__(self, bodies: Bodies) -> None:
        self._bodies, self.content, self.held = bodies, b"", 0

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *error: object) -> None:
        self._bodies.held -= self.held
        self.content, self.held = b"", 0


class Bodies:
    """Reads bodies.

    Parameters
    ----------
    most
        Bytes of one body, as it comes and once it is unpacked.
    """

    def __init__(self, most: int) -> None:
        self._most, self.held = most, 0

    async def read(self, body: Body, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Fill a body with what a request brings, unpacked.

        Raises
        ------
        Refusal
            It is too large (413), packed in a way that nobody unpacks (415, 400), or one too many (429).
        ClientDisconnect
            The rest of it will not come.
        """
        announced = int(headers.get(b"content-length", 0))
        if announced > self._most:
            raise self._too_large(f"{announced:,}")
        pieces = list[bytes]()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            piece: bytes = message["body"]
            self._hold(body, len(piece))
            if body.held > self._most:
                raise self._too_large(f"more than {self._most:,}")
            pieces.append(piece)
            if not message.get("more_body", False):
                break
        body.content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"identity", b""):
            if encoding not in _WINDOWS:
                raise Refusal(415, f"Content-Encoding {encoding[:60].decode('latin-1')!a}: expected gzip or deflate")
            self._hold(body, self._most)
            body.content = await asyncio.to_thread(self._unpacked, body.content, encoding)
        return body.content

    def _hold(self, body: Body, size: int) -> None:
        if self.held + size > BODIES_AT_ONCE * self._most:
            raise busy("too many large requests at once", "memory", closes=True)
        self.held += size
        body.held += size

    def _too_large(self, size: str) -> Refusal:
        return Refusal(413, f"a body of {size} bytes: expected at most {self._most:,}", reason="body", closes=True)

    def _unpacked(self, content: bytes, encoding: bytes) -> bytes:
        stream = zlib.decompressobj(_WINDOWS[encoding])
        name = encoding.decode()
        try:
            unpacked = stream.decompress(content, self._most)
        except zlib.error:
            raise wrong(f"the body is no {name}: leave Content-Encoding out, or pack it") from None
        if stream.unconsumed_tail:
            raise Refusal(413, f"the body unpacks to more than {self._most:,} bytes: send less", reason="body")
        if not stream.eof or stream.unused_data:
            raise wrong(f"the body is no whole {name} stream: send all of it, and nothing after it")
        return unpacked
