"""`edgesoft infer` on many pictures, from everywhere, with the ready model."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "exported" / "mnist.int8.onnx"
SAMPLES = sorted((ROOT / "exported" / "samples").iterdir())


def infer(*arguments, stdin=None, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "edgesoft", "infer", "--model", str(MODEL), "--quiet", *map(str, arguments)],
        input=stdin,
        cwd=cwd,
        capture_output=True,
        timeout=120,
    )


def answers(process):
    return [json.loads(line) for line in process.stdout.decode().splitlines()]


def test_the_samples_are_read_rightly():
    process = infer("--json", *SAMPLES)
    assert process.returncode == 0
    assert [answer["label"] for answer in answers(process)] == [path.name[0] for path in SAMPLES]
    assert all(answer["warnings"] == [] for answer in answers(process))


def test_a_pattern_says_which_picture_is_which(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.jpg", "deep/b.jpg"):
        shutil.copy(SAMPLES[0], tmp_path / name)
    assert [line.split()[0] for line in infer("*.jpg", cwd=tmp_path).stdout.decode().splitlines()] == ["a.jpg"]
    lines = infer("**", cwd=tmp_path).stdout.decode().splitlines()
    assert sorted(line.split()[0] for line in lines) == ["a.jpg", "deep/b.jpg"]  # each once


def test_a_list_that_cannot_be_read_is_an_error_before_the_work(tmp_path):
    process = infer(SAMPLES[0], "--paths-from", tmp_path / "missing.txt")
    assert process.returncode == 1 and process.stdout == b""
    assert b"expected a list of paths" in process.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_closed_streams_are_no_crash(closed):
    command = f"{sys.executable} -m edgesoft infer --model {MODEL} {SAMPLES[0]} {SAMPLES[1]} {closed}"
    process = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=120)
    is_output = closed == ">&-"  # then nobody gets the answers
    assert process.returncode == (1 if is_output else 0)
    assert b"Traceback" not in process.stderr
    assert process.stdout.count(b"\n") == (0 if is_output else 2)
    assert (b"error: the output cannot be written (stdout is closed)" in process.stderr) == is_output


def test_one_picture_is_one_line():
    process = infer(SAMPLES[0])
    assert process.stdout.decode().split()[0] == SAMPLES[0].name[0]
    assert process.stderr == b""


def test_top_k_ranks_the_classes():
    (answer,) = answers(infer("--json", "--top-k", 3, SAMPLES[0]))
    probabilities = list(answer["probabilities"].values())
    assert len(probabilities) == 3
    assert probabilities == sorted(probabilities, reverse=True)
    assert answer["confidence"] == probabilities[0]


def test_a_bad_file_does_not_stop_the_rest(tmp_path):
    (tmp_path / "bad.png").write_text("no picture")
    process = infer("--json", SAMPLES[0], tmp_path / "bad.png", tmp_path / "missing.png", SAMPLES[1])
    assert process.returncode == 1
    assert ["error" in answer for answer in answers(process)] == [False, True, True, False]
    assert all(set(answer) == {"path", "error"} for answer in answers(process) if "error" in answer)
    assert b"Traceback" not in process.stderr


def test_a_pattern_that_nothing_matches_is_told_from_a_missing_file(tmp_path):
    errors = [answer["error"] for answer in answers(infer("--json", tmp_path / "*.png", tmp_path / "a.png"))]
    assert errors == [
        f"there is no such file{more}: check the path" for more in (", nor one that matches this pattern", "")
    ]


def test_text_errors_go_to_stderr_with_the_name(tmp_path):
    process = infer(tmp_path / "missing.png", SAMPLES[0])
    assert process.returncode == 1
    assert process.stderr.decode().startswith(f"error: {tmp_path / 'missing.png'}: ")
    assert len(process.stdout.splitlines()) == 1


def test_a_folder_standard_input_and_lists(tmp_path):
    odd = tmp_path / "sp ace" / "ü -1"
    odd.parent.mkdir()
    shutil.copy(SAMPLES[0], odd)  # no extension
    shutil.copy(SAMPLES[1], tmp_path / "-dash.gif")  # a leading dash, and the wrong extension
    digits = [SAMPLES[0].name[0], SAMPLES[1].name[0]]
    assert sorted(answer["label"] for answer in answers(infer("--json", tmp_path))) == sorted(digits)
    assert [answer["label"] for answer in answers(infer("--json", "--", "-dash.gif", cwd=tmp_path))] == digits[1:]
    assert answers(infer("--json", "-", stdin=SAMPLES[0].read_bytes()))[0]["label"] == digits[0]
    listing = f"{odd}\n\n{tmp_path / '-dash.gif'}\n".encode()
    assert [answer["label"] for answer in answers(infer("--json", "--paths-from", "-", stdin=listing))] == digits
    (tmp_path / "list.txt").write_bytes(listing)
    assert [a["label"] for a in answers(infer("--json", "--paths-from", tmp_path / "list.txt"))] == digits


@pytest.mark.skipif(sys.platform == "darwin", reason="this file system refuses names that are no text")
def test_a_name_that_is_no_text_is_shown_and_read(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    shutil.copy(SAMPLES[0], os.fsdecode(name))
    for mode in ("--json", "--csv", "-q"):
        process = infer(mode, tmp_path, SAMPLES[1])
        assert process.returncode == 0, process.stderr
        process.stdout.decode("utf-8")


def test_csv_is_csv(tmp_path):
    shutil.copy(SAMPLES[0], tmp_path / 'a, "b".png')
    process = infer("--csv", tmp_path / 'a, "b".png', tmp_path / "missing")
    rows = list(csv.DictReader(io.StringIO(process.stdout.decode())))
    assert [row["path"] for row in rows] == [str(tmp_path / 'a, "b".png'), str(tmp_path / "missing")]
    assert rows[0]["label"] == SAMPLES[0].name[0]
    assert rows[0]["error"] == ""
    assert rows[1]["error"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no pictures"),
        (["--json", "--csv", "x.png"], "choose one"),
        (["--reject", "1.5", "x.png"], "reject"),
        (["--top-k", "0", "x.png"], "top-k"),
        (["--top-k", "2", "--csv", "x.png"], "a line of CSV holds one answer"),
        (["--top-k", "2", "--output", "x.csv", "x.png"], "a line of CSV holds one answer"),
        (["--provider", "abacus", "x.png"], "abacus"),
    ],
)
def test_usage(arguments, message):
    process = infer(*arguments)
    assert process.returncode == 2
    assert message in process.stderr.decode()
    assert process.stdout == b""


def test_what_cannot_be_a_digit_is_unknown(tmp_path):
    Image.new("L", (200, 200), 255).save(tmp_path / "blank.png")
    (answer,) = answers(infer("--json", tmp_path / "blank.png"))
    assert answer["label"] == "unknown"
    assert answer["warnings"]
    (answer,) = answers(infer("--json", "--reject", 0, tmp_path / "blank.png"))
    assert answer["label"] != "unknown"
    assert infer(tmp_path / "blank.png").stdout.decode().startswith("unknown  ")


def test_show_and_save_seen(tmp_path):
    process = infer("--show", "--save-seen", tmp_path / "seen", SAMPLES[-1], SAMPLES[0])
    assert process.returncode == 0
    assert process.stdout.count(b"\n") == 2  # the drawing is talk
    assert process.stderr.count(b"|\n") == 2 * 28
    pictures = sorted((tmp_path / "seen").glob("*.png"))
    assert len(pictures) == 2
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.size == (28, 28)
    page = (tmp_path / "seen" / "index.html").read_text()
    assert page.endswith("</html>\n")
    assert all(path.name in page for path in pictures)


def test_saved_pictures_have_names_that_a_page_can_show(tmp_path):
    names = ["a#b?c%20.png", "été 'x' <b>.png", "x" * 250 + ".png", os.fsdecode(b"odd \xff.png"), "-.png"]
    for name in names:
        shutil.copy(SAMPLES[0], tmp_path / name)
    process = infer("--save-seen", tmp_path / "seen", "--", *names, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    page = (tmp_path / "seen" / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r'class=seen src="([^"]*)"', page)
    assert len(sources) == len(names)
    assert all((tmp_path / "seen" / source).is_file() for source in sources)  # taken as they stand, without unquoting
    assert "&lt;b&gt;" in page


def test_each_kind_of_warning_is_said_once_with_a_count(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(rng.integers(0, 255, (28, 28), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    process = infer(tmp_path)
    said, every = (words.stderr.decode().splitlines() for words in (process, infer("--verbose", tmp_path)))
    odd = [line for line in every if line.endswith("does not look like the training data")]
    assert len(odd) == 5
    assert [line for line in said if "does not look like the training data" in line] == [
        odd[0], "warning: 4 more pictures: the picture does not look like the training data. --verbose names each"
    ]  # fmt: skip
    unsure = [line for line in every if "low confidence" in line]
    assert len({line.rpartition("(")[2] for line in unsure}) > 1  # numbers make no other kind
    assert sum("low confidence" in line for line in said) == 2
    warnings = [answer["warnings"] for answer in answers(infer("--json", tmp_path))]
    assert sum(map(len, warnings)) == len(every)  # JSON has them all


def shown_on_a_terminal(command, stdout):
    """Run a command whose stderr is a terminal; its exit code and what the terminal got. `stdout` None is the terminal, too."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, stdout=theirs if stdout is None else stdout, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    return process.wait(120), shown


@pytest.fixture
def seventy(tmp_path):
    """A command that reads seventy pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(70):
        shutil.copy(SAMPLES[0], folder / f"{number}.jpg")
    return [sys.executable, "-m", "edgesoft", "infer", "--model", str(MODEL), str(folder)]


def test_on_a_terminal_progress_is_shown_where_the_answers_are_not(tmp_path, seventy):
    with (tmp_path / "answers.txt").open("wb") as file:
        code, shown = shown_on_a_terminal(seventy, file)
    assert code == 0
    assert b"reading" in shown
    assert shown.count(b"[?25l") == shown.count(b"[?25h") == 1  # the cursor is hidden, and comes back
    assert len((tmp_path / "answers.txt").read_bytes().splitlines()) == 70
    code, shown = shown_on_a_terminal(seventy, None)
    assert code == 0
    assert b"reading" not in shown and shown.count(b".jpg") == 70


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_the_cursor_comes_back_when_the_answers_cannot_be_written(seventy):
    with Path("/dev/full").open("wb") as full:
        code, shown = shown_on_a_terminal([*seventy, "--json"], full)
    assert code == 1
    assert shown.count(b"[?25l") == shown.count(b"[?25h")


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # what Linux says at the end of a pseudo-terminal
        return b""


def test_memory_stays_flat(tmp_path):
    """Ten times the pictures must not take more memory; the largest of all children so far is what the system tells."""
    shutil.copy(SAMPLES[-1], tmp_path / "digit.png")

    def peak(count):
        listing = f"{tmp_path / 'digit.png'}\n".encode() * count
        process = subprocess.run(
            [sys.executable, "-c", _MEASURED, str(MODEL)], input=listing, capture_output=True, timeout=240, check=True
        )
        assert process.stdout.count(b"\n") == count
        return int(process.stderr.split()[-1])

    unit = 1 if sys.platform == "darwin" else 1024
    few, many = peak(300), peak(5000)
    assert (many - few) * unit < 8 * 2**20


_MEASURED = """
import resource, sys
from edgesoft.cli import app
try:
    app(["infer", "--quiet", "--json", "--model", sys.argv[1], "--paths-from", "-"])
except SystemExit:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""
