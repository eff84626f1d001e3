"""edgesoft: small softmax classifiers that leave PyTorch and keep their answers.

Importing this package imports nothing heavy: each name below loads what it needs when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Classifier", "EdgesoftError", "__version__", "export", "load", "train"]

if TYPE_CHECKING:
    from edgesoft.device.classifier import Classifier, load
    from edgesoft.errors import EdgesoftError
    from edgesoft.workshop.api import export, train

_HOMES = {
    "Classifier": "edgesoft.device.classifier",
    "load": "edgesoft.device.classifier",
    "EdgesoftError": "edgesoft.errors",
    "export": "edgesoft.workshop.api",
    "train": "edgesoft.workshop.api",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgesoft' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
