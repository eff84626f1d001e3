"""What stands between ONNX Runtime's CUDA provider and this machine: the driver, a GPU, the libraries.

ONNX Runtime's own `get_available_providers()` tells only what was compiled in, and a session that cannot have CUDA starts on
the CPU without an exception. So each link of the chain is tried here, cheapest first.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import re
import sys
from dataclasses import dataclass

from edgesoft.inference.runtime import FOLDER, VERSION, built_for, onnxruntime

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_SUFFIX = ".dll" if sys.platform == "win32" else ".so"
_STEM = "onnxruntime_providers_" if sys.platform == "win32" else "libonnxruntime_providers_"

# What cuInit returns: CUresult of cuda.h.
_NO_DEVICE = 100
_STUB_LIBRARY = 34
_MISMATCHES = (803, 804)


@dataclass(frozen=True)
class Obstacle:
    """Why a provider cannot run here, and what mends that."""

    cause: str
    cure: str
    """A sentence or a command, without a full stop."""

    def __str__(self) -> str:
        return f"{self.cause}. {self.cure}"


@dataclass(frozen=True)
class Driver:
    """NVIDIA's driver, as far as it answers."""

    status: int
    """What cuInit returned; 0 is success."""
    cuda: tuple[int, int] | None
    """The newest CUDA version that it can run, (major, minor)."""
    devices: tuple[str, ...]
    """The names of the GPUs that it shows to this process."""


def pip_cuda() -> str:
    """The command that installs CUDA's libraries for the installed version of ONNX Runtime."""
    return f'pip install "onnxruntime-gpu[cuda,cudnn]=={VERSION}"'


def find_driver() -> Driver | None:
    """Ask the driver; None when there is none."""
    try:
        library = ctypes.CDLL(DRIVER)
    except OSError:
        return None
    status = int(library.cuInit(0))
    version, count, names = ctypes.c_int(), ctypes.c_int(), []
    known = library.cuDriverGetVersion(ctypes.byref(version)) == 0  # answers even where cuInit fails
    if status == 0 and library.cuDeviceGetCount(ctypes.byref(count)) == 0:
        name = ctypes.create_string_buffer(128)
        for device in range(count.value):
            library.cuDeviceGetName(name, len(name), device)
            names.append(name.value.decode(errors="replace"))
    cuda = divmod(version.value, 1000)
    return Driver(status, (cuda[0], cuda[1] // 10) if known else None, tuple(names))


def driver_obstacle(driver: Driver | None, device_id: int) -> Obstacle | None:
    """What is wrong with the driver or the GPU; None when both are well."""
    if driver is None:
        return Obstacle(
            f"there is no NVIDIA driver ({DRIVER} cannot be loaded)",
            "Install NVIDIA's driver on a machine with an NVIDIA GPU; in a container, start it with the GPU: docker run --gpus all",
        )
    if driver.status == _NO_DEVICE:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        if hidden is not None:
            return Obstacle(
                f"the NVIDIA driver shows no GPU (cuInit gives {_NO_DEVICE}), and CUDA_VISIBLE_DEVICES is {hidden!r}",
                "Unset CUDA_VISIBLE_DEVICES, or name a GPU of nvidia-smi --list-gpus in it",
            )
        return Obstacle(
            f"the NVIDIA driver finds no GPU (cuInit gives {_NO_DEVICE})",
            "Check nvidia-smi; in a container, start it with the GPU: docker run --gpus all",
        )
    if driver.status == _STUB_LIBRARY:
        return Obstacle(
            f"the {DRIVER} that is found first is the CUDA toolkit's stub, not a driver",
            "Take the folder 'stubs' out of LD_LIBRARY_PATH",
        )
    if driver.status in _MISMATCHES:
        return Obstacle(
            f"the NVIDIA driver's library and kernel module do not match (cuInit gives {driver.status})",
            "Restart the machine after the driver's update; in a container, give it the host's driver",
        )
    if driver.status != 0:
        return Obstacle(f"the NVIDIA driver does not start (cuInit gives {driver.status})", "Check nvidia-smi")
    if device_id >= len(driver.devices):
        one = len(driver.devices) == 1
        return Obstacle(
            f"there is no GPU {device_id}: the driver shows {'one, number 0' if one else f'{len(driver.devices)}, from number 0'}",
            "Choose another --device-id",
        )
    wanted = built_for()
    if wanted is not None and driver.cuda is not None and driver.cuda[0] < wanted:
        return Obstacle(
            f"wrong CUDA: ONNX Runtime {VERSION} is built for CUDA {wanted}, "
            f"but the driver runs CUDA {driver.cuda[0]}.{driver.cuda[1]} at most",
            "Update NVIDIA's driver, or install an ONNX Runtime built for the older CUDA",
        )
    return None


def library_names() -> tuple[str, ...]:
    """CUDA's and cuDNN's libraries that ONNX Runtime needs on this platform, cuBLAS first."""
    major = built_for() or 13
    if sys.platform == "win32":
        return (f"cublasLt64_{major}.dll", f"cublas64_{major}.dll", f"cudart64_{major}.dll", "cudnn64_9.dll")
    names = ("libcublasLt", "libcublas", "libcudart")
    return (*(f"{name}.so.{major}" for name in names), "libcurand.so.10", "libcudnn.so.9")


def missing_libraries() -> tuple[str, ...]:
    """Those of `library_names` that cannot be loaded, after pip's own folders were searched."""
    # preload_dlls loads what pip installed beside ONNX Runtime. It reports failures on stdout and never raises.
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
    return tuple(name for name in library_names() if not _loads(name))


def cudnn_version() -> str | None:
    """Version of the cuDNN that can be loaded, "9.28.1"; None when there is none."""
    name = library_names()[-1]
    if not _loads(name):
        return None
    number = int(ctypes.CDLL(name).cudnnGetVersion())
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def library_obstacle(provider: str) -> Obstacle | None:
    """What keeps ONNX Runtime's own library for `provider` ("cuda" or "tensorrt") from loading; None when it loads."""
    missing = missing_libraries()
    folder = FOLDER / "capi"
    try:
        ctypes.CDLL(str(folder / f"{_STEM}shared{_SUFFIX}"), mode=getattr(ctypes, "RTLD_GLOBAL", 0))
        ctypes.CDLL(str(folder / f"{_STEM}{provider}{_SUFFIX}"))
    except OSError as error:
        return _library_obstacle(missing, str(error))
    if any("cudnn" in name for name in missing):
        # The provider loads without cuDNN and then fails in the first operator that needs it (ArgMax).
        return Obstacle(f"cuDNN is missing ({', '.join(missing)})", f"Install it: {pip_cuda()}")
    return None


def _library_obstacle(missing: tuple[str, ...], error: str) -> Obstacle:
    if "nvinfer" in error or "nvonnxparser" in error:
        return Obstacle(
            f"TensorRT's library is missing ({_named(error)})",
            "Install TensorRT 10 and put its folder into LD_LIBRARY_PATH, or take --provider cuda",
        )
    if not missing:
        # What fails is the provider itself: an older driver lacks a function that it needs, for example.
        return Obstacle(f"ONNX Runtime's CUDA provider does not load ({error})", "Update NVIDIA's driver")
    wanted, other = built_for(), _other_major()
    if other is not None and missing[0] == library_names()[0]:
        return Obstacle(
            f"wrong CUDA: ONNX Runtime {VERSION} is built for CUDA {wanted}, "
            f"but the libraries here are of CUDA {other} ({missing[0]} is missing)",
            f"Install those of CUDA {wanted}: {pip_cuda()}",
        )
    which = "a library" if len(missing) == 1 else "libraries"
    return Obstacle(f"{which} of CUDA {wanted} cannot be loaded: {', '.join(missing)}", f"Install: {pip_cuda()}")


def _other_major() -> int | None:
    """A CUDA major version whose cuBLAS is here although another was asked for."""
    wanted = built_for()
    site = FOLDER.parent / "nvidia"
    for major in range(15, 10, -1):
        name = f"cublasLt64_{major}.dll" if sys.platform == "win32" else f"libcublasLt.so.{major}"
        if major != wanted and (_loads(name) or any(site.glob(f"*/*/{name}"))):
            return major
    return None


def _named(error: str) -> str:
    """The library that a loader's message is about: "libnvinfer.so.10: cannot open shared object file: ..."."""
    found = re.match(r"[^\s:]+\.(?:so|dll)[.\d]*", error)
    return found.group() if found else error


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
