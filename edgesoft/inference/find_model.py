"""Finds the model file that is meant."""

from __future__ import annotations

import json
from pathlib import Path

from edgesoft.errors import EdgesoftError

EXPORTED = Path("exported")
INT8_SUFFIX = ".int8.onnx"
REPORT_SUFFIX = ".report.json"
REPORT_LIMIT = 2**24
"""Longest report that is read, in bytes."""


def find_model(model: Path | None, *, provider: str) -> Path:
    """The model file to run.

    Parameters
    ----------
    model
        A `.onnx` file; or a folder with one exported model; or that model's path without ".onnx". None means the folder `exported`.
    provider
        "cpu" takes the file that the report beside it recommends, and without a report the smaller one, which is INT8 wherever INT8
        is worth it; every other provider takes the float file, because CUDA has no INT8 matrix product and would run the INT8
        file slower.

    Raises
    ------
    EdgesoftError
        There is no such file, or several models could be meant.
    """
    model = EXPORTED if model is None else model
    if model.is_file() or model.suffix == ".onnx":
        return model
    stems = {file.name.removesuffix(INT8_SUFFIX).removesuffix(".onnx") for file in model.glob("*.onnx")}
    if len(stems) == 1:
        model = model / stems.pop()
    elif stems:
        choices = ", ".join(str(model / stem) for stem in sorted(stems))
        raise EdgesoftError(f"{model}: holds several models. Choose one with --model: {choices}")
    files = [Path(f"{model}{suffix}") for suffix in (".onnx", INT8_SUFFIX)] if model.name else []
    found = [file for file in files if file.is_file()]
    if len(found) == 2 and provider == "cpu":
        return _recommended(*found, report=Path(f"{model}{REPORT_SUFFIX}"))
    if found:
        return found[0]
    raise EdgesoftError(
        f"{model}: no exported model here. Make one: edgesoft export --quantize (or name a file: --model FILE.onnx)"
    )


def _recommended(float_file: Path, int8_file: Path, *, report: Path) -> Path:
    """The better of two files of one export for a CPU: as was measured, where the report says so of these very files."""
    sizes = {"float32": float_file.stat().st_size, "int8": int8_file.stat().st_size}
    smaller = min(sizes, key=lambda precision: sizes[precision])
    files = {"float32": float_file, "int8": int8_file}
    try:
        if report.stat().st_size > REPORT_LIMIT:
            return files[smaller]
        document = json.loads(report.read_bytes())
        described = {precision: document[precision]["bytes"] for precision in files}
        return files[document["recommended"] if described == sizes else smaller]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return files[smaller]  # a report is for people: without one, or with another's, the files themselves decide
