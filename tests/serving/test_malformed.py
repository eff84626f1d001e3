"""Malformed requests by the hundred, on real sockets: each gets one clear error in JSON, never a 500, and memory stays flat.

The suite sends 300; `SERVE_REQUESTS=10000` sends more, and `SERVE_FIRST=N` begins with others.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import socket
import struct
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.conftest import ROOT
from tests.serving.running import Running

REQUESTS = int(os.environ.get("SERVE_REQUESTS", "300"))
FIRST = int(os.environ.get("SERVE_FIRST", "0"))
MIB = 2**20
PHOTO = (ROOT / "exported" / "samples" / "2-photo.jpg").read_bytes()
SLACK = 160 * MIB
"""What threads, allocators and the decoding of the largest picture may keep."""


def http(body: bytes, path: str = "/v2/models/mnist/infer", *lines: str, length: int | None = None) -> bytes:
    head = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Connection: close",
        f"Content-Length: {len(body) if length is None else length}",
    ]
    return "\r\n".join([*head, *lines, "", ""]).encode("latin-1") + body


def document(generator: random.Random, **changes: object) -> dict[str, object]:
    entry = {"name": "pixels", "shape": [1, 28, 28], "datatype": "UINT8", "data": [generator.randrange(256)] * 784}
    return {key: value for key, value in (entry | changes).items() if value is not None}


def asked(*inputs: object, **more: object) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


def bad_json(generator: random.Random) -> bytes:
    whole = asked(document(generator))
    body = generator.choice(
        [
            whole[: generator.randrange(len(whole))],
            whole.replace(b'"', b"'"),
            b"[" * generator.randint(1, 50_000),
            b'{"inputs":' * generator.randint(1, 5000),
            generator.randbytes(generator.randint(0, 300)),
            whole.replace(b"784", b"9" * 5000) + b"x",
            whole.replace(b"pixels", b"pix\xffels"),
            b"NaN",
            whole.replace(b"[1, 28", b"[NaN, 28"),
        ]
    )
    return http(body)


def bad_shape(generator: random.Random) -> bytes:
    sizes = [-1, 0, 1, 2, 27, 28, 29, 2**31, 2**63, 10**40, 1.5, "28", None, True, [28]]
    shape = [generator.choice(sizes) for _ in range(generator.randint(0, 6))]
    return http(asked(document(generator, shape=shape if shape != [1, 28, 28] else [1, 28])))


def bad_data(generator: random.Random) -> bytes:
    values = [-1, 256, 10**30, 1.5, True, None, "1", [1], {}, 1e308, "\ud800"]
    data = [generator.randrange(256) for _ in range(784)]
    data[generator.randrange(784)] = generator.choice(values)  # type: ignore[call-overload]
    wrong = generator.choice([data, data[:-2], [data], [[data]], {"a": data}, "data", 3, [[]] * 784, [[[]]]])
    return http(asked(document(generator, data=wrong)))


def bad_type(generator: random.Random) -> bytes:
    kinds = ["UINT16", "INT8", "FP32", "BYTES", "BOOL", "uint8", "", 8, None, ["UINT8"], "FP16", "\x00"]
    changes = {"datatype": generator.choice(kinds)}
    return http(asked(document(generator, **changes) | ({"name": "a" * 1000} if generator.random() < 0.2 else {})))


def bad_binary(generator: random.Random) -> bytes:
    size = generator.choice([0, 1, 783, 785, -1, 2**40, 1568, "784", 784.0, True])
    head = asked(document(generator, data=None, parameters={"binary_data_size": size}))
    lengths = [len(head), len(head), len(head) - 1, len(head) + 1, -1, 0, 10**15, "x", "", "1e3", " ", "0x10"]
    return http(
        head + generator.randbytes(generator.choice([0, 1, 783, 785, 5000])),
        "/v2/models/mnist/infer",
        f"Inference-Header-Content-Length: {generator.choice(lengths)}",
    )


def bad_packing(generator: random.Random) -> bytes:
    whole = asked(document(generator))
    packed = generator.choice(
        [
            gzip.compress(bytes(generator.randint(2, 60) * MIB)),
            gzip.compress(whole)[:-5],
            gzip.compress(whole) + b"more",
            gzip.compress(gzip.compress(whole)),
            zlib.compress(whole)[2:],
            whole,
            b"",
        ]
    )
    return http(
        packed,
        "/v2/models/mnist/infer",
        f"Content-Encoding: {generator.choice(['gzip', 'deflate', 'br', 'x', 'gzip, gzip'])}",
    )


def bad_length(generator: random.Random) -> bytes:
    whole = asked(document(generator))
    kind = generator.randrange(5)
    if kind == 0:
        return http(whole, length=len(whole) + generator.randint(1, 10_000))  # the rest never comes
    if kind == 1:
        return http(whole, length=generator.choice([2**24, 2**40, 2**63, 10**19]))
    if kind == 2:
        return http(whole, "/v2/models/mnist/infer", f"Content-Length: {len(whole) + 1}")
    if kind == 3:
        return http(whole).replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nA")
    return http(bytes(generator.randint(1, 4) * MIB), generator.choice(["/predict", "/v2/models/mnist/infer"]))


def bad_picture(generator: random.Random) -> bytes:
    header = struct.pack(
        ">IIBBBBB", generator.randint(10_000, 2**31 - 1), generator.randint(10_000, 2**31 - 1), 8, 2, 0, 0, 0
    )
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    content = generator.choice(
        [
            bomb,
            PHOTO[: generator.randint(1, 2000)],
            b"GIF89a",
            b"BM" + bytes(60),
            b"%PDF-1.7",
            b"/etc/passwd",
            b"http://127.0.0.1/",
            b"",
        ]
    )
    kinds = ["image/png", "multipart/form-data", "multipart/form-data; boundary=b", "application/json", "x"]
    return http(content, "/predict", f"Content-Type: {generator.choice(kinds)}")


def bad_query(generator: random.Random) -> bytes:
    path = generator.choice(
        ["/predict?top_k=" + generator.choice(["-1", "x", "1e9", "9" * 400]), "/predict?reject=" + generator.choice(["2", "nan", ""]),
         "/predict?model=%00", "/predict?model=" + "a" * 5000, "/v2/models/mnist%2f..%2f/infer", "/v2/models//infer", "//", "/v2/../x",
         "/v2/models/mnist/versions/9/infer", "/v2/repository/models/mnist/load", "/v2/systemsharedmemory/region/a/register", "/%ff"]
    )  # fmt: skip
    return http(b"x", path)


def bad_http(generator: random.Random) -> bytes:
    return generator.choice(
        [
            generator.randbytes(200) + b"\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"A: b\r\n" * 15_000,
            b"TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"PUT /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        ]
    )


KINDS = [bad_json, bad_shape, bad_data, bad_type, bad_binary, bad_packing, bad_length, bad_picture, bad_query, bad_http]


def fault(port: int, number: int) -> tuple[str, str]:
    """The kind of a malformed request with its status, and what is wrong with the answer; nothing where it is good."""
    generator = random.Random(f"malformed {number}")
    kind = generator.choice(KINDS)
    content, received = kind(generator), b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=90) as connection:
            connection.sendall(content)
            while piece := connection.recv(65536):
                received += piece
    except OSError as error:
        if not received:
            return kind.__name__, f"{number} {kind.__name__}: {error!r}"
    head, _, body = received.partition(b"\r\n\r\n")
    status = head[9:12].decode("latin-1")
    try:
        said = json.loads(body)
        is_clear = set(said) == {"error"} or (set(said) == {"path", "error"} and status == "400")
        is_clear = is_clear and said["error"] and "\n" not in said["error"] and len(said["error"]) < 600
    except ValueError:
        is_clear = False
    is_good = (is_clear and status[:1] == "4") or status == "501"
    return f"{kind.__name__} {status}", "" if is_good else f"{number} {kind.__name__}: {received[:400]!r}"


def test_each_malformed_request_gets_a_clear_error_and_memory_stays_flat(tmp_path):
    model = ROOT / "exported" / "mnist.int8.onnx"
    limits = ["--max-body", "1", "--timeout", "1", "--quiet"]
    with Running(f"mnist={model}", *limits, folder=tmp_path) as server, ThreadPoolExecutor(8) as pool:
        server.ask("POST", "/predict", PHOTO)
        before = server.memory()
        found = list(pool.map(lambda number: fault(server.port, number), range(FIRST, FIRST + REQUESTS)))
        grown = server.memory() - before
        wrong = [said for _, said in found if said]
        assert not wrong, "\n".join(wrong)
        print(sorted(Counter(kind for kind, _ in found).items()), f"{grown / MIB:.1f} MiB more")
        assert grown < SLACK
        assert server.ask("POST", "/predict", PHOTO).json["label"] == "2"
        assert not any(line["event"] == "failure" for line in server.log())
        assert server.stop() == 0
