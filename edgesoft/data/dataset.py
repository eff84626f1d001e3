"""Labelled examples as arrays, in three splits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.settings import DataSettings
from edgesoft.model.inputs import InputKind
from edgesoft.model.layers import Layer
from edgesoft.names import stem


@dataclass(frozen=True, repr=False)
class Split:
    """n labelled examples."""

    inputs: NDArray[Any]
    """What the model takes, raw: uint8 `[n, height, width]` or `[n, height, width, 3]` for pictures, float32 `[n, features]` for tables."""
    targets: NDArray[np.int64]
    """int64 `[n]`, indices into the data set's labels."""

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        return f"Split({len(self):,} x {self.inputs.dtype} {list(self.inputs.shape[1:])})"


@dataclass(frozen=True, repr=False)
class Dataset:
    """A data set. Training learns from `train`, chooses by `validation`, and is judged once by `test`."""

    name: str
    labels: tuple[str, ...]
    input: InputKind
    train: Split
    validation: Split
    test: Split
    warnings: tuple[str, ...] = ()
    """What was odd about the data, one sentence each."""
    skipped: tuple[str, ...] = ()
    """Files that could not be read and are left out: "path: reason"."""
    options: DataSettings | None = None
    """Where it came from, so that it can be loaded again; None for arrays."""

    @classmethod
    def of(
        cls,
        name: str,
        labels: Sequence[str],
        spec: InputKind,
        splits: Mapping[str, Split],
        *,
        warnings: Sequence[str] = (),
        skipped: Sequence[str] = (),
    ) -> Dataset:
        """A data set of named splits; the name is made fit for files to be named after it."""
        train, validation, test = (splits[part] for part in ("train", "validation", "test"))
        return cls(stem(name), tuple(labels), spec, train, validation, test, tuple(warnings), tuple(skipped))

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        return f"Dataset({self.name!r}, {len(self.labels)} classes, {counts})"

    @property
    def splits(self) -> dict[str, Split]:
        """Name -> split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all inputs and targets, so that a model can name what it was trained and judged on."""
        digest = hashlib.sha256()
        for split in self.splits.values():
            for array in (split.inputs, split.targets):
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @cached_property
    def first_layers(self) -> tuple[Layer, ...]:
        """What brings the raw inputs into a network's range, fitted to the training split."""
        return self.input.first_layers(self.train.inputs)
