"""What starting a command costs, held by what it imports: a clock would say something else on every machine."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import environment

FULL = Path("/dev/full")
EXPORTED = Path(__file__).resolve().parents[2] / "exported"
HEAVY = {"torch", "torchvision", "onnx", "rich", "pydantic", "matplotlib", "pandas", "sklearn", "edgesoft.training"}
SHARED = {
    f"edgesoft.cli.{name}" for name in ("console", "options", "answers", "outputs", "render", "signals", "streams")
}


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "edgesoft", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def imported(process):
    """The modules that a process imported, from `-X importtime`."""
    lines = [line for line in process.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    "arguments",
    [
        ("infer", EXPORTED / "samples" / "7-mnist.png", "--model", EXPORTED, "--json"),
        ("infer", EXPORTED / "samples" / "7-mnist.png", "--model", EXPORTED),
        ("verify", EXPORTED / "mnist.int8.onnx", "--json"),
        ("inspect", EXPORTED / "mnist.int8.onnx", "--json"),
        ("diff", EXPORTED / "mnist.onnx", EXPORTED / "mnist.onnx", "--json"),
        ("evaluate", EXPORTED / "mnist.int8.onnx", "mnist", "--json"),
        ("bench", EXPORTED / "mnist.int8.onnx", "--batch", 1, "--rounds", 6, "--json"),
        ("doctor", "--json"),
    ],
    ids=lambda arguments: " ".join([arguments[0], *(word for word in map(str, arguments) if word == "--json")]),
)
def test_a_device_command_imports_no_other_command_and_nothing_of_training(arguments):
    process = run(*map(str, arguments))
    assert process.returncode == 0, process.stderr[-1000:]
    modules = imported(process)
    assert "numpy" in modules  # negative control: the list is no empty one
    assert not modules & HEAVY
    assert {name for name in modules if name.startswith("edgesoft.cli.")} <= {f"edgesoft.cli.{arguments[0]}", *SHARED}


def test_the_version_needs_no_runtime_and_no_numpy():
    process = run("--version")
    assert process.returncode == 0
    assert not imported(process) & {"numpy", "onnxruntime", "PIL", "rich", "torch"}


def test_an_unknown_command_suggests_the_nearest():
    process = run("infre", NO_COLOR="1")
    assert process.returncode == 2
    assert "Did you mean 'infer'?" in process.stderr


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_an_error(unbuffered):
    with FULL.open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "edgesoft", "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert process.returncode == 1
    assert (
        process.stderr
        == "error: the output cannot be written (no space left on device). Free some space, or write elsewhere\n"
    )


@pytest.mark.parametrize(
    "command",
    ["train {}", "export {}", "bench {}", "verify {}", "infer x.png --model {}", f"infer -q {{}} --model {EXPORTED}"],
)
def test_a_path_that_the_system_cannot_take_is_an_error(command):
    process = run(*command.format("x" * 300).split())
    said = [line for line in process.stderr.splitlines() if not line.startswith(("import time:", "exported"))]
    assert process.returncode == 1
    assert len(said) == 1 and said[0].startswith("error: xxx") and "file name too long" in said[0]


INTERRUPTED = """
import os, signal, sys
import edgesoft.__main__ as program

wanted, *arguments = sys.argv[1:]

class Finder:
    def find_spec(self, name, *_):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
sys.argv = ["edgesoft", *arguments]
program.main()
"""


MULTIARRAY = "numpy.core.multiarray" if np.__version__.startswith("1.") else "numpy._core.multiarray"


@pytest.mark.parametrize("name", ["typer", "edgesoft.cli.train", "numpy", MULTIARRAY, "torch", "torch._C"])
def test_ctrl_c_while_something_is_imported_is_one_word(name, tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n" + "1,x\n2,y\n" * 30)
    process = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, name, "train", "rows.csv", "--target", "b", "--epochs", "1"],
        cwd=tmp_path, capture_output=True, text=True, env=environment(),
    )  # fmt: skip
    assert (process.returncode, process.stderr) == (130, "interrupted\n")


def test_short_help_and_the_name_that_people_type():
    assert run("-h").stdout == run("--help").stdout != ""
    predict, infer = run("predict", "-h"), run("infer", "--help")
    assert predict.returncode == infer.returncode == 0
    assert predict.stdout.replace("predict", "infer").split() == infer.stdout.split()
    assert "│ predict" not in run("--help").stdout  # it is no command of its own
    assert "│ infer" in run("--help").stdout


@pytest.mark.parametrize(
    ("shell", "typed", "expected"),
    [
        ("bash", {"COMP_WORDS": "edgesoft ex", "COMP_CWORD": "1"}, "export\n"),
        ("bash", {"COMP_WORDS": "edgesoft export --quan", "COMP_CWORD": "2"}, "--quantize\n"),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "edgesoft ex", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
            "export\tExport a",
        ),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "edgesoft ex"}, '_arguments \'*: :(("export":"Export a'),
    ],
)
def test_a_shell_is_told_what_may_follow(shell, typed, expected):
    process = run(_EDGESOFT_COMPLETE=f"complete_{shell}", **typed)
    assert process.returncode == 0
    assert process.stdout.startswith(expected)
    assert not imported(process) & {"torch", "onnxruntime"}
