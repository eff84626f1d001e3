"""Model files as candidates of a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.inference.bench import Candidate
from edgesoft.inference.classifier import Classifier
from edgesoft.inference.memory import peak_of
from edgesoft.inference.providers import Choice
from edgesoft.model.file import GOLDEN_KEY, ModelFile, open_model
from edgesoft.model.golden import Golden
from edgesoft.transaction import settle


def open_models(paths: Sequence[Path]) -> list[ModelFile]:
    """The model files that are named, and those in folders that are named, float before INT8.

    Raises
    ------
    EdgesoftError
        A file cannot be read or is not one that edgesoft wrote, or a folder holds none.
    """
    models = []
    for path in paths:
        files = [path]
        if path.is_dir():
            settle(path)
            files = sorted(path.glob("*.onnx"), key=lambda file: (".int8" in file.name, file.name))
            if not files:
                raise EdgesoftError(f"{path}: no exported model here. Make one: edgesoft export --quantize")
        models += [open_model(file) for file in files]
    return models


def examples_of(model: ModelFile) -> NDArray[Any]:
    """Inputs to time a model with: the examples that it carries, else black ones."""
    if GOLDEN_KEY in model.metadata:
        return Golden.decode(model.metadata[GOLDEN_KEY], model.path).inputs
    shape = [int(size) for size in model.inputs[0].shape[1:]]
    return np.zeros((1, *shape), model.inputs[0].dtype)


def model_candidates(
    models: Sequence[ModelFile], choices: Sequence[Choice], threads: Sequence[int | None]
) -> list[Candidate]:
    """Every model on every provider, on the CPU with every number of threads; None is what `Classifier` takes by itself."""
    candidates = []
    for model in models:
        for choice in choices:
            for count in threads if choice.provider == "cpu" else (None,):
                options = {"threads": count, "device_id": choice.device_id, "tf32": choice.tf32}
                suffix = "" if count is None else f", {count} thread{'' if count == 1 else 's'}"
                candidates.append(
                    Candidate(
                        name=f"{model.path.name}, {choice.provider}{suffix}",
                        open=partial(Classifier, model, choice.provider, **options),  # type: ignore[arg-type]
                        inputs=examples_of(model),
                        peak_memory=partial(_peak_memory, model.path, choice, count),
                    )
                )
    return candidates


def _peak_memory(path: Path, choice: Choice, threads: int | None, batch: int) -> int | None:
    """Of the very session that is timed."""
    return peak_of(
        "edgesoft.inference.memory",
        path=str(path),
        provider=choice.provider,
        device_id=choice.device_id,
        tf32=choice.tf32,
        threads=threads,
        batch=batch,
    )
