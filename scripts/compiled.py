"""What `benchmark.py` measures of a converted model: its C, compiled here, against ONNX Runtime and against `edgesoft infer`."""

from __future__ import annotations

import ctypes
import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

import edgesoft

FLAGS = ("-std=c99", "-O3", "-march=native", "-fPIC", "-shared")


def classify(model: Path, folder: Path, inputs: np.ndarray) -> Callable[[], object]:
    """The C function of a model, bound to inputs `[n, ...]` that take turns, because zeros cost no time; gcc compiles it into `folder`."""
    edgesoft.convert(model, "c", folder, overwrite=True)
    library = folder.parent / f"{folder.name}.so"
    name = next(path.stem for path in folder.glob("*.h") if path.name != "golden.h")
    subprocess.run(["gcc", *FLAGS, "-o", str(library), str(folder / f"{name}.c")], check=True)
    function = getattr(ctypes.CDLL(str(library)), f"{name}_classify")
    logits = np.empty(100, np.float32)
    places = itertools.cycle([ctypes.c_void_p(row.ctypes.data) for row in inputs])
    answer = ctypes.c_void_p(logits.ctypes.data)
    return lambda: function(next(places), answer)


def replaying(model: Path, folder: Path) -> Path:
    """The program that replays the golden examples, compiled as its Makefile does it."""
    edgesoft.convert(model, "c", folder, overwrite=True)
    subprocess.run(["make", "-s"], cwd=folder, check=True)
    subprocess.run(["make", "-s", "check"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*_check"))
