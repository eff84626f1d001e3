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
    "runs",
    "train",
    "verify",
]

if TYPE_CHECKING:
    from edgesoft.api.history import runs
    from edgesoft.api.models import convert, export
    from edgesoft.api.proofs import verify
    from edgesoft.api.runs import resume, train
    from edgesoft.api.scores import evaluate
    from edgesoft.errors import EdgesoftError
    from edgesoft.inference.classifier import Classifier, load

_HOMES = {
    "Classifier": "edgesoft.inference.classifier",
    "load": "edgesoft.inference.classifier",
    "EdgesoftError": "edgesoft.errors",
    **dict.fromkeys(("resume", "train"), "edgesoft.api.runs"),
    **dict.fromkeys(("convert", "export"), "edgesoft.api.models"),
    "runs": "edgesoft.api.history",
    "verify": "edgesoft.api.proofs",
    "evaluate": "edgesoft.api.scores",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgesoft' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
