"""Finds the model file that is meant."""

from __future__ import annotations

from pathlib import Path

from edgesoft.errors import EdgesoftError
from edgesoft.names import INT8_ENDING
from edgesoft.transaction import settle

EXPORTED = Path("exported")
INT8_SUFFIX = f"{INT8_ENDING}.onnx"


def find_model(model: Path | None, *, provider: str) -> Path:
    """The model file to run.

    Parameters
    ----------
    model
        A `.onnx` file; or a folder with one exported model; or that model's path without ".onnx". None means the folder `exported`.
    provider
        "cpu" takes the INT8 file where there is one; every other provider takes the float file, because CUDA has no INT8 matrix
        product and would run the INT8 file slower.

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
    files = [Path(f"{model}{suffix}") for suffix in (INT8_SUFFIX, ".onnx")] if model.name else []
    if provider != "cpu":
        files.reverse()
    for file in files:
        if file.is_file():
            return file
    raise EdgesoftError(
        f"{model}: no exported model here. Make one: edgesoft export --quantize (or name a file: --model FILE.onnx)"
    )
