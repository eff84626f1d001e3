"""scripts/check_cuda.py: rehearsed on the CPU, and for real where there is a GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
STEPS = {
    *("provider_runs", "trains", "exports", "answers_like_pytorch", "verifies", "chooses_precision"),
    *("refuses_a_missing_device", "shares_between_threads", "binds", "times"),
}


def check(provider, output):
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "check_cuda.py", "--provider", provider, "--quick", "--output", output],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("provider", ["cpu", "cuda"])
def test_every_step_passes(provider, tmp_path):
    if provider == "cuda" and not torch.cuda.is_available():
        pytest.skip("PyTorch finds no GPU here")
    process = check(provider, tmp_path / "out.json")
    assert process.returncode == 0, process.stderr
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["passed"]
    assert set(document["checks"]) == STEPS
    assert document["rehearsal"] == (provider == "cpu")
    assert document["checks"]["answers_like_pytorch"]["tf32 off"]["label_changes"] == 0
    names = [timing["name"] for timing in document["checks"]["times"]["batches"][0]["timings"]]
    assert f"mnist.onnx, {provider}, bound to fixed buffers" in names


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_fails_at_once_and_says_so(tmp_path):
    process = check("cuda", tmp_path / "out.json")
    assert process.returncode == 1
    document = json.loads((tmp_path / "out.json").read_text())
    assert not document["passed"]
    assert set(document["checks"]) == {"provider_runs"}
    assert "cuda does not run" in document["checks"]["provider_runs"]["error"]
