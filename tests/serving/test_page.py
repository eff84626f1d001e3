"""The page at / in a real browser: photographs get the answer of the server, with its whole normaliser."""

import base64
import html
import json
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from edgesoft.targets.replay import browser_command
from tests.conftest import ROOT
from tests.targets.browse import OUTER, need_browser, with_script
from tests.targets.questions import UPLOADS

PHOTO = ROOT / "exported" / "samples" / "5-ruled-paper.jpg"


@pytest.fixture
def beside(server):
    """A server that hands out the page with a test's script in it, and hands everything else on, so that the page has its own server."""
    uploads = {"photo": PHOTO.read_bytes(), "text": b"no picture"}
    body = UPLOADS % json.dumps({name: base64.b64encode(content).decode() for name, content in uploads.items()})
    page = with_script(server.ask("GET", "/?model=mnist").body.decode(), "page", body)
    pages = {"/": OUTER + '<iframe width="390" height="800" src="/page"></iframe>', "/page": page}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(200, pages.get(self.path, "").encode(), "text/html; charset=utf-8")

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            answer = server.ask("POST", self.path, content, Content_Type=self.headers["Content-Type"])
            self._answer(answer.status, answer.body, "application/json")

        def _answer(self, status, content, kind):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}/"
        found.shutdown()


def test_a_photograph_gets_the_answer_of_the_server(server, beside, tmp_path):
    command = browser_command(need_browser(), tmp_path, str(tmp_path / "profile"))
    done = subprocess.run([*command[:-1], beside], capture_output=True, text=True, timeout=200)
    answers = json.loads(html.unescape(re.search(r'<pre id="answers">(.*?)</pre>', done.stdout, re.DOTALL)[1]))["page"]
    assert answers["failures"] == []
    assert answers["violations"] == []
    assert answers["passed"] == "true"
    expected = server.ask("POST", "/predict?model=mnist&seen=true", PHOTO.read_bytes()).json
    found = answers["result"]
    assert (found["photo"]["label"], found["photo"]["pixels"]) == (expected["label"], expected["seen"])
    assert found["text"]["label"] == "\u2013"
    assert "expected a picture" in found["text"]["reason"]
    assert np.any(np.frombuffer(base64.b64decode(found["photo"]["pixels"]), np.uint8))


def test_the_page_says_where_pictures_go_and_several_models_are_listed(server):
    page = server.ask("GET", "/?model=mnist").body.decode()
    assert "connect-src 'self'" in page
    assert "go to the server that it comes from" in page
    listed = server.ask("GET", "/").body.decode()
    assert '<a href="?model=mnist">' in listed
    assert '<a href="?model=flowers">' in listed
    assert 'id="form"' in server.ask("GET", "/?model=flowers").body.decode()
