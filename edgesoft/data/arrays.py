"""Arrays as a data set: pictures or features with their labels, from Python or from an `.npz` file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.dataset import Dataset, Split
from edgesoft.data.settings import DataSettings
from edgesoft.data.splits import check_classes, check_doubles, divide
from edgesoft.data.tables import check_features
from edgesoft.errors import EdgesoftError
from edgesoft.model.inputs import InputKind, PictureInput, TableInput
from edgesoft.npz import read_npz
from edgesoft.tables.spec import Column

NPZ_LIMIT = 4 * 2**30
"""Largest `.npz` file, and largest sum of its arrays, in bytes."""
MOST_CLASSES = 1000

_INPUTS = ("x", "X", "inputs", "features", "images", "data")
_TARGETS = ("y", "Y", "targets", "target", "labels")
_SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("val", "valid", "validation"),
    "test": ("test",),
}

Examples = tuple[Any, Any]
"""Inputs and labels: numpy arrays, torch tensors, or what numpy makes an array of."""


def from_arrays(
    splits: Mapping[str, Examples],
    options: DataSettings = DataSettings(),
    *,
    name: str = "arrays",
    labels: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    origin: object = "arrays",
) -> Dataset:
    """Make a data set of arrays.

    Parameters
    ----------
    splits
        "train", and optionally "validation" and "test", -> inputs and labels. Inputs: pictures uint8 `[n, height, width]` or
        `[n, height, width, 3]`, raw grey levels from 0 to 255; or features `[n, features]` of any number type, in any unit. Labels:
        `[n]` words or integers. What is missing is held out from "train".
    options
        `val_split`, `test_split` and `split_seed` count.
    name
        Name of the data set.
    labels
        The class names, if the labels are integers from 0 on; None names the classes by what the labels are.
    feature_names
        Names of the features; None numbers them.
    origin
        Where the arrays came from, for the messages.

    Raises
    ------
    EdgesoftError
        Shapes, types or numbers of the arrays do not fit.
    """
    arrays = {part: _arrays(pair, f"{origin}: {part}") for part, pair in splits.items()}
    inputs = {part: _checked_inputs(x, len(y), f"{origin}: {part}") for part, (x, y) in arrays.items()}
    shapes = {x.shape[1:] for x in inputs.values()}
    if len(shapes) > 1 or len({x.dtype for x in inputs.values()}) > 1:
        raise EdgesoftError(f"{origin}: the splits differ in shape or type: {', '.join(map(str, sorted(shapes)))}")
    targets, names = _numbered({part: y for part, (_, y) in arrays.items()}, labels, origin)
    parts = divide(targets["train"], options, has_validation="validation" in targets, has_test="test" in targets)
    x, y = inputs["train"], targets["train"]
    divided = {part: Split(inputs[part], targets[part]) for part in inputs}
    divided |= {part: Split(x[chosen], y[chosen]) for part, chosen in parts.items()}
    notes = check_classes({part: split.targets for part, split in divided.items()}, names, origin)
    notes += check_doubles(divided)
    if x.ndim > 2:
        spec: InputKind = PictureInput(
            x.shape[1], x.shape[2], 3 if x.ndim == 4 else 1, normaliser="resize", stroke_high=0.0
        )
    else:
        features = _feature_names(x, feature_names, origin)
        spec = TableInput(tuple(map(Column, features))).fitted(divided["train"].inputs)
        notes += check_features(divided["train"].inputs, features)
    return Dataset.of(name, names, spec, divided, warnings=notes)


def load_npz(path: Path, options: DataSettings) -> Dataset:
    """Read an `.npz` file with arrays `x` and `y`, or `x_train`, `y_train`, `x_test`, `y_test` (and `x_val`, `y_val`).

    `class_names` and `feature_names` may name the classes and the features.

    Raises
    ------
    EdgesoftError
        The file cannot be read, is too large, or its arrays do not fit.
    """
    options.refuse("an .npz file", "target", "ignore_columns", "size", "colour", "root", "download")
    arrays = read_npz(path, limit=NPZ_LIMIT, what="an .npz file of plain arrays", advice="Save it again: numpy.savez")
    splits: dict[str, Examples] = {}
    for part, suffixes in _SPLITS.items():
        endings = [f"_{suffix}" for suffix in suffixes] + ([""] if part == "train" else [])
        x = _first(arrays, [name + ending for ending in endings for name in _INPUTS])
        y = _first(arrays, [name + ending for ending in endings for name in _TARGETS])
        if x is not None and y is not None:
            splits[part] = (x, y)
    if "train" not in splits:
        raise EdgesoftError(
            f"{path}: has the arrays {', '.join(arrays) or '(none)'}. Expected x and y, or x_train, y_train, x_test, y_test"
        )
    words = {name: [str(word) for word in arrays[name]] for name in ("class_names", "feature_names") if name in arrays}
    return from_arrays(
        splits,
        options,
        name=path.stem,
        labels=words.get("class_names"),
        feature_names=words.get("feature_names"),
        origin=path,
    )


def _first(arrays: Mapping[str, NDArray[Any]], names: Sequence[str]) -> NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _arrays(pair: Examples, where: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Inputs and labels as numpy arrays; a column of labels `[n, 1]` becomes `[n]`."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise EdgesoftError(f"{where}: expected a pair of inputs and labels")
    x, y = (_array(values, f"{where}: {what}") for values, what in zip(pair, ("inputs", "labels"), strict=True))
    if not x.ndim or y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] != 1):
        raise EdgesoftError(
            f"{where}: inputs {list(x.shape)} and labels {list(y.shape)}. Expected inputs [n, ...] and one label for each, [n]"
        )
    if y.dtype.kind not in "iubfUSO":
        raise EdgesoftError(f"{where}: labels are {y.dtype}. Expected words or integers")
    return x, y.reshape(-1)


def _array(values: Any, where: str) -> NDArray[Any]:
    """A numpy array of numbers or words; a torch tensor is fetched from wherever it lies."""
    try:
        if hasattr(values, "detach"):
            values = values.detach().cpu().numpy()
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:  # ragged lists, sparse tensors
        detail = " ".join(str(error).split())[:200]
        raise EdgesoftError(f"{where}: cannot be made an array ({detail}). Expected rows of equal length") from error
    if array.dtype.hasobject and not all(isinstance(value, str | int | np.integer | np.bool_) for value in array.flat):
        raise EdgesoftError(f"{where}: hold objects that are neither words nor integers. Expected plain arrays")
    return array


def _checked_inputs(x: NDArray[Any], labels: int, where: str) -> NDArray[Any]:
    if len(x) != labels or not labels:
        raise EdgesoftError(
            f"{where}: {len(x) if x.ndim else 0} inputs and {labels} labels. Expected as many of both, and at least one"
        )
    if x.ndim > 2:
        if x.dtype != np.uint8 or x.ndim > 4 or (x.ndim == 4 and x.shape[3] != 3):
            raise EdgesoftError(
                f"{where}: pictures are {x.dtype} {list(x.shape)}. Expected uint8 [n, height, width] or [n, height, width, 3], "
                "grey levels from 0 to 255"
            )
        return np.require(x, requirements=["C", "W"])
    if x.ndim != 2 or x.dtype.kind not in "fiub" or not x.shape[1]:
        raise EdgesoftError(f"{where}: features are {x.dtype} {list(x.shape)}. Expected numbers [n, features]")
    with np.errstate(over="ignore"):
        features = np.array(x, np.float32, order="C")
    wrong = ~np.isfinite(features).all(axis=1)
    if wrong.any():
        raise EdgesoftError(
            f"{where}: {wrong.sum():,} of {labels:,} rows hold NaN, infinite or too large numbers (first: row {int(wrong.argmax())}). "
            "Fill them in or remove these rows"
        )
    return features


def _numbered(
    answers: Mapping[str, NDArray[Any]], labels: Sequence[str] | None, origin: object
) -> tuple[dict[str, NDArray[np.int64]], list[str]]:
    """Labels as indices, and the class names: integers in their order, words in theirs."""
    kind = answers["train"].dtype.kind
    if kind == "f" and all((y == np.rint(y)).all() for y in answers.values()):
        answers, kind = {part: y.astype(np.int64) for part, y in answers.items()}, "i"
    if kind not in "iubUSO":
        raise EdgesoftError(
            f"{origin}: labels are {answers['train'].dtype}. Expected words or integers: a quantity is no class"
        )
    known = sorted(set(answers["train"].tolist()), key=None if kind in "iub" else str)
    if len(known) > MOST_CLASSES:
        raise EdgesoftError(f"{origin}: {len(known):,} different labels. That is a quantity, not a class")
    if labels is not None:
        if kind not in "iub" or not all(0 <= label < len(labels) for label in known):
            raise EdgesoftError(
                f"{origin}: with {len(labels)} class names, labels must be integers from 0 to {len(labels) - 1}"
            )
        known = list(range(len(labels)))
    index = {label: place for place, label in enumerate(known)}
    for part, y in answers.items():
        strange = set(y.tolist()) - set(index)
        if strange:
            raise EdgesoftError(
                f"{origin}: the {part} split has the label {min(map(str, strange))!r}, which no training example has"
            )
    numbered = {part: np.array([index[label] for label in y.tolist()], np.int64) for part, y in answers.items()}
    return numbered, list(labels) if labels is not None else [str(label) for label in known]


def _feature_names(x: NDArray[Any], names: Sequence[str] | None, origin: object) -> list[str]:
    names = [str(name) for name in names or [f"feature {place}" for place in range(x.shape[1])]]
    if len(names) != x.shape[1]:
        raise EdgesoftError(f"{origin}: {len(names)} names for {x.shape[1]} features")
    return names
