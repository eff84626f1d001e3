"""ONNX Runtime, imported once and with one sentence when that fails; and which wheels brought it.

`onnxruntime` and `onnxruntime-gpu` install into the same folder. With both, the last one lies on top; when one of them is then
uninstalled, what remains is an empty shell that imports without an error.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from edgesoft.errors import EdgesoftError

try:
    import onnxruntime
except ImportError as error:
    _cause = "is not installed" if error.name == "onnxruntime" else f"does not load ({' '.join(str(error).split())})"
    raise EdgesoftError(
        f"ONNX Runtime {_cause}. Install it: pip install onnxruntime-gpu (where that has no wheels: pip install onnxruntime)"
    ) from error

if not hasattr(onnxruntime, "InferenceSession"):
    raise EdgesoftError(
        "ONNX Runtime is damaged: one of two wheels was uninstalled. "
        "Mend it: pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"
    )

# ONNX Runtime logs a failed provider as coloured lines on stderr; the same cause leaves here as one message.
onnxruntime.set_default_logger_severity(4)

__all__ = ["FOLDER", "VERSION", "built_for", "installed_wheels", "onnxruntime"]

VERSION: str = onnxruntime.__version__
FOLDER = Path(onnxruntime.__file__).parent


@cache
def installed_wheels() -> dict[str, str]:
    """Name -> version of every distribution that installed the imported ONNX Runtime; more than one is a conflict."""
    from importlib.metadata import distributions

    imported = (FOLDER / "__init__.py").resolve()
    wheels: dict[str, str] = {}
    for distribution in distributions():
        name = str(distribution.metadata["Name"] or "").lower().replace("_", "-")
        if name.startswith(("onnxruntime", "ort-")) and any(
            Path(str(distribution.locate_file(file))).resolve() == imported
            for file in distribution.files or ()
            if str(file) == "onnxruntime/__init__.py"
        ):
            wheels[name] = distribution.version
    return wheels


def built_for() -> int | None:
    """The CUDA major version that this ONNX Runtime was built for; None for a build without CUDA."""
    major = str(getattr(onnxruntime, "cuda_version", "") or "").split(".")[0]
    return int(major) if major.isdigit() else None
