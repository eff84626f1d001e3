"""What a run leaves behind to be resumed: its settings and history, and everything that the next step depends on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgesoft.errors import EdgesoftError
from edgesoft.npz import Arrays
from edgesoft.training.checkpoint import read_arrays
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # AdamW's


def stored_settings(folder: RunFolder) -> TrainSettings:
    """The settings of the run in `folder`, for resuming it; raises EdgesoftError when there is none."""
    return TrainSettings.from_json(read_run_document(read_arrays(folder.last), folder.last)["config"])


def read_run_document(arrays: Arrays, origin: Path) -> dict[str, Any]:
    """The settings and history of a run; raises EdgesoftError when there are none."""
    try:
        document = json.loads(arrays["run"].tobytes())
        TrainSettings.from_json(document["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise EdgesoftError(
            f"{origin}: no training state of edgesoft ({error}). Start a new run: edgesoft train"
        ) from error
    return dict(document)


def pack(network: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> Arrays:
    """Copies of all that the next step depends on."""
    arrays: Arrays = {"generator": generator.get_state().numpy()}
    for name, tensor in network.state_dict().items():
        arrays[f"learning.{name}"] = tensor.cpu().numpy().copy()
    for name, parameter in network.named_parameters():
        for kind, value in optimizer.state[parameter].items():
            arrays[f"{kind}.{name}"] = value.cpu().numpy().copy()
    return arrays


def unpack(arrays: Arrays, network: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
    """Go on from where `pack` was called; raises KeyError, TypeError, ValueError or RuntimeError when the arrays do not fit."""
    generator.set_state(torch.from_numpy(arrays["generator"]))
    network.load_state_dict({name: torch.from_numpy(arrays[f"learning.{name}"]) for name in network.state_dict()})
    for name, parameter in network.named_parameters():
        moments = {kind: torch.from_numpy(arrays[f"{kind}.{name}"]) for kind in _MOMENTS}
        for kind, value in moments.items():
            # The optimizer trusts them, and would read beyond the end of a smaller one.
            if value.dtype != torch.float32 or value.shape != (() if kind == "step" else parameter.shape):
                raise ValueError(f"{kind}.{name} has shape {list(value.shape)}")
        optimizer.state[parameter] = {kind: value.to(parameter.device) for kind, value in moments.items()}
