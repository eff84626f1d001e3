"""stdout is data, stderr is talk."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests import edits
from tests.conftest import environment

KEYS = ["path", "label", "rejected", "confidence", "probabilities", "model", "precision", "provider", "warnings"]


@pytest.fixture
def has_cuda():
    from edgesoft.inference.providers import obstacle

    return obstacle("cuda") is None


def test_the_json_contract(cli, exported, digit):
    ended = cli("infer", digit, "--model", exported, "--json", "--provider", "cpu", "--top-k", 3)
    assert ended.code == 0
    (line,) = ended.out.splitlines()
    answer = json.loads(line)
    assert list(answer) == KEYS
    assert answer["label"] == "7"
    assert answer["path"] == str(digit)
    assert answer["model"] == str(exported / "mnist.int8.onnx")
    assert (answer["precision"], answer["provider"], answer["warnings"]) == ("int8", "cpu", [])
    assert len(answer["probabilities"]) == 3
    assert next(iter(answer["probabilities"].items())) == ("7", answer["confidence"])
    values = list(answer["probabilities"].values())
    assert values == sorted(values, reverse=True)
    assert ended.one_line() == f"{exported / 'mnist.int8.onnx'} (int8) on cpu (asked for)"


def test_a_picture_that_fails_does_not_stop_the_others(cli, exported, digit, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    ended = cli("infer", digit, "text.png", "missing.png", digit, "--model", exported, "--json", "--quiet")
    assert ended.code == 1
    answers = [json.loads(line) for line in ended.out.splitlines()]
    assert [list(answer) for answer in answers] == [KEYS, ["path", "error"], ["path", "error"], KEYS]
    assert answers[1]["path"] == "text.png"
    assert answers[1]["error"]
    assert ended.err == ""
    text = cli("infer", "text.png", "--model", exported, "--quiet")
    assert (text.code, text.out) == (1, "")
    assert text.one_line().count("text.png") == 1


def test_text_for_people(cli, exported, digit, tmp_path):
    one = cli("infer", digit, "--model", exported / "mnist", "--quiet", "--provider", "cpu")
    assert one.code == 0
    assert one.out.startswith("7  ")
    assert one.out.endswith(" %\n")
    assert one.err == ""
    many = cli("infer", digit, digit, tmp_path / "missing.png", "--model", exported, "--quiet", "--top-k", 2)
    assert many.code == 1
    assert [line.split("  ")[:2] for line in many.out.splitlines()] == [[str(digit), "7"]] * 2
    assert many.one_line().startswith("error: ")


def test_without_cuda_nothing_runs_on_another_provider(cli, exported, digit, has_cuda):
    if has_cuda:
        pytest.skip("there is CUDA here")
    for arguments in (("infer", digit, "--model", exported, "--json"), ("verify", exported / "mnist.onnx")):
        ended = cli(*arguments, "--provider", "cuda")
        assert ended.code == 4
        assert ended.out == ""
        assert ended.one_line().startswith("error: provider cuda cannot run here: ")
        assert "--provider cpu" in ended.err


@pytest.mark.parametrize(
    ("provider", "message"),
    [("bogus", "unknown provider 'bogus'"), ("", "Invalid value for '--provider': it is empty")],
)
def test_an_unknown_provider_is_a_usage_error(cli, exported, digit, provider, message):
    ended = cli("infer", digit, "--model", exported, "--provider", provider)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.one_line()


def test_no_model_yet(cli, digit):
    ended = cli("infer", digit)
    assert (ended.code, ended.out) == (1, "")
    assert ended.one_line().startswith("error: exported: no exported model here. Make one: edgesoft export --quantize")


@pytest.mark.parametrize("content", [b"", b"junk" * 100, None])
def test_a_model_file_that_is_not_ours(cli, exported, digit, tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes((exported / "mnist.onnx").read_bytes()[:-1000] if content is None else content)
    for command in (
        ["infer", digit, "--model", path, "--json"],
        ["verify", path],
        ["inspect", path],
        ["diff", path, path],
    ):
        ended = cli(*command)
        assert (ended.code, ended.out) == (1, "")
        assert ended.one_line().startswith(f"error: {path}: ")


def test_an_answer_that_is_no_number_is_an_error_and_the_json_stays_json(cli, exported, digit, tmp_path):
    def change(model):
        edits.set_constant(model, "weight0", edits.constant(model, "weight0") * np.float32("nan"))

    path = edits.edited(exported / "mnist.onnx", tmp_path / "nan.onnx", change)
    ended = cli("infer", digit, "--model", path, "--json", "--quiet")
    assert ended.code == 1
    assert list(json.loads(ended.out, parse_constant=pytest.fail)) == ["path", "error"]
    assert "edgesoft verify" in ended.out


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_file_name_that_is_no_text(exported, digit, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\n\x1b[31m.png"
    shutil.copy(os.fsencode(digit), name)
    for missing in (b"", b".missing"):
        process = subprocess.run(
            [
                sys.executable,
                "-m",
                "edgesoft",
                "infer",
                name + missing,
                "--model",
                exported,
                "--json",
                "--provider",
                "cpu",
            ],
            capture_output=True,
            env=environment(),
        )
        assert process.returncode == (1 if missing else 0), process.stderr
        (line,) = process.stdout.decode("utf-8").splitlines()
        assert os.fsencode(json.loads(line)["path"]) == name + missing
    text = subprocess.run(
        [sys.executable, "-m", "edgesoft", "infer", name, name + b".missing", "--model", exported, "--quiet"],
        capture_output=True,
        env=environment(),
    )
    assert text.returncode == 1
    assert b"Traceback" not in text.stderr
    assert len(text.stderr.splitlines()) == 1
    assert b"\x1b" not in text.stderr


def test_whoever_has_read_enough_may_leave(exported, digit):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "edgesoft",
            "infer",
            *[str(digit)] * 3000,
            "--model",
            str(exported),
            "--quiet",
            "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    process.stdout.readline()
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 141  # as a shell says of SIGPIPE


def test_no_picture_at_all_is_a_usage_error(cli):
    ended = cli("infer")
    assert (ended.code, ended.out) == (2, "")
    assert ended.one_line().startswith("error: no pictures: name files or folders")
