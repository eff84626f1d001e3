"""The oldest ONNX Runtime that `inspect` names loads the files and gives their answers."""

import json
import subprocess
import sys

import pytest

from edgesoft.inference.inspect import OLDEST_RUNTIME
from tests import edits

OLDEST = "1.15.1"

# Knows nothing of edgesoft: a bare session over recorded inputs.
REPLAY = """
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy, onnxruntime
data = numpy.load(sys.argv[2])
answers = {}
for name in sys.argv[3:]:
    session = onnxruntime.InferenceSession(name, providers=["CPUExecutionProvider"])
    logits, probabilities, label = session.run(["logits", "probabilities", "label"], {"pixels": data["inputs"]})
    answers[name] = {"logits": logits.tolist(), "label": label.tolist(), "sums": probabilities.sum(axis=1).tolist()}
print(json.dumps({"version": onnxruntime.__version__, "numpy": numpy.__version__, "answers": answers}))
"""


@pytest.fixture(scope="module")
def old_runtime(tmp_path_factory):
    folder = tmp_path_factory.mktemp("old-runtime")
    process = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--only-binary", ":all:", "--target", folder, f"onnxruntime=={OLDEST}", "numpy<2",
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    if process.returncode != 0:
        lines = process.stderr.strip().splitlines() or ["pip said nothing"]
        pytest.skip(f"onnxruntime {OLDEST} cannot be installed here: {lines[-1]}")
    return folder


def test_the_oldest_runtime_gives_the_same_answers(old_runtime, exported, tmp_path):
    import numpy as np

    golden = {name: edits.golden(edits.read(exported / name)) for name in ("mnist.onnx", "mnist.int8.onnx")}
    np.savez(tmp_path / "inputs.npz", inputs=golden["mnist.onnx"].inputs)
    process = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            REPLAY,
            old_runtime,
            tmp_path / "inputs.npz",
            *(exported / name for name in golden),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    found = json.loads(process.stdout)
    assert found["version"] == OLDEST
    assert found["version"].startswith(OLDEST_RUNTIME[13, 8])
    assert found["numpy"].startswith("1.")
    for name, examples in golden.items():
        answer = found["answers"][str(exported / name)]
        logits = np.array(answer["logits"], np.float32)
        np.testing.assert_array_equal(golden[name].inputs, golden["mnist.onnx"].inputs)
        if "int8" in name:
            np.testing.assert_array_equal(logits, examples.expected)
        else:
            np.testing.assert_allclose(logits, examples.expected, atol=1e-4)
        np.testing.assert_array_equal(answer["label"], examples.expected.argmax(axis=1))
        np.testing.assert_allclose(answer["sums"], 1, atol=1e-5)
