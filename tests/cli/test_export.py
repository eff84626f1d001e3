import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from edgesoft.training.runs import RunFolder
from edgesoft.training.train import train
from tests.cli.test_train import LIMITED
from tests.conftest import TINY, environment


@pytest.fixture
def run(tiny_run, tmp_path):
    """A folder with one run in it, as after `edgesoft train`."""
    shutil.copytree(tiny_run.path, tmp_path / "runs" / "mnist")
    return tmp_path / "runs" / "mnist"


def test_export_and_what_it_says(cli, run, tmp_path, digit):
    ended = cli("export", "--quantize")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].split() == [
        "accuracy",
        "labels",
        "changed",
        "logits",
        "within",
        "bytes",
        "batch",
        "1",
        "batch",
        "256",
    ]
    assert [line.split("  ")[0] for line in lines[2:5]] == ["PyTorch", "float32", "INT8, 7-bit weights per tensor"]
    assert lines[5:] == [
        f"exported/mnist{suffix}" for suffix in (".onnx", ".int8.onnx", ".report.json", ".report.html")
    ]
    assert sorted(item.name for item in (tmp_path / "exported").iterdir()) == sorted(
        line.split("/")[1] for line in lines[5:]
    )
    talk = ended.err.splitlines()
    assert talk[0] == "exporting runs/mnist/checkpoint.npz"
    assert talk[-1] == "next:  edgesoft infer PICTURE"
    assert all(line.startswith("note: ") for line in talk[1:-1])
    assert any("against float it lost " in line and "of 10,000 test examples" in line for line in talk)
    # The file that it recommends is the one that the next command takes.
    report = json.loads((tmp_path / "exported" / "mnist.report.json").read_text())
    gains_nothing = "note: INT8 gains nothing here: take exported/mnist.onnx" in talk
    assert report["recommended"] == ("float32" if gains_nothing else "int8")
    taken = cli("infer", digit).err
    assert ("exported/mnist.onnx" if gains_nothing else "exported/mnist.int8.onnx") in taken


def test_quietly_only_what_is_not_published_is_said(cli, run):
    ended = cli("export", "-q", "--output", "quiet")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-3:] == [f"quiet/mnist{end}" for end in (".onnx", ".report.json", ".report.html")]


CUT_OFF = """
import runpy, sys
from edgesoft.exporting import export
measure = export.activation_maxima
export.activation_maxima = lambda *given: [top / 100 for top in measure(*given)]
export.NEGLIGIBLE_DROP = 1.0
sys.argv = ["edgesoft", "export", "--quantize", *sys.argv[1:]]
runpy.run_module("edgesoft", run_name="__main__")
"""
"""The real command, with ranges that cut off what every picture needs, and no finishing to mend them."""


def test_what_takes_more_than_training_was_allowed_is_said(cli, tmp_path):
    """--flash chooses the network by the size of plain INT8, which another file need not have."""
    rows = [f"{row % 7},{row % 11},{'ab'[row % 2]}" for row in range(120)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    trained = cli("train", "t.csv", "--target", "kind", "--epochs", "1", "--flash", "300", "--output", "run")
    assert trained.code == 0, trained.err
    for arguments, option in (((), "flash"), (("--quantize", "--per-channel"), "flash"), (("--quantize",), "")):
        ended = cli("export", "run", *arguments, "--output", "out", "--overwrite", "--max-drop", "100")
        assert ended.code == 0, ended.err
        warned = [line for line in ended.err.splitlines() if line.startswith("warning: out/t.")]
        assert len(warned) == bool(option) and all(f"bytes of {option} in C, and" in line for line in warned)


def test_a_missed_gate_publishes_the_float_file_only(mnist, tmp_path):
    """With two hidden layers no attempt escapes the ranges. What the error advises helps."""

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", CUT_OFF, *arguments], cwd=tmp_path, capture_output=True, text=True, env=environment()
        )

    config = dataclasses.replace(TINY, hidden=(24, 24), batch_size=1000)
    train(mnist, config, RunFolder(tmp_path / "runs" / "mnist"))
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "mnist.int8.onnx").write_bytes(b"mine")
    refused = run()
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].startswith(
        "error: exported/mnist.int8.onnx: is no model file that edgesoft wrote"
    )
    assert [item.read_bytes() for item in (tmp_path / "exported").iterdir()] == [b"mine"]
    ended = run("--overwrite")
    assert ended.returncode == 3, ended.stderr
    assert "removed exported/mnist.int8.onnx: it belonged to the earlier model" in ended.stderr
    assert sorted(item.name for item in (tmp_path / "exported").iterdir()) == [
        "mnist.onnx", "mnist.report.html", "mnist.report.json"
    ]  # fmt: skip
    assert ended.stderr.count("not published: INT8, ") == 3
    error = ended.stderr.splitlines()[-1]
    assert error.startswith(
        "error: no INT8 file holds the gate; exported/mnist.onnx is float. Allow it with --max-drop "
    )
    assert "INT8, 7-bit weights per channel, last layer in float" in ended.stdout
    report = json.loads((tmp_path / "exported" / "mnist.report.json").read_text())
    assert report["int8"] is None
    assert [attempt["passed"] for attempt in report["int8_attempts"]] == [False] * 3
    allowance = error.split()[-1]
    assert run("--max-drop", f"{float(allowance) - 0.01:.2f}").returncode == 3
    followed = run("--max-drop", allowance)
    assert followed.returncode == 0, followed.stderr
    assert (tmp_path / "exported" / "mnist.int8.onnx").exists()


def test_a_float_file_that_is_not_pytorchs_publishes_nothing(run, tmp_path):
    """The staged graph gets one other weight, in the real command."""
    script = (
        "import runpy, sys; import numpy as np\n"
        "from edgesoft.exporting import export\n"
        "from edgesoft.model.layers import Linear\n"
        "build = export.build_graph\n"
        "def wrong(layers, *rest, **named):\n"
        "    weight = layers[-1].weight.copy(); weight[3, np.abs(weight[3]).argmax()] *= 1.01\n"
        "    return build((*layers[:-1], Linear(weight, layers[-1].bias)), *rest, **named)\n"
        "export.build_graph = wrong\n"
        "sys.argv = ['edgesoft', 'export', '--quantize']; runpy.run_module('edgesoft', run_name='__main__')"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=environment()
    )
    assert (process.returncode, process.stdout) == (3, "")
    assert "the float file does not answer like PyTorch" in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "exported").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 1, "runs/ holds no trained model. Train one first: edgesoft train"),
        (("missing",), 1, "missing: no such file (expected a checkpoint of edgesoft)"),
        (("junk.npz",), 1, "junk.npz: damaged, or no checkpoint of edgesoft"),
        (("folder",), 1, "folder/checkpoint.npz: no such file"),
        (("junk.npz", "--max-drop", "nan"), 2, "--max-drop nan"),
    ],
)
def test_bad_input(cli, tmp_path, arguments, code, message):
    (tmp_path / "junk.npz").write_bytes(b"junk")
    (tmp_path / "folder").mkdir()
    ended = cli("export", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.splitlines()[-1].startswith(f"error: {message}")
    assert "Traceback" not in ended.err
    assert not list(tmp_path.rglob("*.onnx"))


def test_a_truncated_checkpoint(cli, run):
    path = run / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-500])
    ended = cli("export")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[-1].startswith(
        "error: runs/mnist/checkpoint.npz: damaged, or no checkpoint of edgesoft"
    )


def test_weights_that_are_no_numbers(cli, run):
    with np.load(run / "checkpoint.npz") as loaded:
        arrays = dict(loaded)
    arrays["weight0"][3, 4] = np.nan
    np.savez(run / "checkpoint.npz", **arrays)
    ended = cli("export")
    assert (ended.code, ended.out) == (1, "")
    assert "weight0 has numbers that are not finite" in ended.err


def test_a_folder_that_cannot_be_written(cli, run, tmp_path):
    (tmp_path / "file").write_text("mine")
    ended = cli("export", "--output", "file/below")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[-1].startswith("error: file/below: cannot be written (")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_leaves_the_files_of_before(run, tmp_path):
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "mnist.onnx").write_bytes(b"old")
    arguments = ("export", "--quantize", "--overwrite")
    process = subprocess.run(
        [sys.executable, "-c", LIMITED, "60000", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),
    )
    assert (process.returncode, process.stdout) == (1, "")
    assert "cannot be written (file too large)" in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr
    assert [item.name for item in (tmp_path / "exported").iterdir()] == ["mnist.onnx"]
    assert (tmp_path / "exported" / "mnist.onnx").read_bytes() == b"old"
