"""Output that cannot be written never costs a result, and a signal that ends a command keeps what was done."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgesoft.training.checkpoint import Checkpoint
from tests.conftest import ROOT, environment

FULL = Path("/dev/full")
MODEL = ROOT / "exported" / "mnist.int8.onnx"
SAMPLE = ROOT / "exported" / "samples" / "7-mnist.png"
CANNOT = "error: the output cannot be written ("
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")

DEVICE = [
    f"infer --model {MODEL} {SAMPLE} {SAMPLE}",
    f"infer --model {MODEL} {SAMPLE} {SAMPLE} --csv --quiet",
    f"verify {MODEL} --json",
    f"inspect {MODEL}",
    f"diff {MODEL} {MODEL}",
    "doctor",
    "--version",
    "infer --help",
]
COMMANDS = [*DEVICE, "train data.csv --target y --epochs 2 --hidden 4 --threads 1 --output run"]


def shell(command, redirection, cwd, **changes):
    """Run edgesoft from a shell; its exit code and what reached the other stream."""
    pipe = f"{sys.executable} -m edgesoft {command} {redirection}; exit ${{PIPESTATUS[0]}}"
    process = subprocess.run(
        ["bash", "-c", pipe], cwd=cwd, capture_output=True, text=True, timeout=300, env=environment(**changes)
    )
    return process.returncode, process.stdout, process.stderr


@pytest.fixture
def here(tmp_path):
    rows = [f"{number % 7},{number % 5},{'ab'[number % 2]}" for number in range(60)]
    (tmp_path / "data.csv").write_text("\n".join(["p,q,y", *rows]) + "\n")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[:12])
def test_talk_that_cannot_be_written_changes_nothing(here, command):
    for redirection in ("2>/dev/full", "2>&-"):
        code, out, err = shell(command, redirection, here)
        assert (code, err) == (0, "")
        assert out
        if command.startswith("train"):
            assert Checkpoint.load(here / "run" / "checkpoint.npz")
            (here / "run").rename(here / redirection.replace("/", "-"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[:12])
def test_data_that_cannot_be_written_are_an_error_of_one_line(here, command):
    for redirection in (">/dev/full", ">&-"):
        code, out, err = shell(command, redirection, here)
        assert (code, out) == (1, "")
        assert err.splitlines()[-1].startswith(CANNOT) and err.count(CANNOT) == 1
        assert "Traceback" not in err
        if command.startswith("train"):  # what was trained is there all the same
            assert Checkpoint.load(here / "run" / "checkpoint.npz")
            (here / "run").rename(here / redirection.replace("/", "-"))


def test_whoever_reads_may_leave(here):
    code, _, err = shell(COMMANDS[-1], "2>&1 | true", here)
    assert code == 141 and "Traceback" not in err
    assert Checkpoint.load(here / "run" / "checkpoint.npz")
    code, _, err = shell(f"infer --model {MODEL} --quiet" + f" {SAMPLE}" * 50, "| true", here, PYTHONUNBUFFERED="1")
    assert code == 141 and err == ""


@pytest.mark.parametrize(("arguments", "code"), [("infer", 2), ("verify missing.onnx", 1), ("train --lr nan", 2)])
def test_errors_keep_their_exit_code_when_nobody_hears_them(here, arguments, code):
    for redirection in ("2>/dev/full", "2>&-", ">&- 2>&-"):
        assert shell(arguments, redirection, here) == (code, "", "")


def test_a_descriptor_that_was_closed_is_not_taken_by_a_file(here):
    """Else what a library prints would land in the file that was opened next."""
    script = (
        "import os, sys; sys.argv = ['edgesoft', '--version']\n"
        "from edgesoft.cli.streams import guard_streams; guard_streams()\n"
        "sys.exit(min(os.open(name, os.O_RDONLY) for name in [sys.executable] * 3))"
    )
    process = subprocess.run(["sh", "-c", f'{sys.executable} -c "{script}" <&- >&- 2>&-'], cwd=here, env=environment())
    assert process.returncode >= 3


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])  # Ctrl-C: test_train.py
def test_a_signal_keeps_the_best_weights(here, name):
    number = getattr(signal, name)
    process = subprocess.Popen(
        [sys.executable, "-m", "edgesoft", *COMMANDS[-1].replace("--epochs 2", "--epochs 5000").split()],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        # Whoever runs the tests may have them ignored, and children inherit that.
        preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in (signal.SIGINT, number)],
    )
    for line in process.stderr:
        if line.startswith("epoch"):
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, err
    assert "the best weights so far are kept" in err and out.startswith("validation accuracy")
    assert Checkpoint.load(here / "run" / "checkpoint.npz")
    assert json.loads((here / "run" / "metrics.json").read_text())["epochs"] >= 1


def test_whoever_has_a_signal_ignored_keeps_it_so(here):
    """As nohup does."""
    script = (
        "import os, signal; from edgesoft.cli.signals import listen; listen()\n"
        "os.kill(os.getpid(), signal.SIGHUP); print('alive')"
    )
    process = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert process.stdout == "alive\n"


def test_a_save_seen_page_is_whole_when_the_answers_cannot_be_written(here):
    command = f"infer --model {MODEL} --quiet --save-seen seen {SAMPLE} {SAMPLE}"
    code, _, _ = shell(command, ">/dev/full", here, PYTHONUNBUFFERED="1")
    assert code == 1
    assert (here / "seen" / "index.html").read_text().endswith("</html>\n")


def test_save_seen_writes_nothing_among_what_is_read(here):
    """The next run, or a training, would take it for more of the same."""
    for folder in ("pics/cats", "pics/dogs"):
        (here / folder).mkdir(parents=True)
        shutil.copy(SAMPLE, here / folder / "a.png")
    before = sorted(here.rglob("*"))
    for names in ("pics/cats", "pics/cats/a.png", "pics", "'pics/cats/*.png'", "pics/dogs/../cats/a.png"):
        code, out, err = shell(f"infer --model {MODEL} --quiet --save-seen pics/cats {names}", "", here)
        assert (code, out) == (2, "") and err.startswith("error: --save-seen pics/cats: lies where "), err
        assert sorted(here.rglob("*")) == before
    for _ in range(2):  # elsewhere, and again
        assert shell(f"infer --model {MODEL} --quiet --save-seen seen pics", "", here)[0] == 0


@pytest.mark.parametrize("name", ["index.html", "00001-7-mnist.png", "00099-x.png"])
def test_save_seen_replaces_nothing_that_edgesoft_did_not_write(here, name):
    command = f"infer --model {MODEL} --quiet --save-seen seen {SAMPLE}"
    for _ in range(2):  # its own it replaces
        assert shell(command, "", here)[0] == 0
    (here / "seen" / "notes.txt").write_bytes(b"mine")
    (here / "seen" / name).write_bytes(b"mine")
    before = {entry.name: entry.read_bytes() for entry in (here / "seen").iterdir()}
    code, out, err = shell(command, "", here)
    assert (code, out) == (1, "")
    assert err == f"error: seen/{name}: was not written by edgesoft, and is not replaced. Choose another folder\n"
    assert {entry.name: entry.read_bytes() for entry in (here / "seen").iterdir()} == before
    assert not list((here / "seen").glob(".*"))
