"""`edgesoft bench`, as a process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "exported"
QUICK = ("--batch", "1", "--rounds", "6", "--threads", "1")


def bench(*arguments, flags=()):
    return subprocess.run(
        [sys.executable, *flags, "-m", "edgesoft", "bench", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
    )


def test_a_table_for_people():
    process = bench(MODELS, *QUICK)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[0].split()[:5] == ["batch", "1", "p50", "p90", "p99"]
    assert lines[2].startswith("mnist.onnx, cpu, 1 thread")
    assert lines[3].startswith("mnist.int8.onnx, cpu, 1 thread")
    assert "noise" in lines[4]


def test_json_keys_and_nothing_heavy():
    process = bench(MODELS / "mnist.int8.onnx", *QUICK, "--json", flags=("-X", "importtime"))
    assert process.returncode == 0, process.stderr
    document = json.loads(process.stdout)
    assert set(document) == {"schema_version", "machine", "batches"}
    assert set(document["machine"]) == {"processor", "cores", "ONNX Runtime", "date"}
    (batch,) = document["batches"]
    assert set(batch) == {"batch", "timings", "noise", "spread", "winner"}
    assert set(batch["timings"][0]) == {
        *("name", "p50", "p90", "p99", "per_second", "create", "first_call", "peak_memory", "calls"),
        *("ratio", "ratio_low", "ratio_high"),
    }
    modules = {
        line.rpartition("|")[2].strip() for line in process.stderr.splitlines() if line.startswith("import time:")
    }
    assert not modules & {"torch", "onnx", "rich", "pydantic", "matplotlib", "PIL", "edgesoft.training"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--batch", "1,x"), 2, "--batch '1,x': expected numbers from 1 to 65,536"),
        (("--batch", "0"), 2, "--batch '0': expected numbers from 1 to 65,536"),
        (("--threads", "1,,2"), 2, "--threads '1,,2': expected numbers from 1 to 1,024"),
        (("--provider", "cpu,cdua"), 2, "unknown provider 'cdua'. Did you mean cuda?"),
        (("--provider", "cpu,openvino"), 4, "provider openvino cannot run here"),
        (("--provider", "cpu,cpu"), 2, "--provider: 'cpu' stands there twice"),
    ],
)
def test_what_cannot_be_measured(arguments, code, message):
    process = bench(MODELS / "mnist.onnx", *arguments)
    assert (process.returncode, process.stdout) == (code, "")
    assert message in process.stderr.splitlines()[-1]
