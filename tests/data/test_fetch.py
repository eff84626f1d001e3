"""Fetching, from a server on this machine: the test speaks http to it where edgesoft says https."""

import hashlib
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from edgesoft.data import fetch as fetching
from edgesoft.data.fetch import fetch
from edgesoft.errors import EdgesoftError

CONTENT = bytes(range(256)) * 5000
NUMBER = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/gone":
            self.send_error(404)
            return
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/file")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: 1000 if self.path == "/broken-off" else None])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def plain(address):
        opener = urllib.request.build_opener(fetching._StaySafe, urllib.request.ProxyHandler({}))
        return opener.open(address.replace("https://", "http://"), timeout=10)

    monkeypatch.setattr(fetching, "_open", plain)
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_fetched_whole_and_once(server, tmp_path):
    path = tmp_path / "deep" / "file"
    fetch(f"{server}/file", path, sha256=NUMBER, limit=2**30)
    assert path.read_bytes() == CONTENT
    fetch("https://127.0.0.1:9/nobody-answers", path, sha256=NUMBER, limit=2**30)  # it is there already
    assert [file.name for file in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("what", "number", "limit", "said"),
    [
        ("/file", "0" * 64, 2**30, f"its SHA-256 is {NUMBER}, expected 000"),
        ("/broken-off", NUMBER, 2**30, "its SHA-256 is|cannot be fetched"),
        ("/gone", NUMBER, 2**30, "cannot be fetched to .*Not Found"),
        ("/elsewhere", NUMBER, 2**30, "http://127.0.0.1:[0-9]+/file: is not encrypted"),
        ("/file", NUMBER, 1000, "sends more than"),
    ],
)
def test_what_is_not_the_file_leaves_nothing(server, tmp_path, what, number, limit, said):
    with pytest.raises(EdgesoftError, match=said) as caught:
        fetch(f"{server}{what}", tmp_path / "file", sha256=number, limit=limit)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_and_no_place_to_write_are_one_line(tmp_path):
    with pytest.raises(
        EdgesoftError, match=r"https://127\.0\.0\.1:9/x: cannot be fetched to .*file \(connection refused\)"
    ):
        fetch("https://127.0.0.1:9/x", tmp_path / "file", sha256=NUMBER, limit=10)
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgesoftError, match=r"\((not a directory|file exists)\)"):
        fetch("https://127.0.0.1:9/x", tmp_path / "file" / "x", sha256=NUMBER, limit=10)


def test_http_is_refused(tmp_path):
    with pytest.raises(EdgesoftError, match="is not encrypted"):
        fetch("http://127.0.0.1:9/x", tmp_path / "file", sha256=NUMBER, limit=10)
