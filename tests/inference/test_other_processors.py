"""INT8 files answer the same bits on a processor that has neither AVX nor AVX2, as qemu emulates it."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTENSIONS = "import numpy; print(numpy.show_config('dicts')['SIMD Extensions'].get('found'))"


@pytest.fixture
def emulated():
    """Python on a processor that is emulated instruction by instruction."""
    if platform.machine() != "x86_64" or sys.platform != "linux":
        pytest.skip("other x86 processors are emulated on Linux and x86 only")
    if shutil.which("qemu-x86_64") is None:
        pytest.skip("no qemu-x86_64: apt install qemu-user")
    paths = os.pathsep.join(path for path in (str(ROOT), *sys.path) if path)

    def run(processor, *arguments):
        command = ["qemu-x86_64", "-cpu", processor, Path(sys.executable).resolve(), *arguments]
        environment = os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run


@pytest.mark.parametrize("model", ["mnist.int8.onnx", "conv/mnist.int8.onnx"])
def test_the_same_bits_without_avx(emulated, model):
    said = emulated("Nehalem", "-m", "edgesoft", "verify", ROOT / "exported" / model)
    assert "64 replayed on cpu" in said
    assert "bit for bit" in said


def test_what_is_emulated_has_no_avx(emulated):
    """Else the test above would show nothing. numpy asks the processor what it has, as ONNX Runtime does."""
    found = {processor: emulated(processor, "-c", EXTENSIONS) for processor in ("Nehalem", "Haswell")}
    has_avx2 = {processor: "AVX2" in said or "X86_V3" in said for processor, said in found.items()}
    assert has_avx2 == {"Nehalem": False, "Haswell": True}
