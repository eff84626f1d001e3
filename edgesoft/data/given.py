"""What Python hands over as data: arrays, tensors, lists or data frames, in one piece or with splits of their own."""

from __future__ import annotations

from typing import Any

from edgesoft.data.arrays import from_arrays
from edgesoft.data.dataset import Dataset
from edgesoft.data.frames import load_frames
from edgesoft.data.settings import DataSettings
from edgesoft.errors import UsageError
from edgesoft.tables.frames import is_frame


def load_given(
    inputs: Any,
    options: DataSettings,
    *,
    name: str,
    y: Any,
    validation: Any = None,
    test: Any = None,
    labels: Any = None,
    feature_names: Any = None,
) -> Dataset:
    """Make a data set of them; the parameters are those of `edgesoft.train`.

    Raises
    ------
    EdgesoftError
        As `from_arrays` and `load_frames`.
    UsageError
        Labels are missing, or something was given that means nothing for such data.
    """
    splits = {"train": (inputs, y), "validation": validation, "test": test}
    given = {part: split for part, split in splits.items() if split is not None}
    for share, part in (("val_split", "validation"), ("test_split", "test")):
        if getattr(options, share) is not None and part in given:
            raise UsageError(
                f"{share}: means nothing beside {part}=, which brings these examples. Leave one of them out"
            )
    if is_frame(inputs):
        if feature_names is not None:
            raise UsageError("feature_names: a data frame names its columns itself. Leave them out")
        if options.val is not None or options.test is not None:
            raise UsageError("validation and test: expected data frames, as that of the training is, not files")
        options.refuse("a data frame", "size", "colour", "root", "download")
        return load_frames({part: _pair(split) for part, split in given.items()}, options, name=name, labels=labels)
    if y is None:
        raise UsageError("inputs without labels: expected train(x, y), or the name of a data set")
    options.refuse(
        "arrays", "target", "ignore_columns", "categorical", "val", "test", "size", "colour", "root", "download"
    )
    return from_arrays(given, options, name=name, labels=labels, feature_names=feature_names)


def _pair(split: Any) -> tuple[Any, Any]:
    """A frame and the labels beside it; None where they are in it."""
    return (split[0], split[1]) if isinstance(split, tuple | list) and len(split) == 2 else (split, None)
