"""The card of a model that is about to be trained: what it will be, and what made it."""

from __future__ import annotations

import platform
from importlib import metadata

from edgesoft.data.dataset import Dataset
from edgesoft.errors import EdgesoftError
from edgesoft.model.card import CARD_LIMIT, ModelCard, Training
from edgesoft.model.heads import Sigmoid, Softmax
from edgesoft.training.settings import TrainSettings
from edgesoft.version import __version__

LIBRARIES = ("torch", "numpy", "onnx")


def card_of(dataset: Dataset, config: TrainSettings) -> ModelCard:
    """The card, still without metrics.

    Raises
    ------
    EdgesoftError
        Names and values of the data take more room than a model file has for them.
    """
    card = ModelCard(
        name=dataset.name,
        labels=dataset.labels,
        input=dataset.input,
        hidden=config.hidden,
        head=Sigmoid(threshold=config.threshold) if config.head == Sigmoid.kind else Softmax(),
        training=Training(
            data=dataset.name,
            data_sha256=dataset.digest,
            outliers=config.outliers > 0,
            examples={name: len(split) for name, split in dataset.splits.items()},
            settings=config.to_json(),
            versions=versions(),
        ),
    )
    size = len(card.to_json().encode())
    if size > CARD_LIMIT * 3 // 4:  # the export adds what it measures
        raise EdgesoftError(
            f"{dataset.name}: the names of its columns, values and classes take {size:,} bytes, and a model file has room for "
            f"{CARD_LIMIT * 3 // 4:,}. Shorten the names, or leave columns out"
        )
    return card


def versions() -> dict[str, str]:
    """Name -> version of edgesoft, Python and the libraries that decide the weights and the file."""
    return {
        "edgesoft": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in LIBRARIES},
    }
