"""Clients that ask again and again, and count what becomes of every request."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable


class Load:
    """Threads that each send one request after the other until they are stopped, or the server lets no more in.

    A request counts as accepted once the connection stands and all of it is sent. An idle connection that the server has closed loses
    none: the client sees that before it sends, or opens another one.
    """

    def __init__(
        self, port: int, body: bytes, headers: dict[str, str], judge: Callable[[bytes], str], *, threads: int = 8
    ):
        self._port, self._body, self._judge = port, body, judge
        self._headers = {name.replace("_", "-"): text for name, text in headers.items()}
        self.found, self._end = Counter[str](), threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask_on) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _ask_on(self) -> None:
        while not self._end.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            try:
                connection.connect()
            except OSError:  # nobody listens any more: nothing was accepted
                return
            try:
                while not self._end.is_set():
                    connection.request("POST", "/v2/models/mnist/infer", self._body, self._headers)
                    response = connection.getresponse()
                    content = response.read()
                    self._count(self._judge(content) if response.status == 200 else f"status {response.status}")
                    if response.headers.get("connection") == "close":
                        break
            except (OSError, http.client.HTTPException) as error:
                self._count(f"lost: {error!r}")
            finally:
                connection.close()

    def _count(self, what: str) -> None:
        with self._lock:
            self.found[what] += 1

    def stop(self) -> Counter[str]:
        self._end.set()
        for thread in self._threads:
            thread.join(60)
        return self.found
