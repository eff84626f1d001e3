"""The card of a model that is about to be trained: what it will be, and what made it."""

from __future__ import annotations

import json
import math
import platform
from importlib import metadata

from edgesoft.data.dataset import Dataset
from edgesoft.errors import EdgesoftError
from edgesoft.model.card import CARD_LIMIT, ModelCard, Training
from edgesoft.model.golden import HEADER_LIMIT
from edgesoft.model.heads import Sigmoid, Softmax
from edgesoft.training.settings import TrainSettings
from edgesoft.version import __version__

LIBRARIES = ("torch", "numpy", "onnx")
ROOM_FOR_METRICS = 2**17
"""Bytes of a card that are kept for what training and export measure."""


def card_of(dataset: Dataset, config: TrainSettings) -> ModelCard:
    """The card, still without metrics.

    Raises
    ------
    EdgesoftError
        The data set's names are no names, or too many for a model file: `export` would refuse them when the work is done.
    """
    try:
        card = ModelCard(
            name=dataset.name,
            labels=dataset.labels,
            input=dataset.input,
            hidden=config.hidden,
            channels=config.channels,
            head=Sigmoid(threshold=config.threshold) if config.head == Sigmoid.kind else Softmax(),
            training=Training(
                data=dataset.name,
                data_sha256=dataset.digest,
                target=None if dataset.options is None else dataset.options.target,
                outliers=config.outliers > 0,
                examples={name: len(split) for name, split in dataset.splits.items()},
                settings=config.to_json(),
                versions=versions(),
            ),
        )
    except ValueError as error:
        raise EdgesoftError(f"{dataset.name}: {error}. Rename it in the data") from error
    size, header = len(card.to_json().encode()), len(json.dumps(card.labels))
    if max(size - CARD_LIMIT, header - HEADER_LIMIT) > -ROOM_FOR_METRICS:
        raise EdgesoftError(
            f"{dataset.name}: the names of its {len(card.labels):,} classes and {math.prod(card.input.shape):,} inputs take "
            f"{max(size, header) / 1e6:.1f} MB, more than fit into a model file ({CARD_LIMIT / 1e6:.1f} MB). Use shorter or fewer names"
        )
    return card


def versions() -> dict[str, str]:
    """Name -> version of edgesoft, Python and the libraries that decide the weights and the file."""
    return {
        "edgesoft": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in LIBRARIES},
    }
