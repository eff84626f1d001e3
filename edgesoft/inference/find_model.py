"""Finds the model file that is meant."""

from __future__ import annotations

import json
from pathlib import Path

from edgesoft.errors import EdgesoftError
from edgesoft.files import read_bytes
from edgesoft.names import INT8_ENDING
from edgesoft.transaction import settle

EXPORTED = Path("exported")
INT8_SUFFIX = f"{INT8_ENDING}.onnx"
JSON_SUFFIX = ".report.json"
REPORT_LIMIT = 2**28  # bytes


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
    settle(model)
    settle(model.parent)
    if (model.exists() and not model.is_dir()) or model.suffix == ".onnx":
        return model  # a pipe too; whoever opens it says what is no file
    stems = {file.name.removesuffix(INT8_SUFFIX).removesuffix(".onnx") for file in model.glob("*.onnx")}
    if len(stems) == 1:
        model = model / stems.pop()
    elif stems:
        choices = ", ".join(str(model / stem) for stem in sorted(stems))
        raise EdgesoftError(f"{model}: holds several models. Choose one with --model: {choices}")
    files = [Path(f"{model}{suffix}") for suffix in (".onnx", INT8_SUFFIX)] if model.name else []
    found = [file for file in files if file.is_file()]
    if len(found) == 2 and provider == "cpu":
        return _recommended(*found, report=Path(f"{model}{JSON_SUFFIX}"))
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
        document = json.loads(read_bytes(report, limit=REPORT_LIMIT, what="a report of edgesoft"))
        described = {precision: document[precision]["bytes"] for precision in files}
        return files[document["recommended"] if described == sizes else smaller]
    except (EdgesoftError, ValueError, RecursionError, KeyError, TypeError):
        return files[smaller]  # a report is for people: without one, or with another's, the files themselves decide
