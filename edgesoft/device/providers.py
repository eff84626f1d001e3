"""Opens an ONNX Runtime session on the execution provider that was asked for, or says why it cannot.

ONNX Runtime by itself falls back to the CPU, and what it says about that goes to stderr as C++ log lines or to stdout as a
banner. Here the provider is probed first, created without fallback, and checked afterwards.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnxruntime

from edgesoft.errors import EdgesoftError, ProviderUnavailableError, UsageError

ProviderName = Literal["cpu", "cuda"]
CHOICES = ("auto", "cpu", "cuda")

_FULL_NAMES: dict[ProviderName, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_PIP_CUDA = 'pip install "onnxruntime-gpu[cuda,cudnn]"'

# ONNX Runtime logs a failed provider as coloured lines on stderr; the same cause leaves here as one message.
onnxruntime.set_default_logger_severity(4)


@dataclass(frozen=True)
class Choice:
    """The provider that will run, and why it was taken."""

    provider: ProviderName
    reason: str


def choose(asked: str) -> Choice:
    """Turn what the user asked for into a provider that can run here.

    Parameters
    ----------
    asked
        "cpu", "cuda", or "auto": CUDA when it can run here, else the CPU.

    Raises
    ------
    UsageError
        There is no such choice.
    ProviderUnavailableError
        CUDA was asked for and cannot run here; the message names the cause and the cure.
    """
    match asked.lower():
        case "cpu":
            return Choice("cpu", "asked for")
        case "cuda":
            obstacle = cuda_obstacle()
            if obstacle is not None:
                raise ProviderUnavailableError(
                    f"provider cuda cannot run here: {obstacle}. Or run on the CPU: --provider cpu"
                )
            return Choice("cuda", "asked for")
        case "auto":
            obstacle = cuda_obstacle()
            return (
                Choice("cuda", "CUDA can run here")
                if obstacle is None
                else Choice("cpu", f"no CUDA: {obstacle.split('.')[0]}")
            )
        case _:
            raise UsageError(f"unknown provider {asked!r}: expected {', '.join(CHOICES)}")


def cuda_obstacle() -> str | None:
    """Why CUDA cannot run here, with the cure; None when nothing is known to stand in the way.

    ONNX Runtime's own `get_available_providers()` only tells what was compiled in, so each link of the chain is tried: the
    build, the driver, a device, the libraries.
    """
    if _FULL_NAMES["cuda"] not in onnxruntime.get_available_providers():
        return (
            f"the installed ONNX Runtime {onnxruntime.__version__} is a CPU build. "
            f"Replace it: pip uninstall onnxruntime && {_PIP_CUDA}"
        )
    driver_name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(driver_name)
    except OSError:
        return f"there is no NVIDIA driver ({driver_name} cannot be loaded). Install the driver on a machine with an NVIDIA GPU"
    status = driver.cuInit(0)
    if status != 0:
        cause = "the NVIDIA driver finds no GPU" if status == 100 else "the NVIDIA driver does not start"
        return f"{cause} (cuInit gives {status}). Check nvidia-smi, and that this container may see the GPU"
    return _missing_library()


def _missing_library() -> str | None:
    # preload_dlls loads the CUDA and cuDNN libraries that pip installed; it reports failures on stdout and never raises.
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
    suffix = ".dll" if sys.platform == "win32" else ".so"
    stem = "onnxruntime_providers_" if sys.platform == "win32" else "libonnxruntime_providers_"
    folder = Path(onnxruntime.__file__).parent / "capi"
    try:
        ctypes.CDLL(str(folder / f"{stem}shared{suffix}"), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / f"{stem}cuda{suffix}"))
    except OSError as error:
        return f"a library that CUDA needs is missing ({error}). Install the libraries: {_PIP_CUDA}"
    return None


def open_session(
    content: bytes, provider: ProviderName, *, threads: int, origin: object
) -> onnxruntime.InferenceSession:
    """Create a session on exactly `provider`.

    Parameters
    ----------
    content
        The bytes of an ONNX model. Bytes, not a path: ONNX Runtime then opens no other file.
    provider
        "cpu" or "cuda".
    threads
        Threads within one operator, on the CPU.
    origin
        Where the model came from, for the messages.

    Raises
    ------
    ProviderUnavailableError
        ONNX Runtime could not run the model on that provider.
    EdgesoftError
        ONNX Runtime cannot read the model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    providers: list[Any] = [_FULL_NAMES["cpu"]]
    if provider == "cuda":
        # TF32 rounds the inputs of a product to 10 bits, which PyTorch does not do: differences of 1e-3 in the logits.
        providers.insert(0, (_FULL_NAMES["cuda"], {"use_tf32": "0"}))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            session = onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime has one exception class a status code, without a common base of its own
        cause = " ".join(str(error).split())
        if provider != "cpu":
            raise ProviderUnavailableError(f"provider {provider} cannot run {origin}: {cause}") from error
        raise EdgesoftError(f"{origin}: ONNX Runtime {onnxruntime.__version__} cannot load it ({cause})") from error
    if session.get_providers()[0] != _FULL_NAMES[provider]:
        raise ProviderUnavailableError(
            f"provider {provider} did not start: ONNX Runtime took {session.get_providers()[0]} instead. {_PIP_CUDA}"
        )
    return session
