import dataclasses
import json
import signal
import subprocess
import sys
import time

import pytest

from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.runs import RunFolder
from edgesoft.training.train import train
from tests.conftest import TINY, environment

QUICK = (
    "--epochs",
    "1",
    "--hidden",
    "none",
    "--no-augment",
    "--threads",
    "1",
    "--batch-size",
    "2000",
    "--outliers",
    "0",
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", "0"), "--epochs 0: expected a whole number from 1 to 1,000,000"),
        (("--epochs", "-3"), "--epochs -3: expected a whole number from 1 to 1,000,000"),
        (("--hidden", "520;320"), "--hidden '520;320': expected widths from 1 to 65536"),
        (("--hidden", "0"), "--hidden '0'"),
        (("--lr", "nan"), "--lr nan"),
        (("--batch-size", "0"), "--batch-size 0"),
        (("--device", "tpu"), "--device 'tpu': expected cpu or cuda"),
        (("--threads", "9999999"), "--threads 9999999"),
        (("--seed", "-1"), "--seed -1"),
        (("--resume", "run", "--epochs", "3"), "--epochs: a resumed run keeps its data and settings"),
        (("--resume", "run", "--output", "x"), "--output: a resumed run keeps its data and settings"),
    ],
)
def test_settings_that_make_no_sense(cli, tmp_path, arguments, message):
    ended = cli("train", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.one_line().startswith(f"error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_train_and_what_it_says(cli, tmp_path):
    ended = cli("train", *QUICK)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].split() == ["class", "precision", "recall", "F1", "examples"]
    assert [line.split()[0] for line in lines[2:12]] == list("0123456789")
    assert [line.split("  ")[0] for line in lines[12:]] == ["validation accuracy", "test accuracy", "checkpoint"]
    talk = ended.err.splitlines()
    assert talk[0] == "mnist: 10 classes, 55,000 train, 5,000 validation, 10,000 test examples"
    assert talk[1] == "network: hidden layers none; as INT8 in C 7.9 KB of flash, 0.0 KB of RAM, 7,840 multiplications"
    assert talk[2].startswith("epoch 1/1  loss ")
    assert talk[-1] == "next:  edgesoft export --quantize"
    assert "\x1b" not in ended.err
    assert (tmp_path / "runs" / "mnist" / "checkpoint.npz").exists()
    again = cli("train", *QUICK, "--quiet")
    assert (tmp_path / "runs" / "mnist-2" / "checkpoint.npz").exists()
    assert again.out.replace("mnist-2", "mnist") == ended.out
    assert again.err.splitlines()[-1] == "next:  edgesoft export --quantize"
    assert "epoch" not in again.err
    used = cli("train", *QUICK, "--output", "runs/mnist")
    assert (used.code, used.out) == (1, "")
    assert used.err.splitlines()[-1].startswith("error: runs/mnist: already holds a run.")


@pytest.mark.parametrize("asked", [(), ("--class-weights",)])
def test_class_weights_are_advised_where_they_are_not_given(cli, tmp_path, asked):
    rows = [f"{number % 17},{number % 5},{'often' if number % 10 else 'seldom'}" for number in range(200)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,kind", *rows]) + "\n")
    ended = cli("train", "rows.csv", "--target", "kind", "--epochs", 1, "--hidden", 4, "-q", *asked)
    (warning,) = (line for line in ended.err.splitlines() if "the classes differ in size" in line)
    assert ("--class-weights" in warning) == (not asked)


def test_a_loss_that_is_no_number(cli, tmp_path):
    ended = cli("train", *QUICK, "--lr", "1e30", "--quiet")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[-1].startswith("error: training stopped: the ")
    assert "Traceback" not in ended.err
    assert not [item for item in tmp_path.rglob("*") if item.is_file()]


@pytest.mark.parametrize("place", ["file/run", "file"])
def test_a_folder_that_cannot_be_written(cli, tmp_path, place):
    (tmp_path / "file").write_text("mine")
    ended = cli("train", *QUICK, "--output", place)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[-1].startswith(f"error: {place}: ")
    assert "Traceback" not in ended.err
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


LIMITED = """
import resource, runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.argv = ["edgesoft", *sys.argv[2:]]
runpy.run_module("edgesoft", run_name="__main__")
"""


def test_a_full_disk(tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", LIMITED, "20000", "train", *QUICK, "--quiet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),
    )
    assert (process.returncode, process.stdout) == (1, "")
    (line,) = process.stderr.splitlines()
    assert (
        line
        == "error: runs/mnist/last.npz: cannot be written (file too large). Choose another folder or free some space"
    )
    assert not [item for item in tmp_path.rglob("*") if item.is_file()]


def interrupt(folder, *arguments, when):
    """Ctrl-C as soon as `when(line)` holds for a line on stderr, or at once when the run folder appears."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "edgesoft",
            "train",
            "--no-augment",
            "--outliers",
            "0",
            "--threads",
            "1",
            *arguments,
            "--output",
            str(folder),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        # Whoever runs the tests in the background of a shell has Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    lines = []
    if when is None:
        while not folder.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.5)
    else:
        for line in process.stderr:
            lines.append(line)
            if when(line) or len(lines) > 30:
                break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, "".join(lines) + err


def test_ctrl_c_keeps_the_best_weights_and_says_so(tmp_path):
    folder = tmp_path / "run"
    code, out, err = interrupt(folder, "--hidden", "16", "--epochs", "500", when=lambda line: "/500" in line)
    assert code == 130
    assert "the best weights so far are kept" in err
    assert f"continue:  edgesoft train --resume {folder}" in err
    assert "Traceback" not in err
    assert out.startswith("validation accuracy")
    assert "test accuracy" not in out
    trained = Checkpoint.load(folder / "checkpoint.npz")
    assert "test" not in trained.card.metrics
    assert json.loads((folder / "metrics.json").read_text())["epochs"] >= 2


def test_ctrl_c_in_the_first_epoch(tmp_path):
    folder = tmp_path / "run"
    code, out, err = interrupt(folder, "--batch-size", "2", when=None)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    assert not (folder / "checkpoint.npz").exists()


def test_resume_goes_on_where_it_stopped(cli, mnist, tmp_path):
    config = dataclasses.replace(TINY, hidden=(), batch_size=2000, epochs=2)
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    train(mnist, config, whole)

    def stop(_):
        raise KeyboardInterrupt

    train(mnist, config, parts, on_epoch=stop)
    ended = cli("train", "--resume", parts.path, OMP_NUM_THREADS="1")
    assert ended.code == 0, ended.err
    assert "test accuracy" in ended.out
    assert whole.checkpoint.read_bytes() == parts.checkpoint.read_bytes()


def test_nothing_to_resume(cli):
    ended = cli("train", "--resume", "nowhere")
    assert (ended.code, ended.out) == (1, "")
    assert "no such file" in ended.one_line()
