"""What made a model: the versions of the libraries at work."""

from __future__ import annotations

import platform
from importlib import metadata

from edgesoft.version import __version__

LIBRARIES = ("torch", "numpy", "onnx")


def versions() -> dict[str, str]:
    """Name -> version of edgesoft, Python and the libraries that decide the weights and the file."""
    return {
        "edgesoft": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in LIBRARIES},
    }
