"""Where PyTorch computes: threads of the CPU, memory of a GPU, and the folder of its compiler."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray

from edgesoft.errors import ProviderUnavailableError
from edgesoft.inference.cpu import features, usable_cores
from edgesoft.model.heads import Softmax
from edgesoft.model.inputs import InputKind
from edgesoft.training.settings import TrainSettings

WORK_OF_A_THREAD = 10_000_000
"""Products of the forward pass of a step that are worth a thread of their own."""


@contextmanager
def compiler_folder() -> Iterator[None]:
    """While it is open, PyTorch's compiler keeps its files in a folder that goes with it, unless the user has named one.

    Its own choice stays behind, has a name that everybody can foretell, and what lies there is run. An optimizer is enough to make it.
    """
    if os.environ.get("TORCHINDUCTOR_CACHE_DIR"):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="edgesoft-", ignore_cleanup_errors=True) as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)


def require_device(name: str) -> None:
    """Refuse "cuda" where PyTorch has no GPU.

    Raises
    ------
    ProviderUnavailableError
        PyTorch cannot use a GPU here.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ProviderUnavailableError(
            f"device cuda: PyTorch {torch.__version__} finds no GPU that it can use. "
            "Check nvidia-smi and that this is PyTorch's CUDA build, or train on the CPU: --device cpu"
        )


def resident(inputs: NDArray[Any], device: torch.device) -> torch.Tensor:
    """The inputs as a tensor on `device`; or in main memory, from where batches follow, when a GPU has no room for them."""
    tensor = torch.from_numpy(inputs)
    if device.type == "cuda" and tensor.nbytes > torch.cuda.mem_get_info(device)[0] // 2:
        return tensor
    return tensor.to(device)


@contextmanager
def cpu_threads(threads: int) -> Iterator[None]:
    """Let PyTorch use this many threads; what was set before comes back."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_for(batch_size: int, multiplications: int) -> int:
    """How many threads a step keeps busy, at most one a core: a small one is over before a second thread has woken up.

    By the size of the work alone, so that the same training on the same machine gives the same bits, however busy it is.
    """
    return max(1, min(usable_cores(), batch_size * multiplications // WORK_OF_A_THREAD))


def takes_outliers(config: TrainSettings, kind: InputKind) -> bool:
    """Whether outliers can be drawn for these data, and the head can learn from them."""
    return kind.has_outliers and config.head == Softmax.kind


def resolve(config: TrainSettings, kind: InputKind, multiplications: int) -> TrainSettings:
    """The settings with the choices of this machine and these data written out: threads, arithmetic, whether there are outliers."""
    # With these instructions, training takes half the time in bfloat16 and ends equally well; without them, it takes longer.
    native = config.device == "cpu" and not features().isdisjoint(("avx512_bf16", "amx_bf16"))
    precision = ("bfloat16" if native else "float32") if config.precision == "auto" else config.precision
    return replace(
        config,
        precision=precision,
        threads=config.threads or threads_for(config.batch_size, multiplications),
        outliers=config.outliers if takes_outliers(config, kind) else 0.0,
    )
