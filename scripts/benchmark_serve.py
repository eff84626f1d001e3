"""Measures `edgesoft serve` beside other ways to serve the same file, on the cores of this machine, the client's included.

    python scripts/benchmark_serve.py                       # 10 s each
    python scripts/benchmark_serve.py --seconds 60 --connections 64 --litserve PYTHON

FastAPI must be installed for its row: pip install fastapi. PYTHON is an interpreter that has litserve, onnxruntime and edgesoft's
other dependencies; without it that row is left out. The row "nothing" answers every request with the same bytes, by the same
uvicorn: what HTTP alone costs. CPU is what the server's processes took for one answer, which depends less than the clock on what
else the machine does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measuring import say, table

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "exported" / "mnist.int8.onnx"

NOTHING = """
import sys, uvicorn
async def app(scope, receive, send):
    while (await receive())["more_body"]: pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"400")]})
    await send({"type": "http.response.body", "body": bytes(400)})
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off")
"""
FASTAPI = """
import sys, numpy as np, uvicorn, edgesoft
from fastapi import FastAPI, Request
classifier, app = edgesoft.load(sys.argv[2], threads=1), FastAPI()
@app.post("/infer")
async def infer(request: Request):
    answer = classifier(np.frombuffer(await request.body(), np.uint8).reshape(-1, 28, 28))
    return {"label": answer.indices.tolist(), "logits": answer.logits.tolist(), "probabilities": answer.probabilities.tolist()}
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""
LITSERVE = """
import sys, numpy as np, litserve, edgesoft
class Api(litserve.LitAPI):
    def setup(self, device): self.classifier = edgesoft.load(sys.argv[2], threads=1)
    def decode_request(self, request): return np.array(request["data"], np.uint8).reshape(28, 28)
    def batch(self, inputs): return np.stack(inputs)
    def predict(self, x):
        answer = self.classifier(x)
        return list(zip(answer.indices.tolist(), answer.logits.tolist(), answer.probabilities.tolist()))
    def unbatch(self, output): return output
    def encode_response(self, output): return {"label": output[0], "logits": output[1], "probabilities": output[2]}
if __name__ == "__main__":
    api = Api(max_batch_size=64, batch_timeout=0.002)
    litserve.LitServer(api, accelerator="cpu").run(port=int(sys.argv[1]), generate_client_file=False, log_level="error")
"""


def bodies() -> dict[str, tuple[bytes, str]]:
    """One picture of 28x28 as each server takes it: the body, and more headers."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 28, 28), dtype=np.uint8)
    entry = {"name": "pixels", "shape": [1, 28, 28], "datatype": "UINT8"}
    binary = {"inputs": [entry | {"parameters": {"binary_data_size": 784}}], "parameters": {"binary_data_output": True}}
    head = json.dumps(binary).encode()
    lists = json.dumps({"inputs": [entry | {"data": pixels.ravel().tolist()}]}).encode()
    return {
        "binary": (head + pixels.tobytes(), f"Inference-Header-Content-Length: {len(head)}\\r\\n"),
        "JSON": (lists, "Content-Type: application/json\\r\\n"),
        "raw": (pixels.tobytes(), "Content-Type: application/octet-stream\\r\\n"),
        "litserve": (json.dumps({"data": pixels.ravel().tolist()}).encode(), "Content-Type: application/json\\r\\n"),
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """A server; its process id."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            end = time.monotonic() + 120
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{command[0]} ... does not start")
                time.sleep(0.2)
            time.sleep(3)  # whatever else it does before it is quick
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)
            with contextlib.suppress(ProcessLookupError):  # what it started does not always end with it
                os.killpg(process.pid, signal.SIGKILL)


def cpu_seconds(process: int) -> float:
    """Of a process and all that it has started."""
    total, waiting = 0.0, [process]
    while waiting:
        each = waiting.pop()
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            for task in Path(f"/proc/{each}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
    return total


def measured(
    name: str, process: int, port: int, path: str, body: tuple[bytes, str], options: argparse.Namespace
) -> list[str]:
    load = [sys.executable, str(ROOT / "scripts" / "load.py"), str(port), path, str(options.connections)]
    subprocess.run([*load, "1", body[1]], input=body[0], capture_output=True, check=True)
    before = cpu_seconds(process)
    done = subprocess.run([*load, str(options.seconds), body[1]], input=body[0], capture_output=True, check=True)
    used, found = cpu_seconds(process) - before, json.loads(done.stdout)
    say(f"{name}: {found}")
    return [
        name,
        f"{found['answers'] / found['seconds']:,.0f}",
        f"{1000 * found['p50']:.1f} ms",
        f"{1000 * found['p99']:.1f} ms",
        f"{1e6 * used / found['answers']:.0f} us",
        str(found["failures"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--litserve", metavar="PYTHON")
    options = parser.parse_args()
    sent, infer = bodies(), "/v2/models/mnist/infer"
    serve = [sys.executable, "-m", "edgesoft", "serve", str(MODEL), "--port"]
    script = [sys.executable, "-c"]
    cases = [
        ("nothing (HTTP alone)", [*script, NOTHING], [], "/", "binary"),
        ("edgesoft serve, binary", serve, ["--quiet"], infer, "binary"),
        ("the same with a line of log a request", serve, [], infer, "binary"),
        ("edgesoft serve, JSON", serve, ["--quiet"], infer, "JSON"),
        ("FastAPI, a call a request, raw bytes", [*script, FASTAPI], [str(MODEL)], "/infer", "raw"),
    ]
    rows = [["server", "answers a second", "p50", "p99", "CPU an answer", "failures"]]
    with tempfile.TemporaryDirectory() as folder:
        if options.litserve:
            file = Path(folder) / "lit.py"  # its workers import it
            file.write_text(LITSERVE)
            cases.append(
                ("litserve, batches, JSON", [options.litserve, str(file)], [str(MODEL)], "/predict", "litserve")
            )
        for name, command, more, path, body in cases:
            port = free_port()
            with running([*command, str(port), *more], port) as process:
                rows.append(measured(name, process, port, path, sent[body], options))
    table(f"{options.connections} connections, {options.seconds:g} s each, one picture of 28x28 a request", rows)


if __name__ == "__main__":
    main()
