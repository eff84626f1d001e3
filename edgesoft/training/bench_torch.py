"""PyTorch as a candidate of `edgesoft bench`: the checkpoint that a model came from, eager and compiled."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.inference.bench import Call, Candidate
from edgesoft.inference.memory import own_peak, peak_of
from edgesoft.model.heads import Sigmoid
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.network import SoftmaxNetwork


def torch_candidates(
    path: Path, inputs: NDArray[Any], *, threads: Sequence[int], device: str = "cpu"
) -> list[Candidate]:
    """The checkpoint in eager mode, once for each number of threads (on the CPU).

    Every call does what a model file does: from raw pixels to logits, probabilities and labels in numpy.

    Raises
    ------
    EdgesoftError
        The checkpoint cannot be read, or takes other inputs.
    """
    checkpoint = _load(path, inputs)
    return [_candidate(checkpoint, path, inputs, count, device, compiled=False) for count in threads]


def compiled_candidates(
    path: Path, inputs: NDArray[Any], *, threads: Sequence[int], device: str = "cpu"
) -> list[Candidate]:
    """The same through `torch.compile`; it is tried first.

    Raises
    ------
    EdgesoftError
        It does not work here (it needs a C++ compiler, for example).
    """
    checkpoint = _load(path, inputs)
    candidates = [_candidate(checkpoint, path, inputs, count, device, compiled=True) for count in threads]
    try:
        candidates[0].open()(inputs[:1])
    except Exception as error:  # the compiler behind it may fail in any way
        raise EdgesoftError(f"torch.compile does not work here ({' '.join(str(error).split())[:200]})") from error
    return candidates


def _load(path: Path, inputs: NDArray[Any]) -> Checkpoint:
    checkpoint = Checkpoint.load(path)
    if checkpoint.card.input.shape != inputs.shape[1:]:
        raise EdgesoftError(
            f"{path}: takes inputs of shape {list(checkpoint.card.input.shape)}, the models {list(inputs.shape[1:])}. "
            "Compare with the checkpoint that they were exported from"
        )
    return checkpoint


def _candidate(
    checkpoint: Checkpoint, path: Path, inputs: NDArray[Any], threads: int, device: str, *, compiled: bool
) -> Candidate:
    return Candidate(
        name=f"PyTorch {'compiled' if compiled else 'eager'}, {_where(device, threads)}",
        open=partial(_open, checkpoint, device, compiled=compiled),
        inputs=inputs,
        enter=partial(torch.set_num_threads, threads),
        peak_memory=None if compiled or device != "cpu" else partial(_peak_memory, path, threads),
    )


def _where(device: str, threads: int) -> str:
    return device if device != "cpu" else f"{threads} thread{'' if threads == 1 else 's'}"


def _open(checkpoint: Checkpoint, device: str, *, compiled: bool) -> Call:
    network = SoftmaxNetwork(checkpoint.layers).to(device)
    head = checkpoint.card.head

    def answer(raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        logits = network(network.prepare(raw))
        if isinstance(head, Sigmoid):
            second = torch.sigmoid(logits / head.temperature)
            return logits, torch.cat([1 - second, second], dim=1), (logits[:, 0] > head.logit_threshold).long()
        return logits, torch.softmax(logits / head.temperature, dim=1), logits.argmax(dim=1)

    # Precompiled headers would stay behind, whatever folder is named.
    options: dict[str, Any] = {"cpp_cache_precompile_headers": False}
    run = torch.compile(answer, dynamic=False, options=options) if compiled else answer

    def call(batch: NDArray[Any]) -> list[NDArray[Any]]:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler's advice is not ours to give
            return [output.cpu().numpy() for output in run(torch.from_numpy(batch).to(device))]

    return call


def _peak_memory(path: Path, threads: int, batch: int) -> int | None:
    return peak_of(__name__, path=str(path), threads=threads, batch=batch)


def measure(*, path: str, threads: int, batch: int) -> None:
    """Open a checkpoint, answer one batch of zeros, and print the peak; see `edgesoft.inference.memory.peak_of`."""
    torch.set_num_threads(threads)
    checkpoint = Checkpoint.load(Path(path))
    kind = checkpoint.card.input
    _open(checkpoint, "cpu", compiled=False)(np.zeros((batch, *kind.shape), kind.dtype))
    print(own_peak())  # noqa: T201 - the answer to `peak_of`
