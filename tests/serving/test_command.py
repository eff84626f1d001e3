"""What `edgesoft serve` refuses before it serves, each in one line."""

import shutil
import socket

import pytest

from tests.conftest import ROOT
from tests.serving.conftest import MNIST
from tests.test_imports import blocked


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing.onnx"], 1, "nothing.onnx"),
        ([MNIST, MNIST], 2, "two models are called 'mnist'"),
        ([MNIST, "--host", "0.0.0.0"], 2, "--no-token"),
        ([MNIST, "--host", "0.0.0.0", "--no-token", "--token", "a"], 2, "choose one of them"),
        ([MNIST, "--token", "a b"], 2, "ASCII without blanks"),
        ([MNIST, "--token", ""], 2, "empty"),
        ([MNIST, "--host", "no.such.host.invalid", "--no-token"], 1, "is no address"),
        ([MNIST, "--host", "192.0.2.1", "--no-token"], 1, "is no address of this machine"),
        ([MNIST, "--port", "70000"], 2, "70000"),
        ([MNIST, "--workers", "0"], 2, "workers"),
        ([MNIST, "--max-body", "nan"], 2, "--max-body nan"),
        ([MNIST, "--timeout", "inf"], 2, "timeout"),
        ([MNIST, "--provider", "nothing"], 2, "nothing"),
        ([MNIST, "--cors", "example.com"], 2, "--cors example.com: expected an origin such as https://"),
        ([MNIST, "--cors", "javascript:x"], 2, "expected an origin"),
        ([MNIST, "--cors", "https://a.example/page"], 2, "expected an origin"),
        ([], 2, "models"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(cli, arguments, code, said):
    ended = cli("serve", *arguments)
    assert ended.code == code, ended.err
    assert said in ended.one_line()


def test_a_port_in_use(cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = cli("serve", MNIST, "--port", taken.getsockname()[1])
    assert ended.code == 1
    assert "is in use. Choose another port" in ended.one_line()


def test_a_file_that_does_not_verify_is_not_served(cli, tmp_path):
    damaged = tmp_path / "damaged.onnx"
    content = bytearray(MNIST.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    ended = cli("serve", "damaged.onnx", "--port", "0")
    assert ended.code == 1
    assert "damaged.onnx" in ended.one_line()
    assert ended.out == ""


def test_without_the_extra_one_line_says_what_to_install(tmp_path):
    for name in ("starlette", "python_multipart"):
        process = blocked("serve", MNIST, "--port", "0", names={name}, cwd=tmp_path)
        assert process.returncode == 1
        assert process.stderr == (
            f"error: this command needs {name}, which is not installed. Install it: pip install 'edgesoft[serve]'\n"
        )


def test_no_other_command_needs_the_extra(tmp_path):
    shutil.copytree(ROOT / "exported", tmp_path / "exported")
    names = {"starlette", "uvicorn", "uvloop", "httptools", "prometheus_client", "python_multipart"}
    for arguments in (["infer", "exported/samples/7-mnist.png"], ["serve", "--help"], ["--help"]):
        process = blocked(*arguments, names=names, cwd=tmp_path)
        assert process.returncode == 0, process.stderr
