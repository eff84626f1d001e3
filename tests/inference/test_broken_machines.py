"""Machines with a driver, a GPU, a library or a wheel missing: real loaders, real wheels, each in its own process.

The driver is a small shared library in C whose functions answer as NVIDIA's would; everything after it is real.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from edgesoft.inference.providers import compiled_providers
from edgesoft.inference.runtime import VERSION, built_for

ROOT = Path(__file__).resolve().parents[2]
DIGIT = next((ROOT / "exported" / "samples").rglob("*.png"))
SITE = Path(sysconfig.get_paths()["purelib"])

linux = pytest.mark.skipif(sys.platform != "linux", reason="the stub driver is built for Linux")
compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
cuda_build = pytest.mark.skipif("cuda" not in compiled_providers(), reason="this ONNX Runtime is built without CUDA")
no_cuda_libraries = pytest.mark.skipif((SITE / "nvidia").is_dir(), reason="CUDA's libraries are installed here")

DRIVER = """
int cuInit(unsigned flags) {{ (void)flags; return {status}; }}
int cuDriverGetVersion(int *version) {{ *version = {version}; return 0; }}
int cuDeviceGetCount(int *count) {{ *count = {devices}; return 0; }}
int cuDeviceGetName(char *name, int length, int device) {{ (void)length; (void)device; name[0] = 'G'; name[1] = 0; return 0; }}
"""


def build(folder, name, source):
    """Compile a shared library."""
    folder.mkdir(exist_ok=True)
    (folder / "source.c").write_text(source)
    subprocess.run(
        ["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", folder / name, folder / "source.c"], check=True
    )


def run(*arguments, python=sys.executable, libraries="", **environment):
    inherited = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    paths = {"PYTHONPATH": str(ROOT), "LD_LIBRARY_PATH": str(libraries)}
    return subprocess.run(
        [python, "-m", "edgesoft", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**inherited, **paths, **environment},
    )


def infer(provider, **where):
    return run("infer", DIGIT, "--model", ROOT / "exported", "--provider", provider, **where)


def refused(process):
    """The one line of a command that was refused with exit code 4 and an empty stdout."""
    assert (process.returncode, process.stdout) == (4, ""), process
    assert len(process.stderr.splitlines()) == 1, process.stderr
    assert process.stderr.startswith("error: provider "), process.stderr
    return process.stderr


NEWER = 1000 * (built_for() or 13)


@linux
@compiler
@cuda_build
@pytest.mark.parametrize(
    ("driver", "environment", "cause"),
    [
        ((100, NEWER, 0), {}, "the NVIDIA driver finds no GPU (cuInit gives 100). Check nvidia-smi"),
        (
            (100, NEWER, 0),
            {"CUDA_VISIBLE_DEVICES": "-1"},
            "and CUDA_VISIBLE_DEVICES is '-1'. Unset CUDA_VISIBLE_DEVICES",
        ),
        ((34, NEWER, 0), {}, "is the CUDA toolkit's stub, not a driver. Take the folder 'stubs' out"),
        ((803, NEWER, 0), {}, "library and kernel module do not match (cuInit gives 803). Restart"),
        ((999, NEWER, 0), {}, "the NVIDIA driver does not start (cuInit gives 999). Check nvidia-smi"),
        (
            (0, NEWER - 1000, 1),
            {},
            f"wrong CUDA: ONNX Runtime {VERSION} is built for CUDA {NEWER // 1000}, but the driver runs",
        ),
    ],
    ids=["no device", "hidden", "stub", "mismatch", "other", "old driver"],
)
def test_a_driver_that_cannot_serve_is_named_with_its_cure(driver, environment, cause, tmp_path):
    status, version, devices = driver
    build(tmp_path / "lib", "libcuda.so.1", DRIVER.format(status=status, version=version, devices=devices))
    assert cause in refused(infer("cuda", libraries=tmp_path / "lib", **environment))
    auto = infer("auto", libraries=tmp_path / "lib", **environment)
    assert auto.returncode == 0
    assert len(auto.stderr.splitlines()) == 1, auto.stderr
    assert "(int8) on cpu (no CUDA: " in auto.stderr
    assert cause.split(". ")[0] in auto.stderr
    assert auto.stdout == infer("cpu").stdout


@linux
@compiler
@cuda_build
@no_cuda_libraries
def test_missing_libraries_are_named(tmp_path):
    build(tmp_path / "lib", "libcuda.so.1", DRIVER.format(status=0, version=NEWER, devices=1))
    message = refused(infer("cuda", libraries=tmp_path / "lib"))
    assert f"libcublasLt.so.{built_for()}" in message
    assert "libcudnn.so.9" in message
    assert f'pip install "onnxruntime-gpu[cuda,cudnn]=={VERSION}"' in message


@linux
@compiler
@cuda_build
@no_cuda_libraries
def test_libraries_of_another_cuda_are_named(tmp_path):
    build(tmp_path / "lib", "libcuda.so.1", DRIVER.format(status=0, version=NEWER, devices=1))
    build(tmp_path / "lib", f"libcublasLt.so.{built_for() - 1}", "int nothing;")
    message = refused(infer("cuda", libraries=tmp_path / "lib"))
    assert f"built for CUDA {built_for()}, but the libraries here are of CUDA {built_for() - 1}" in message


@linux
@compiler
@cuda_build
def test_a_gpu_that_is_not_there_is_refused(tmp_path):
    build(tmp_path / "lib", "libcuda.so.1", DRIVER.format(status=0, version=NEWER, devices=2))
    process = run(
        "verify", ROOT / "exported" / "mnist.onnx", "--provider", "cuda", "--device-id", 2, libraries=tmp_path / "lib"
    )
    assert "there is no GPU 2: the driver shows 2, from number 0. Choose another --device-id" in refused(process)


@pytest.fixture(scope="module")
def cpu_wheel(tmp_path_factory):
    """An environment that has the CPU wheel of ONNX Runtime, and everything else from here."""
    folder = tmp_path_factory.mktemp("cpu") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        f"onnxruntime=={VERSION}",
    ]
    installed = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if installed.returncode != 0:
        pytest.skip(
            f"pip cannot install onnxruntime here: {(installed.stderr.strip().splitlines() or ['no message'])[-1]}"
        )
    here = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True,
        text=True,
        check=True,
    )
    site = Path(here.stdout.strip())
    (site / "rest.pth").write_text(f"{SITE}\n")
    return python, site


def test_the_cpu_wheel_is_named_with_the_command_that_replaces_it(cpu_wheel):
    python, _ = cpu_wheel
    message = refused(infer("cuda", python=python))
    assert f"the installed onnxruntime {VERSION} is built without it (it has " in message
    assert "pip uninstall -y onnxruntime && pip install" in message
    assert infer("auto", python=python).stdout == infer("cpu").stdout


def test_a_provider_that_would_leave_the_products_to_the_cpu_is_refused(cpu_wheel):
    """Azure's provider is in the CPU wheel, starts everywhere and takes no node at all: ONNX Runtime would run it on the CPU."""
    python, _ = cpu_wheel
    probe = subprocess.run(
        [python, "-c", "import onnxruntime; print(onnxruntime.get_available_providers())"], capture_output=True
    )
    if b"Azure" not in probe.stdout:
        pytest.skip("this CPU wheel has no provider that takes nothing")
    assert "provider azure takes none of the matrix products" in refused(infer("azure", python=python))


def test_two_wheels_over_each_other_are_named(cpu_wheel):
    python, site = cpu_wheel
    # What pip leaves when the GPU wheel was installed first: its own record of the files that the CPU wheel then overwrote.
    record = site / f"onnxruntime_gpu-{VERSION}.dist-info"
    shutil.copytree(site / f"onnxruntime-{VERSION}.dist-info", record)
    text = (record / "METADATA").read_text()
    (record / "METADATA").write_text(text.replace("Name: onnxruntime\n", "Name: onnxruntime-gpu\n"))
    try:
        message = refused(infer("cuda", python=python))
        doctor = run("doctor", python=python)
    finally:
        shutil.rmtree(record)
    assert "onnxruntime and onnxruntime-gpu are both installed and overwrite each other" in message
    assert "pip uninstall -y onnxruntime onnxruntime-gpu && pip install" in message
    assert doctor.returncode == 1
    assert "2 wheels of ONNX Runtime are installed over each other" in doctor.stdout


@pytest.mark.parametrize(
    ("shell", "cause"),
    [
        (
            "raise ModuleNotFoundError(\"No module named 'onnxruntime'\", name='onnxruntime')",
            "ONNX Runtime is not installed. Install it",
        ),
        (
            "raise ImportError('libfoo.so: cannot open')",
            "ONNX Runtime does not load (libfoo.so: cannot open). Install it",
        ),
        ("", "ONNX Runtime is damaged: one of two wheels was uninstalled. Mend it"),
    ],
    ids=["absent", "does not load", "emptied"],
)
def test_a_missing_or_damaged_runtime_is_one_sentence(shell, cause, tmp_path):
    (tmp_path / "onnxruntime.py").write_text(shell)
    path = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    process = infer("auto", **path)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith(f"error: {cause}")
    assert len(process.stderr.splitlines()) == 1
    doctor = run("doctor", **path)
    assert doctor.returncode == 1
    assert "cannot be imported" in doctor.stdout
    assert cause.split(". ")[0] in doctor.stdout
