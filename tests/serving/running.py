"""A real server, in a process of its own, and plain sockets to ask it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.conftest import environment


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """`edgesoft serve ARGUMENTS --port 0`, until the `with` block ends."""

    def __init__(self, *arguments: object, folder: Path, **changes: str) -> None:
        self._log = folder / f"log-{os.urandom(4).hex()}"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edgesoft", "serve", *map(str, arguments), "--port", "0"],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment(**changes),
            )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, self._log.read_text()
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def say(self, content: bytes) -> bytes:
        """What comes back for bytes that may be no HTTP, until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(content)
            received = b""
            while piece := connection.recv(65536):
                received += piece
            return received

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """Its exit code, once SIGTERM has stopped it."""
        self.signal(signal.SIGTERM)
        return self.process.wait(60)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def memory(self) -> int:
        """Bytes that it holds now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def binary(
    inputs: np.ndarray, *, name: str = "pixels", datatype: str = "UINT8", **more: Any
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an inference request with binary data, both ways."""
    entry = {"name": name, "shape": list(inputs.shape), "datatype": datatype}
    entry["parameters"] = {"binary_data_size": inputs.nbytes}
    head = json.dumps({"inputs": [entry], "parameters": {"binary_data_output": True}, **more}).encode()
    return head + inputs.tobytes(), {"Inference_Header_Content_Length": str(len(head))}


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What `condition` gives, once it gives something."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found
