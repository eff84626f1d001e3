"""Puts a load on an HTTP server: so many connections, each of which asks again as soon as it is answered. A process of its own.

python scripts/load.py PORT PATH CONNECTIONS SECONDS < BODY        # prints JSON: answers, failures, seconds, p50, p99
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes, end: float, times: list[float], failures: list[str]) -> None:
        self.request, self.end, self.times, self.failures = request, end, times, failures
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.buffer, self.wanted, self.started = b"", 0, time.perf_counter()
        self.transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.wanted:
            head, found, _ = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self.wanted = len(head) + 4 + int(length)
        if len(self.buffer) < self.wanted:
            return
        now = time.perf_counter()
        if self.buffer[9:12] == b"200":
            self.times.append(now - self.started)
        else:
            self.failures.append(self.buffer[9:12].decode())
        if now >= self.end:
            self.transport.close()
        else:
            self.ask()

    def connection_lost(self, _: Exception | None) -> None:
        if time.perf_counter() < self.end:
            self.failures.append("connection lost")
        if not self.done.done():
            self.done.set_result(None)


async def load(port: int, path: str, connections: int, seconds: float, body: bytes, headers: str) -> dict[str, object]:
    request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body
    times: list[float] = []
    failures: list[str] = []
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    opened = [
        loop.create_connection(lambda: Client(request, started + seconds, times, failures), "127.0.0.1", port)
        for _ in range(connections)
    ]
    clients = [client for _, client in await asyncio.gather(*opened)]
    await asyncio.gather(*(client.done for client in clients))
    times.sort()
    return {
        "answers": len(times),
        "failures": len(failures),
        "seconds": time.perf_counter() - started,
        "p50": times[len(times) // 2] if times else None,
        "p99": times[int(len(times) * 0.99)] if times else None,
    }


if __name__ == "__main__":
    port, path, connections, seconds, headers = sys.argv[1:]
    given = sys.stdin.buffer.read()
    found = uvloop.run(
        load(int(port), path, int(connections), float(seconds), given, headers.encode().decode("unicode_escape"))
    )
    print(json.dumps(found))
