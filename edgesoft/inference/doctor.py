"""Looks a machine over: what is installed, which providers really run, and the command that mends each that does not."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from edgesoft.errors import EdgesoftError
from edgesoft.inference.cpu import cpuinfo, features, usable_cores
from edgesoft.version import __version__

if TYPE_CHECKING:
    from edgesoft.inference.cuda import Driver

# What INT8 and float products use. Linux and macOS each have their own words for it.
_X86 = {
    "AVX2": ("avx2",),
    "AVX-512": ("avx512f",),
    "VNNI": ("avx512_vnni", "avx_vnni", "avx512vnni"),
    "AMX": ("amx_int8",),
}
_ARM = {"dot product": ("asimddp", "feat_dotprod"), "INT8 matrices": ("i8mm", "feat_i8mm"), "SVE": ("sve",)}


@dataclass(frozen=True)
class ProviderState:
    """One provider that is compiled into the installed ONNX Runtime."""

    provider: str
    runs: bool
    """Whether a tiny model ran on it and answered rightly, just now."""
    cause: str | None
    """Why it does not run."""
    cure: str | None
    """What mends that."""


@dataclass(frozen=True)
class Runtime:
    """The installed ONNX Runtime."""

    version: str
    wheels: Mapping[str, str]
    """Every wheel that installed into its folder, with its version; more than one is a conflict."""
    cuda_major: int | None
    """The CUDA that it was built for; None for a build without CUDA."""
    missing_libraries: tuple[str, ...]
    """Libraries of that CUDA, and of cuDNN, that cannot be loaded here."""
    cudnn: str | None
    """Version of the cuDNN that can be loaded."""
    sends_events: bool
    """Whether it may tell its makers about its use: only when the user has set ORT_DISABLE_TELEMETRY so."""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with the installation, whatever provider is wanted."""

    cause: str
    cure: str


@dataclass(frozen=True)
class Diagnosis:
    """Everything that decides where and how fast a model runs here."""

    edgesoft: str
    python: str
    platform: str
    processor: str
    cores: int
    """Cores that this process may use."""
    cpu_features: Mapping[str, bool] | None
    """Instructions that matter for the products; None where the system does not tell."""
    packages: Mapping[str, str | None]
    """Versions of what edgesoft builds on; None for what is not installed. Nothing is imported to find out."""
    runtime: Runtime | None
    """None when ONNX Runtime cannot be imported."""
    providers: tuple[ProviderState, ...]
    driver: Driver | None
    """NVIDIA's driver; None when there is none."""
    driver_version: str | None
    problems: tuple[Problem, ...]

    @property
    def healthy(self) -> bool:
        """Whether models run here at all, and nothing is installed over something else."""
        return not self.problems


def diagnose() -> Diagnosis:
    """Look this machine over. Takes about as long as opening a small model on each provider."""
    runtime, driver, cores = None, None, os.cpu_count() or 1
    providers: tuple[ProviderState, ...] = ()
    problems: list[Problem] = []
    try:
        from edgesoft.inference.cuda import find_driver
        from edgesoft.inference.providers import compiled_providers
    except EdgesoftError as error:  # ONNX Runtime is missing or damaged
        cause, _, cure = str(error).partition(". ")
        problems.append(Problem(cause, cure))
    else:
        cores, driver, runtime = usable_cores(), find_driver(), _runtime()
        providers = tuple(_state(provider) for provider in compiled_providers())
        problems = _problems(runtime, providers)
    return Diagnosis(
        edgesoft=__version__,
        python=f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})",
        platform=platform.platform(),
        processor=processor(),
        cores=cores,
        cpu_features=_cpu_features(),
        packages={name: _version(name) for name in ("numpy", "pillow", "typer", "torch", "onnx")},
        runtime=runtime,
        providers=providers,
        driver=driver,
        driver_version=_driver_version(),
        problems=tuple(problems),
    )


def _runtime() -> Runtime:
    from edgesoft.inference.cuda import cudnn_version, missing_libraries
    from edgesoft.inference.runtime import SENDS_EVENTS, VERSION, built_for, installed_wheels

    major = built_for()
    return Runtime(
        version=VERSION,
        wheels=installed_wheels(),
        cuda_major=major,
        missing_libraries=() if major is None else missing_libraries(),
        cudnn=None if major is None else cudnn_version(),
        sends_events=SENDS_EVENTS,
    )


def _state(provider: str) -> ProviderState:
    from edgesoft.inference.providers import obstacle, trial

    found = obstacle(provider) or trial(provider)
    if found is None:
        return ProviderState(provider, runs=True, cause=None, cure=None)
    return ProviderState(provider, runs=False, cause=found.cause, cure=found.cure)


def _problems(runtime: Runtime, providers: tuple[ProviderState, ...]) -> list[Problem]:
    problems = []
    if len(runtime.wheels) > 1:
        names = " ".join(sorted(runtime.wheels))
        keep = "onnxruntime-gpu" if "onnxruntime-gpu" in runtime.wheels else min(runtime.wheels)
        problems.append(
            Problem(
                f"{len(runtime.wheels)} wheels of ONNX Runtime are installed over each other ({names.replace(' ', ', ')})",
                f"Keep one: pip uninstall -y {names} && pip install {keep}",
            )
        )
    problems += [
        Problem(f"the CPU provider does not run: {state.cause}", "Install ONNX Runtime again")
        for state in providers
        if state.provider == "cpu" and not state.runs
    ]
    return problems


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _driver_version() -> str | None:
    """The driver's own number, "580.65.06", from the kernel module; only Linux tells it without NVIDIA's tools."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return None
    found = re.search(r"Kernel Module\D*([\d.]+)", text)
    return found.group(1) if found else None


def _cpu_words() -> set[str]:
    """The instruction sets of this processor in the system's own words, lower case; empty where it does not tell."""
    if sys.platform == "linux":
        return {word.lower() for word in features()}
    if sys.platform == "darwin":
        listing = subprocess.run(
            ["/usr/sbin/sysctl", "hw.optional", "machdep.cpu"], capture_output=True, text=True
        ).stdout
        set_bits = {line.split(":")[0].rsplit(".", 1)[-1] for line in listing.splitlines() if line.endswith(": 1")}
        return {word.lower() for word in (*set_bits, *listing.split())}
    return set()


def _cpu_features() -> Mapping[str, bool] | None:
    words = _cpu_words()
    known = _ARM if platform.machine().lower() in ("aarch64", "arm64", "armv7l") else _X86
    return {name: any(word in words for word in spellings) for name, spellings in known.items()} if words else None


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo(), re.MULTILINE)
    return found.group(1) if found else platform.processor() or platform.machine()
