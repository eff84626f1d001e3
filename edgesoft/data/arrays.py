"""Arrays as a data set: pictures or features with their labels, from Python or from an `.npz` file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.dataset import Dataset, Split
from edgesoft.data.labels import Label, named, read_labels
from edgesoft.data.settings import DataSettings
from edgesoft.data.splits import MOST_CLASSES, check_classes, check_doubles, divide
from edgesoft.data.tables import check_features
from edgesoft.errors import EdgesoftError
from edgesoft.model.given import as_array
from edgesoft.model.inputs import InputKind, PictureInput, TableInput
from edgesoft.names import flaw, quoted, stem
from edgesoft.npz import read_npz
from edgesoft.tables.spec import LARGEST_TO_LEARN, Column

NPZ_LIMIT = 4 * 2**30
"""Largest `.npz` file, and largest sum of its arrays, in bytes."""

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
    labels: Any = None,
    feature_names: Any = None,
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
        A list or an array of the class names, if the labels are integers from 0 on; None names the classes by what the labels are.
    feature_names
        A list or an array of the features' names; None numbers them.
    origin
        Where the arrays came from, for the messages.

    Raises
    ------
    EdgesoftError
        Shapes, types or numbers of the arrays do not fit.
    """
    if (wrong := flaw(name)) is not None:
        raise EdgesoftError(f"{origin}: name {quoted(name)} {wrong}. Choose another")
    for part, pair in splits.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise EdgesoftError(f"{origin}: {part}: expected a pair of inputs and labels")
    answers = read_labels({part: as_labels(y, f"{origin}: {part}: labels") for part, (_, y) in splits.items()}, origin)
    inputs = {
        part: _checked_inputs(to_array(x, f"{origin}: {part}: inputs"), len(answers[part]), f"{origin}: {part}")
        for part, (x, _) in splits.items()
    }
    shapes = {x.shape[1:] for x in inputs.values()}
    if len(shapes) > 1 or len({x.dtype for x in inputs.values()}) > 1:
        raise EdgesoftError(f"{origin}: the splits differ in shape or type: {', '.join(map(str, sorted(shapes)))}")
    targets, names = _numbered(answers, labels, origin)
    parts = divide(targets["train"], options, has_validation="validation" in targets, has_test="test" in targets)
    x, y = inputs["train"], targets["train"]
    divided = {part: Split(inputs[part], targets[part]) for part in inputs}
    divided |= {part: Split(x[chosen], y[chosen]) for part, chosen in parts.items()}
    notes = check_classes({part: split.targets for part, split in divided.items()}, names, origin)
    notes += check_doubles(divided, origin, [1] * x.shape[1] if x.ndim == 2 else None)
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
    options.refuse(
        "an .npz file", "target", "ignore_columns", "categorical", "val", "test", "size", "colour", "root", "download"
    )
    arrays, found = read_examples(path)
    splits = {part or "train": pair for part, pair in found.items()}
    if "train" not in splits:
        raise EdgesoftError(
            f"{path}: has the arrays {', '.join(arrays) or '(none)'}. Expected x and y, or x_train, y_train, x_test, y_test"
        )
    return from_arrays(
        splits,
        options,
        name=stem(path.stem),
        labels=arrays.get("class_names"),
        feature_names=arrays.get("feature_names"),
        origin=path,
    )


def read_examples(path: Path) -> tuple[Mapping[str, NDArray[Any]], dict[str | None, Examples]]:
    """The arrays of an `.npz` file, and its inputs with their labels by split; None stands for those that belong to none.

    Raises
    ------
    EdgesoftError
        The file cannot be read or is too large.
    """
    arrays = read_npz(path, limit=NPZ_LIMIT, what="an .npz file of plain arrays", advice="Save it again: numpy.savez")
    splits: dict[str | None, Examples] = {}
    endings: dict[str | None, list[str]] = {None: [""]}
    endings |= {part: [f"_{suffix}" for suffix in suffixes] for part, suffixes in _SPLITS.items()}
    for part, ends in endings.items():
        x = _first(arrays, [name + ending for ending in ends for name in _INPUTS])
        targets = [name + ending for ending in ends for name in _TARGETS if name + ending in arrays]
        if len(targets) > 1:
            raise EdgesoftError(
                f"{path}: arrays {quoted(targets[0])} and {quoted(targets[1])} may both be the labels. Leave one out, or call the names of "
                "the classes class_names"
            )
        y = _first(arrays, targets)
        if x is not None and y is not None:
            splits[part] = (x, y)
    return arrays, splits


def _first(arrays: Mapping[str, NDArray[Any]], names: Sequence[str]) -> NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)


def to_array(values: Any, where: str) -> NDArray[Any]:
    """A numpy array `[n, ...]` of numbers or words; a torch tensor is fetched from wherever it lies."""
    try:
        array = as_array(values)
    except EdgesoftError as error:
        raise EdgesoftError(f"{where}: {error}") from error
    if not array.ndim:
        raise EdgesoftError(f"{where}: expected an array [n, ...], got a single value")
    return array


def as_labels(values: Any, where: str) -> Any:
    """A list as it is, anything else as `to_array` makes it: numpy would make one type of a list's labels."""
    return values if isinstance(values, list | tuple) else to_array(values, where)


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
    wrong = ~(np.abs(features) <= LARGEST_TO_LEARN).all(axis=1)  # NaN fails this too
    if wrong.any():
        raise EdgesoftError(
            f"{where}: {wrong.sum():,} of {labels:,} rows hold NaN, infinite or too large numbers (first: row {int(wrong.argmax())}). "
            "Fill them in or remove these rows"
        )
    return features


def _numbered(
    answers: Mapping[str, Sequence[Label]], labels: Any, origin: object
) -> tuple[dict[str, NDArray[np.int64]], list[str]]:
    """Labels as indices, and the class names: integers in their order, words in theirs."""
    known: list[Any] = sorted(set(answers["train"]))
    if len(known) > MOST_CLASSES:
        raise EdgesoftError(f"{origin}: {len(known):,} different labels. That is a quantity, not a class")
    if labels is None:
        for part, y in answers.items():
            for label in sorted(set(y)):
                if (wrong := flaw(str(label))) is not None:
                    raise EdgesoftError(
                        f"{origin}: {part}: the label {quoted(label)} in row {y.index(label)} {wrong}. Rename it"
                    )
        names = named([str(label) for label in known], "class", "classes", origin)
    else:
        names = named(labels, "class", "classes", origin)
        if not all(isinstance(label, int) and 0 <= label < len(names) for label in known):
            raise EdgesoftError(
                f"{origin}: with {len(names)} class names, labels must be integers from 0 to {len(names) - 1}"
            )
        known = list(range(len(names)))
    index = {label: place for place, label in enumerate(known)}
    for part, y in answers.items():
        strange = set(y) - set(index)
        if strange:
            raise EdgesoftError(
                f"{origin}: the {part} split has the label {quoted(min(map(str, strange)))}, which no training example has"
            )
    return {part: np.array([index[label] for label in y], np.int64) for part, y in answers.items()}, names


def _feature_names(x: NDArray[Any], names: Any, origin: object) -> list[str]:
    if names is None:
        return [f"feature {place}" for place in range(x.shape[1])]
    words = named(names, "feature", "features", origin)
    if len(words) != x.shape[1]:
        raise EdgesoftError(f"{origin}: {len(words)} names for {x.shape[1]} features")
    return words
