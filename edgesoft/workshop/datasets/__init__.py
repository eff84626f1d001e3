"""Labelled examples as arrays, in three splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.pictures.spec import PictureSpec


@dataclass(frozen=True)
class Split:
    """n labelled examples."""

    inputs: NDArray[Any]
    """What the model takes: uint8 `[n, height, width]` for grey pictures, raw."""
    targets: NDArray[np.int64]
    """int64 `[n]`, indices into the data set's labels."""

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Dataset:
    """A data set. Training learns from `train`, chooses by `validation`, and is judged once by `test`."""

    name: str
    labels: tuple[str, ...]
    input: PictureSpec
    train: Split
    validation: Split
    test: Split

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all inputs and targets, so that a model can name what it was trained and judged on."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            for array in (split.inputs, split.targets):
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
