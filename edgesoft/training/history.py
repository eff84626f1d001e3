"""The epochs of a finished run, as its folder tells them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

from edgesoft.errors import EdgesoftError
from edgesoft.files import read_bytes
from edgesoft.training.checkpoint import Checkpoint
from edgesoft.training.results import Epoch
from edgesoft.training.runs import RunFolder

METRICS_LIMIT = 2**26
"""Largest file of metrics that is read, in bytes: a hundred thousand epochs."""


def history_of(checkpoint: Checkpoint) -> tuple[Epoch, ...]:
    """The epochs of the run in whose folder a checkpoint lies; none where that folder tells none, or those of another run."""
    if checkpoint.path is None or not checkpoint.card.metrics:
        return ()
    path = RunFolder(checkpoint.path.parent).metrics
    try:
        document = json.loads(read_bytes(path, limit=METRICS_LIMIT, what="the metrics of a run"))
        if any(document[name] != value for name, value in checkpoint.card.metrics.items()):
            return ()
        epochs = tuple(Epoch(**epoch) for epoch in document["history"])
        check_epochs(epochs)
    except (EdgesoftError, KeyError, TypeError, ValueError, RecursionError):
        return ()
    return epochs


def check_epochs(epochs: Sequence[Epoch]) -> None:
    """Raise ValueError where epochs are not counted from 1, or hold what is no finite number."""
    for place, epoch in enumerate(epochs, start=1):
        values = asdict(epoch)
        is_known = values.pop("number") == place and type(values.pop("flips")) is bool
        if not is_known or not all(type(value) in (int, float) for value in values.values()):
            raise ValueError(f"epoch {place} is damaged")
        if not all(map(math.isfinite, values.values())) or not 0 <= epoch.validation_accuracy <= 1:
            raise ValueError(f"epoch {place} has numbers that are none")
