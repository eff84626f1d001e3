"""The doctor on this machine; on broken ones in test_broken_machines.py."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from edgesoft.inference.doctor import diagnose
from edgesoft.inference.providers import compiled_providers

ROOT = Path(__file__).resolve().parents[2]


def doctor(*options):
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "edgesoft", "doctor", *options],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def imported(process):
    return {line.rpartition("|")[2].strip() for line in process.stderr.splitlines() if line.startswith("import time:")}


def test_the_diagnosis_of_a_machine_that_works():
    diagnosis = diagnose()
    assert diagnosis.healthy
    assert diagnosis.packages["numpy"] == version("numpy")
    assert diagnosis.packages["torch"] == version("torch")
    assert tuple(state.provider for state in diagnosis.providers) == compiled_providers()
    for state in diagnosis.providers:
        assert state.runs == (state.cause is None) == (state.cure is None)
    assert next(state for state in diagnosis.providers if state.provider == "cpu").runs
    assert diagnosis.cores >= 1


def test_the_json_has_these_keys():
    process = doctor("--json")
    assert process.returncode == 0
    document = json.loads(process.stdout)
    assert set(document) == {
        *(
            "schema_version",
            "healthy",
            "edgesoft",
            "python",
            "platform",
            "processor",
            "cores",
            "cpu_features",
            "packages",
            "runtime",
            "providers",
        ),
        *("driver", "driver_version", "problems", "torch"),
    }
    assert set(document["runtime"]) == {"version", "wheels", "cuda_major", "missing_libraries", "cudnn", "sends_events"}
    assert set(document["providers"][0]) == {"provider", "runs", "cause", "cure"}
    assert document["torch"] is None


def test_it_imports_neither_torch_nor_rich():
    process = doctor("--json")
    assert not imported(process) & {"torch", "onnx", "rich", "pydantic", "matplotlib", "PIL", "edgesoft.training"}


def test_it_imports_torch_when_asked():
    process = doctor("--torch", "--json")
    assert "torch" in imported(process)
    assert json.loads(process.stdout)["torch"]["version"] == torch.__version__


def test_the_text_names_each_provider_and_what_mends_it():
    process = doctor()
    assert process.returncode == 0
    lines = process.stdout.splitlines()
    for state in diagnose().providers:
        line = next(index for index, text in enumerate(lines) if text.split()[:1] == [state.provider])
        if state.runs:
            assert lines[line].endswith("runs")
        else:
            assert state.cause in lines[line]
            assert state.cure in lines[line + 1]


def test_it_says_whether_onnx_runtime_sends_events(monkeypatch):
    for given, sends in (
        (None, False),
        ("", False),
        ("1", False),
        (" TRUE ", False),
        ("0", True),
        ("off", True),
        ("2", True),
    ):
        monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
        if given is not None:
            monkeypatch.setenv("ORT_DISABLE_TELEMETRY", given)
        process = doctor()
        assert process.returncode == 0
        assert ("telemetry     on: ONNX Runtime may tell Microsoft" in process.stdout) == sends
        assert ("telemetry     off: " in process.stdout) != sends
