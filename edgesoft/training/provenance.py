"""The card of a model that is about to be trained: what it will be, and what made it."""

from __future__ import annotations

import platform
from importlib import metadata

from edgesoft.data.dataset import Dataset
from edgesoft.model.card import ModelCard, Training
from edgesoft.model.heads import Sigmoid, Softmax
from edgesoft.training.settings import TrainSettings
from edgesoft.version import __version__

LIBRARIES = ("torch", "numpy", "onnx")


def card_of(dataset: Dataset, config: TrainSettings) -> ModelCard:
    """The card, still without metrics."""
    return ModelCard(
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


def versions() -> dict[str, str]:
    """Name -> version of edgesoft, Python and the libraries that decide the weights and the file."""
    return {
        "edgesoft": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in LIBRARIES},
    }
