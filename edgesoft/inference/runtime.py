"""ONNX Runtime, imported once, silent about its user, and with one sentence when that fails; and which wheels brought it.

From 1.29 on its wheels send events about the process, each session and each error to Microsoft (microsoft/onnxruntime#27379):
importing it writes an identifier of the device and a database into the user's cache folder. Only ORT_DISABLE_TELEMETRY, set before the
import, stops all of that on Linux and macOS (microsoft/onnxruntime#29843); Windows has a call for it.

`onnxruntime` and `onnxruntime-gpu` install into the same folder. With both, the last one lies on top; when one of them is then
uninstalled, what remains is an empty shell that imports without an error.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from edgesoft.errors import EdgesoftError

_wish = os.environ.get("ORT_DISABLE_TELEMETRY") or "1"  # whoever wants to send events sets it to 0
os.environ["ORT_DISABLE_TELEMETRY"] = _wish

try:
    import onnxruntime
except ImportError as error:
    _cause = "is not installed" if error.name == "onnxruntime" else f"does not load ({' '.join(str(error).split())})"
    raise EdgesoftError(
        f"ONNX Runtime {_cause}. Install it, for an NVIDIA GPU with [gpu] in place of [cpu]: pip install 'edgesoft[cpu]'"
    ) from error

if not hasattr(onnxruntime, "InferenceSession"):
    raise EdgesoftError(
        "ONNX Runtime is damaged: one of two wheels was uninstalled. "
        "Mend it: pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime (or onnxruntime-gpu)"
    )

# ONNX Runtime logs a failed provider as coloured lines on stderr; the same cause leaves here as one message.
onnxruntime.set_default_logger_severity(4)

SENDS_EVENTS = _wish.strip().lower() not in ("1", "true", "yes", "on", "y")
"""Whether the user lets ONNX Runtime send events about its use; the words are those that it takes for a no."""
if not SENDS_EVENTS:
    onnxruntime.disable_telemetry_events()

__all__ = ["FOLDER", "SENDS_EVENTS", "VERSION", "built_for", "installed_wheels", "onnxruntime"]

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
