"""`edgesoft evaluate` as a person would type it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgesoft
from edgesoft.cli import app
from tests.conftest import environment
from tests.test_imports import HEAVY, blocked

ROOT = Path(__file__).parents[2]
READY = ROOT / "exported"
OWN = ROOT.parent / "shared" / "data" / "own-digits"


@pytest.fixture(scope="module")
def digits(mnist, tmp_path_factory) -> Path:
    """A folder with a folder a digit, and six pictures in each of nine."""
    folder = tmp_path_factory.mktemp("digits") / "digits"
    for digit in range(9):
        (folder / str(digit)).mkdir(parents=True)
        for number, place in enumerate(np.flatnonzero(mnist.test.targets == digit)[:6]):
            Image.fromarray(mnist.test.inputs[place]).save(folder / str(digit) / f"{number}.png")
    return folder


@pytest.fixture
def run(capsys):
    """Runs the command in this process: exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = 0
        try:
            app(["evaluate", *map(str, arguments)])
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return call


class Checked(HTMLParser):
    """Collects what a page holds, and sees that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


KEYS = [
    "model", "name", "precision", "provider", "data", "split", "reading", "examples", "errors", "right", "accuracy", "accuracy_interval",
    "answered", "classes", "macro avg", "weighted avg", "unknown", "absent", "other_labels", "confusion_matrix", "calibration", "mistakes",
    "unreadable", "warnings",
]  # fmt: skip


def test_the_json_contract(run, exported, digits):
    code, out, err = run(exported / "mnist.onnx", digits, "--json", "--against", exported / "mnist.int8.onnx", "-q")
    document = json.loads(out)
    assert (code, err) == (0, "warning: no example of '9'\n")
    assert list(document) == ["schema_version", *KEYS, "against", "paired"]
    assert list(document["against"]) == KEYS
    assert (document["examples"], document["absent"], document["split"]) == (54, ["9"], None)
    assert document["accuracy"] == document["right"] / 54
    assert document["accuracy_interval"]["low"] < document["accuracy"] <= document["accuracy_interval"]["high"]
    assert document["classes"]["3"]["support"] == 6
    assert (
        list(document["classes"]["3"]) == list(document["macro avg"]) == ["precision", "recall", "f1-score", "support"]
    )
    counts = np.array(document["confusion_matrix"]["counts"])
    assert counts.shape == (10, 10) and counts.sum() == 54
    assert sum(item["examples"] for item in document["calibration"]["bins"]) == 54
    paired = document["paired"]
    assert paired["examples"] == 54
    assert list(paired["labels"]) == ["won", "lost", "p_value", "test", "difference", "interval"]
    difference = document["accuracy"] - document["against"]["accuracy"]
    assert paired["labels"]["difference"] == pytest.approx(difference)


def test_the_text_fits_a_terminal(run, exported, digits):
    code, out, err = run(
        exported / "mnist.onnx", digits, "--against", exported / "mnist.int8.onnx", "--provider", "cpu"
    )
    assert code == 0
    assert (
        f"{exported / 'mnist.onnx'} (float32) on cpu: {digits}: 54 pictures, cut out, boxed and centred, as infer reads them"
        in err
    )
    lines = out.splitlines()
    assert lines[0].split() == ["class", "precision", "recall", "f1-score", "support", "unknown"]
    (start,) = [place for place, line in enumerate(lines) if line.startswith("right \\ answered")]
    assert max(map(len, lines[: start + 12])) <= 80
    assert re.search(r"^accuracy +\d+\.\d\d %  \(\d+ of 54 examples; 95 % interval .* Wilson\)$", out, re.MULTILINE)
    assert re.search(r"^difference .*won \d+, lost \d+ of 54; .*exact McNemar p = ", out, re.MULTILINE)


def test_a_picture_that_cannot_be_read_is_an_error_and_the_rest_is_scored(run, exported, digits, tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "bad.png").write_text("no picture")
    (tmp_path / "7" / "good.png").write_bytes((digits / "7" / "0.png").read_bytes())
    page = tmp_path / "page.html"
    code, out, err = run(exported, tmp_path, "--json", "--html", page, "--against", exported / "mnist.onnx")
    document = json.loads(out)
    assert (code, document["examples"], document["errors"]) == (1, 1, 1)
    assert document["unreadable"][0]["path"] == str(tmp_path / "7" / "bad.png")
    assert err.count(f"error: {tmp_path / '7' / 'bad.png'}: ") == 1  # though two models could not read it
    assert "not read, and not counted" in page.read_text(encoding="utf-8")


def test_reject_is_that_of_infer(run, exported, digits):
    always, never = (json.loads(run(exported, digits, "--json", "-q", f"--reject={reject}")[1]) for reject in (0, 1))
    assert always["answered"]["unknown"] == 0 and always["answered"]["right_of_all"] == always["accuracy"]
    assert never["answered"]["unknown"] >= 50 and never["accuracy"] == always["accuracy"]
    assert sum(never["unknown"].values()) == never["answered"]["unknown"]


def test_the_page_is_whole_and_escapes_what_is_foreign(run, exported, digits, tmp_path):
    odd = tmp_path / "a<script>b&\u202ec"
    (odd / "3").mkdir(parents=True)
    (odd / "<b>four").mkdir()
    for place, name in enumerate(("3/1.png", "3/<i>.png", "<b>four/2.png")):
        (odd / name).write_bytes((digits / "8" / f"{place}.png").read_bytes())
    page = tmp_path / "page.html"
    code, out, _ = run(exported, odd, "--html", page, "--other-labels", "--against", exported / "mnist.onnx")
    assert code == 0
    assert "\u202e" not in out and "\\u202e" in out
    text = page.read_text(encoding="utf-8")
    checked = Checked(text)
    assert checked.open == []
    assert not set(checked.tags) & {"script", "link", "i", "b", "iframe"}
    assert {"svg", "table", "img"} <= set(checked.tags)
    assert all(link.startswith("data:image/png;base64,") for link in checked.links)
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text and "&lt;b&gt;four" in text
    run(exported, odd, "--html", page, "--other-labels")  # our own page is replaced
    page.write_text("mine")
    with pytest.raises(
        edgesoft.EdgesoftError, match="was not written by edgesoft, and is not replaced. Choose another file"
    ):
        app(["evaluate", str(exported), str(odd), "--html", str(page)])
    assert page.read_text() == "mine"


def test_rows_are_shown_as_rows(run, tmp_path, rng):
    x = rng.normal(size=(200, 12))
    y = (x[:, 0] + rng.normal(size=200) > 0).astype(int)
    labels = ["a class with a rather long name", "another class with a name that is longer still"]
    trained = edgesoft.train(x, y, labels=labels, hidden=(4,), epochs=3, threads=1, output=tmp_path / "run")
    model = edgesoft.export(trained, quantize=False, output=tmp_path).paths[0]
    rows = [",".join([*(f"{value:.3f}" for value in row), labels[kind]]) for row, kind in zip(x, y, strict=True)]
    heading = ",".join([*(f"feature {place}" for place in range(12)), "kind"])
    (tmp_path / "t.csv").write_text("\n".join([heading, *rows]) + "\n")
    code, out, err = run(model, tmp_path / "t.csv", "--html", tmp_path / "t.html")
    assert code == 0
    assert "labels from column 'kind'" in err
    assert "the model was made with as many examples" in err  # it is the very table
    assert "most frequent confusions:" in out and "right \\ answered" not in out
    text = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert Checked(text).open == []
    mistakes = text[text.index("The worst mistakes") :]
    assert "The first 8 of 12 columns" in mistakes
    assert "<bdi>feature 7</bdi></th></tr>" in mistakes
    sure = re.search(r"<tbody><tr>(.*?)</tr>", mistakes)[1]
    assert len(re.findall(r"<td><bdi>-?[\d.]+(?:e-\d+)?</bdi></td>", sure)) == 8


def test_a_device_without_torch_onnx_and_matplotlib(exported, digits, tmp_path):
    names = HEAVY | {"pyarrow"}
    process = blocked(
        "evaluate",
        exported,
        digits,
        "--html",
        tmp_path / "page.html",
        "--json",
        "--reject",
        0,
        names=names,
        cwd=tmp_path,
    )
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)["examples"] == 54
    assert (tmp_path / "page.html").read_text(encoding="utf-8").endswith("</html>\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send here")
def test_ctrl_c_ends_it_and_leaves_no_page(digits, tmp_path):
    lines = ["file,label", *[f"{digits / '7' / '0.png'},7"] * 300_000]
    (tmp_path / "many.csv").write_text("\n".join(lines))
    process = subprocess.Popen(
        [sys.executable, "-m", "edgesoft", "evaluate", READY, "many.csv", "--html", "page.html"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    first = process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "many.csv: pictures" in first
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.csv"]


@pytest.mark.skipif(not OWN.is_dir(), reason="needs shared/data/own-digits, which only developers have")
def test_peoples_own_digits(run, tmp_path):
    """A sixth of them: photographs take their time."""
    heading, *rows = (OWN / "labels.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "own.csv").write_text("\n".join([heading, *(f"{OWN}/{row}" for row in rows[::6])]), encoding="utf-8")
    code, out, _ = run(READY / "mnist.int8.onnx", tmp_path / "own.csv", "--json", "-q")
    document = json.loads(out)
    assert (code, document["examples"]) == (0, len(rows[::6]))
    assert document["accuracy"] > 0.9
    assert document["accuracy"] >= document["answered"]["right_of_all"] > 0.9


@pytest.mark.skipif(sys.platform == "win32", reason="resource is Unix's")
def test_memory_does_not_grow_with_the_pictures(digits, tmp_path):
    """Of each example a few bytes are kept."""

    def peak(count: int) -> int:
        (tmp_path / "list.csv").write_text("\n".join(["file,label", *[f"{digits / '7' / '0.png'},7"] * count]))
        process = subprocess.run(
            [sys.executable, "-c", _MEASURED, str(READY / "mnist.int8.onnx"), str(tmp_path / "list.csv")],
            capture_output=True, text=True, timeout=240, check=True, env=environment(),
        )  # fmt: skip
        return int(process.stdout)

    unit = 1 if sys.platform == "darwin" else 1024
    assert (peak(1500) - peak(200)) * unit < 4 * 2**20


_MEASURED = """
import resource, sys
import edgesoft
edgesoft.evaluate(sys.argv[1], sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_bar_goes_and_the_result_stays(digits):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "edgesoft", "evaluate", READY, digits, "--json"],
        stdout=subprocess.PIPE, stderr=theirs, env=environment(TERM="xterm"),
    )  # fmt: skip
    os.close(theirs)
    out = process.communicate(timeout=60)[0]
    shown = os.read(ours, 10**6)
    os.close(ours)
    assert json.loads(out)["examples"] == 54
    assert b"reading" in shown and shown.count(b"[?25l") == shown.count(b"[?25h") == 1
