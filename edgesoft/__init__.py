"""edgesoft: small softmax classifiers that leave PyTorch and keep their answers.

Importing this package imports nothing heavy: each name below loads what it needs when it is first used.
"""

from __future__ import annotations

from edgesoft.version import __version__

TYPE_CHECKING = False  # as in `typing`, which this package is imported without; see __main__

__all__ = [
    "Classifier",
    "EdgesoftError",
    "__version__",
    "convert",
    "evaluate",
    "export",
    "load",
    "resume",
    "train",
    "verify",
]

if TYPE_CHECKING:
    from edgesoft.api import convert, export, resume, train, verify
    from edgesoft.errors import EdgesoftError
    from edgesoft.inference.classifier import Classifier, load
    from edgesoft.scoring import evaluate

_HOMES = {
    "Classifier": "edgesoft.inference.classifier",
    "load": "edgesoft.inference.classifier",
    "EdgesoftError": "edgesoft.errors",
    "evaluate": "edgesoft.scoring",
    **dict.fromkeys(("convert", "export", "resume", "train", "verify"), "edgesoft.api"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgesoft' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
