"""What a run leaves behind to be resumed: its settings and history, and everything that the next step depends on."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgesoft.errors import EdgesoftError
from edgesoft.npz import Arrays
from edgesoft.training.checkpoint import read_arrays
from edgesoft.training.results import Epoch
from edgesoft.training.runs import RunFolder
from edgesoft.training.settings import TrainSettings

_ADVICE = "Start a new run: edgesoft train"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # AdamW's


def stored_settings(folder: RunFolder) -> TrainSettings:
    """The settings of the run in `folder`, for resuming it; raises EdgesoftError when there is none."""
    return TrainSettings.from_json(read_run_document(read_arrays(folder.last), folder.last)["config"])


def read_run_document(arrays: Arrays, origin: Path) -> dict[str, Any]:
    """The settings and history of a run; raises EdgesoftError when there are none, or they make no sense."""
    try:
        document = json.loads(arrays["run"].tobytes())
        if not isinstance(document["config"], dict) or not isinstance(document["data"], str):
            raise ValueError("it does not say how it was trained, or on what")  # noqa: TRY004 - damaged data, not a wrong call
        settings = TrainSettings.from_json(document["config"])
        epochs = [Epoch(**epoch) for epoch in document["epochs"]]
        _check_history(epochs, document["best"], settings)
    except (KeyError, TypeError, ValueError, RecursionError, EdgesoftError) as error:
        detail = " ".join(str(error).split())[:200]
        raise EdgesoftError(f"{origin}: no training state of edgesoft ({detail}). {_ADVICE}") from error
    return {**document, "epochs": epochs}


def _check_history(epochs: list[Epoch], best: object, settings: TrainSettings) -> None:
    """Raise ValueError where epochs are no numbers, or are not those of a run with these settings."""
    for place, epoch in enumerate(epochs, start=1):
        values = asdict(epoch)
        if (
            values.pop("number") != place
            or type(values.pop("flips")) is not bool
            or not all(type(value) in (int, float) for value in values.values())
        ):
            raise ValueError(f"epoch {place} is damaged")
        if not all(map(math.isfinite, values.values())) or not 0 <= epoch.validation_accuracy <= 1:
            raise ValueError(f"epoch {place} has numbers that are none")
    if type(best) is not int or not 1 <= best <= len(epochs) <= settings.epochs:
        raise ValueError(f"{len(epochs)} of {settings.epochs} epochs, of which {str(best)[:20]} is the best")


def pack(network: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> Arrays:
    """Copies of all that the next step depends on."""
    arrays: Arrays = {"generator": generator.get_state().numpy()}
    for name, tensor in network.state_dict().items():
        arrays[f"learning.{name}"] = tensor.cpu().numpy().copy()
    for name, parameter in _learned(network):
        for kind, value in optimizer.state[parameter].items():
            arrays[f"{kind}.{name}"] = value.cpu().numpy().copy()
    return arrays


def unpack(arrays: Arrays, network: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator) -> None:
    """Go on from where `pack` was called; raises KeyError, TypeError, ValueError or RuntimeError when the arrays do not fit."""
    generator.set_state(torch.from_numpy(arrays["generator"]))
    state = network.state_dict()
    network.load_state_dict({name: _like(value, arrays, f"learning.{name}") for name, value in state.items()})
    for name, parameter in _learned(network):
        # The optimizer trusts them, and would read beyond the end of a smaller one.
        wanted = {kind: torch.zeros(()) if kind == "step" else parameter for kind in _MOMENTS}
        moments = {kind: _like(value, arrays, f"{kind}.{name}") for kind, value in wanted.items()}
        optimizer.state[parameter] = {kind: value.to(parameter.device) for kind, value in moments.items()}


def _learned(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]


def _like(wanted: torch.Tensor, arrays: Arrays, name: str) -> torch.Tensor:
    """The stored array of this name; raises ValueError when it is no array of finite numbers like `wanted`."""
    value = torch.from_numpy(arrays[name])
    if value.dtype != wanted.dtype or value.shape != wanted.shape:
        raise ValueError(f"{name} is {value.dtype} {list(value.shape)}")
    if not value.isfinite().all():
        raise ValueError(f"{name} has numbers that are not finite")
    return value
