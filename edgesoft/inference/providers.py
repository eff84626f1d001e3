"""Opens an ONNX Runtime session on the execution provider that was asked for, or says why it cannot.

ONNX Runtime by itself falls back to the CPU, and what it says about that goes to stderr as C++ log lines or to stdout as a
banner. Here the provider is probed first, created without fallback, and checked afterwards.
"""

from __future__ import annotations

import base64
import contextlib
import io
import re
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgesoft.errors import EdgesoftError, ProviderUnavailableError, UsageError
from edgesoft.inference.cuda import Obstacle, driver_obstacle, find_driver, library_obstacle, pip_cuda
from edgesoft.inference.runtime import VERSION, installed_wheels, onnxruntime
from edgesoft.settings import brief

ProviderName = str
"""ONNX Runtime's name without its ending, in lower case: "cpu", "cuda", "tensorrt", "openvino", "coreml" ..."""

_ENDING = "ExecutionProvider"
_ALIASES = {"directml": "dml", "trt": "tensorrt"}
WITH_DEVICES = ("cuda", "tensorrt", "nvtensorrtrtx", "dml", "migraphx", "cann")
"""The providers that can be told which of several devices to take."""
WITHOUT_INT8 = ("cuda",)
"""The providers that have no INT8 matrix product: they run an INT8 file as float with conversions around it."""

# The wheel that holds a provider, where it is not the one that edgesoft installs.
_WHEELS = {
    "openvino": "onnxruntime-openvino",
    "dml": "onnxruntime-directml",
    "qnn": "onnxruntime-qnn",
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu",
}

_UPDATE = "Update the driver and the libraries of this provider, or take another: --provider cpu"

# A Gemm and an ArgMax, the two operators that need CUDA's and cuDNN's libraries: x [1, 2] times [[1, 2], [3, 4]].
# tests/inference/test_providers.py builds the same bytes with onnx.
_TINY = base64.b64decode(
    "CAgSADq0AQoUCgF4CgF3EgZsb2dpdHMiBEdlbW0KNQoGbG9naXRzEgVsYWJlbCIGQXJnTWF4KgsKBGF4aXMYAaABAioPCghrZWVwZGltcxgA"
    "oAECEgR0aW55KhsIAggCEAFCAXdKEAAAgD8AAABAAABAQAAAgEBaEwoBeBIOCgwIARIICgIIAQoCCAJiGAoGbG9naXRzEg4KDAgBEggKAggB"
    "CgIIAmITCgVsYWJlbBIKCggIBxIECgIIAUIECgAQDQ=="
)


@dataclass(frozen=True)
class Choice:
    """The provider that will run, and why it was taken."""

    provider: ProviderName
    reason: str
    device_id: int = 0
    """Which of several GPUs; 0 is the first."""
    tf32: bool = False
    """Whether CUDA may round the inputs of a product to 10 bits."""


CPU = Choice("cpu", "asked for")


def known_providers() -> dict[ProviderName, str]:
    """Short name -> full name of every provider that this version of ONNX Runtime has heard of, cpu first."""
    names = {_short(name): name for name in onnxruntime.get_all_providers()}
    return {"cpu": names.pop("cpu"), **names}


def compiled_providers() -> tuple[ProviderName, ...]:
    """The providers that were compiled into the installed ONNX Runtime, in its order of preference."""
    return tuple(_short(name) for name in onnxruntime.get_available_providers())


def resolve(asked: str) -> ProviderName:
    """The short name that is meant by a short or full one in any case; "auto" stays "auto".

    Raises
    ------
    UsageError
        This ONNX Runtime knows no such provider; the message suggests the nearest.
    """
    if not isinstance(asked, str):
        raise UsageError(f"provider {brief(asked)}: expected a name, such as cpu, cuda or auto")
    name = _short(asked.strip())
    name = _ALIASES.get(name, name)
    names = ("auto", *known_providers())
    if name in names:
        return name
    from difflib import get_close_matches

    nearest = get_close_matches(name, (*names, *_ALIASES), 1)
    hint = f"Did you mean {nearest[0]}?" if nearest else f"Expected one of {', '.join(names)}"
    raise UsageError(f"unknown provider {asked!r}. {hint}")


def choose(asked: str, *, device_id: int | None = None, tf32: bool = False) -> Choice:
    """Turn what the user asked for into a provider that can run here.

    Parameters
    ----------
    asked
        A provider's name, short or full; or "auto": CUDA when it can run here, else the CPU.
    device_id
        Which of several GPUs; None is the first.
    tf32
        Let CUDA compute with TF32: faster on large batches, logits differ by about 1e-3.

    Raises
    ------
    UsageError
        There is no such provider, or it takes no such option.
    ProviderUnavailableError
        The provider was asked for and cannot run here; the message names the cause and the cure.
    """
    provider = resolve(asked)
    if device_id is not None and provider not in (*WITH_DEVICES, "auto"):
        raise UsageError(f"--device-id {device_id}: provider {provider} has no devices to choose from. Leave it out")
    if tf32 and provider not in ("cuda", "auto"):
        raise UsageError(f"--tf32: only provider cuda has TF32, not {provider}. Leave it out")
    if provider == "auto":
        found = obstacle("cuda", device_id or 0) or trial("cuda", device_id or 0)
        if found is not None:
            return Choice("cpu", f"no CUDA: {found.cause}")
        return Choice("cuda", "CUDA can run here", device_id or 0, tf32)
    found = obstacle(provider, device_id or 0)
    if found is not None:
        raise ProviderUnavailableError(
            f"provider {provider} cannot run here: {found}. Or run on the CPU: --provider cpu"
        )
    return Choice(provider, "asked for", device_id or 0, tf32)


def obstacle(provider: ProviderName, device_id: int = 0) -> Obstacle | None:
    """Why a provider cannot run here, with the cure; None when nothing is known to stand in the way."""
    if provider not in compiled_providers():
        return _not_compiled(provider)
    if provider in ("cuda", "tensorrt"):
        return driver_obstacle(find_driver(), device_id) or library_obstacle(provider)
    return None


def int8_warning(precision: str, provider: ProviderName) -> str | None:
    """What to say when a file of this precision was forced onto a provider that computes it more slowly than float."""
    if precision == "int8" and provider in WITHOUT_INT8:
        return (
            f"provider {provider} has no INT8 matrix product and runs this file slower than the float one. "
            "Give the float file, or --provider cpu"
        )
    return None


def _not_compiled(provider: ProviderName) -> Obstacle:
    """The installed build is another one, or two builds lie on top of each other."""
    wheels = installed_wheels()
    wheel = _WHEELS.get(provider)
    command = pip_cuda() if wheel == "onnxruntime-gpu" else f"pip install {wheel}"
    if len(wheels) > 1 and wheel in wheels:
        return Obstacle(
            f"{' and '.join(sorted(wheels))} are both installed and overwrite each other; what is left has no {provider}",
            f"Keep one: pip uninstall -y {' '.join(sorted(wheels))} && {command}",
        )
    which = " and ".join(f"{name} {version}" for name, version in sorted(wheels.items()))
    cause = (
        f"the installed {which or f'ONNX Runtime {VERSION}'} is built without it "
        f"(it has {', '.join(compiled_providers())})"
    )
    if provider == "coreml" and sys.platform != "darwin":
        return Obstacle(cause, "CoreML exists on macOS only")
    if wheel is None:
        return Obstacle(cause, "Install a build that has it: https://onnxruntime.ai/docs/execution-providers/")
    return Obstacle(cause, f"Replace it: pip uninstall -y {' '.join(sorted(wheels)) or 'onnxruntime'} && {command}")


def open_session(
    content: bytes,
    provider: ProviderName,
    *,
    threads: int,
    origin: object,
    device_id: int = 0,
    tf32: bool = False,
) -> onnxruntime.InferenceSession:
    """Create a session on exactly `provider`.

    Parameters
    ----------
    content
        The bytes of an ONNX model. Bytes, not a path: ONNX Runtime then opens no other file.
    provider
        A short name, as `choose` gives it.
    threads
        Threads within one operator, on the CPU.
    origin
        Where the model came from, for the messages.
    device_id
        Which of several GPUs.
    tf32
        Let CUDA round the inputs of a product to 10 bits, which PyTorch does not do: differences of 1e-3 in the logits.

    Raises
    ------
    ProviderUnavailableError
        ONNX Runtime could not run the model on that provider, or would have run its products on another.
    EdgesoftError
        ONNX Runtime cannot read the model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    names = known_providers()
    providers: list[Any] = [names["cpu"]]
    if provider != "cpu":
        providers.insert(0, (names[provider], _provider_options(provider, device_id, tf32=tf32)))
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            session = onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime has one exception class a status code, without a common base of its own
        if provider != "cpu":
            raise ProviderUnavailableError(
                f"provider {provider} cannot run {origin}: {one_line(error)}. See what is wrong: edgesoft doctor"
            ) from error
        raise EdgesoftError(f"{origin}: ONNX Runtime {VERSION} cannot load it ({one_line(error)})") from error
    _hold_to(provider, session, origin)
    return session


def _provider_options(provider: ProviderName, device_id: int, *, tf32: bool) -> dict[str, str]:
    options = {"device_id": str(device_id)} if provider in WITH_DEVICES else {}
    if provider == "cuda":
        options["use_tf32"] = str(int(tf32))
    return options


def _hold_to(provider: ProviderName, session: onnxruntime.InferenceSession, origin: object) -> None:
    """Asked for means used: the session must have the provider, and the provider must have the products."""
    full = known_providers()[provider]
    if session.get_providers()[0] != full:
        raise ProviderUnavailableError(
            f"provider {provider} did not start: ONNX Runtime took {_short(session.get_providers()[0])} instead. "
            "See what is wrong: edgesoft doctor"
        )
    if provider == "cpu" or not hasattr(session, "get_provider_graph_assignment_info"):
        return
    products = [
        part.ep_name
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
        if node.op_type == "Gemm"
    ]
    if products and full not in products:
        raise ProviderUnavailableError(
            f"provider {provider} takes none of the matrix products of {origin}; ONNX Runtime would run them on "
            f"{_short(products[0])}. Choose that: --provider {_short(products[0])}"
        )


def trial(provider: ProviderName, device_id: int = 0) -> Obstacle | None:
    """Run a tiny model on a provider; what goes wrong, or None when it ran and answered rightly.

    This finds what `obstacle` cannot: a driver that refuses, a GPU that is too old for the kernels, a provider that takes nothing.
    """
    try:
        session = open_session(_TINY, provider, threads=1, origin="a tiny test model", device_id=device_id)
        logits, label = session.run(None, {"x": np.ones((1, 2), np.float32)})
    except EdgesoftError as error:
        return Obstacle(str(error).partition(". ")[0], _UPDATE)
    except Exception as error:  # as in open_session
        return Obstacle(f"provider {provider} fails while it runs: {one_line(error)}", _UPDATE)
    if np.allclose(logits, [[4, 6]], rtol=1e-3) and label.tolist() == [1]:
        return None
    return Obstacle(f"provider {provider} computes {logits.tolist()} where 4 and 6 are right", _UPDATE)


def one_line(error: Exception) -> str:
    """What ONNX Runtime's message says, without the C++ functions, source paths and host name around it."""
    text = " ".join(str(error).split())
    if (failure := re.search(r"(?:CUDA|CUDNN|CUBLAS)\w* failure \d+: [^;]*[^; ]", text)) is not None:
        return failure.group()
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"^/\S+:\d+ .*?\) (?=[A-Z])", "", text)
    return text if len(text) <= 300 else f"{text[:297]}..."


def _short(name: str) -> ProviderName:
    return name.lower().removesuffix(_ENDING.lower())
