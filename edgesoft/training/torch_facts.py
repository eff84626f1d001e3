"""What the installed PyTorch can do; only `edgesoft doctor --torch` asks, because importing it takes seconds."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class TorchFacts:
    """The installed PyTorch, as it answers itself."""

    version: str
    cuda: str | None
    """The CUDA that it was built for; None for a CPU build."""
    devices: tuple[str, ...]
    """The GPUs that it can use, by name."""
    threads: int


def torch_facts() -> TorchFacts:
    """Ask PyTorch."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return TorchFacts(
        version=str(torch.__version__),
        cuda=torch.version.cuda,
        devices=tuple(torch.cuda.get_device_name(index) for index in range(count)),
        threads=torch.get_num_threads(),
    )
