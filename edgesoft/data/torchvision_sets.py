"""torchvision's sets of small pictures, by name; its own code reads the files."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.dataset import Dataset, Split
from edgesoft.data.settings import DataSettings
from edgesoft.data.splits import check_classes, divide
from edgesoft.errors import EdgesoftError
from edgesoft.model.inputs import PictureInput

_WHOLE = PictureInput(normaliser="resize", stroke_high=0.0)
# EMNIST fits the ink into the picture less a border of 2 pixels (Cohen, Afshar, Tapson and van Schaik, "EMNIST", 2017).
_LETTERS = PictureInput(ink_box=24, centring="box")
# USPS digits fill their 16 x 16 pixels.
_USPS = PictureInput(16, 16, ink_box=16, centring="box", stroke_high=0.0)

_DIGITS = tuple(string.digits)
# EMNIST "balanced" merges the small letters that look like capitals.
_BALANCED = (*string.digits, *string.ascii_uppercase, *"abdefghnqrt")


@dataclass(frozen=True)
class _Set:
    """How one set is loaded."""

    loader: str
    """torchvision's class."""
    labels: tuple[str, ...]
    spec: PictureInput
    folder: str
    """Where torchvision looks for the files, below the root."""
    files: tuple[str, ...]
    """The files that it needs, unpacked where torchvision unpacks them."""
    train: Mapping[str, Any]
    """Arguments for the training part."""
    test: Mapping[str, Any]


def _idx(loader: str, labels: Sequence[str], spec: PictureInput) -> _Set:
    files = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
    return _Set(loader, tuple(labels), spec, f"{loader}/raw", files, {"train": True}, {"train": False})


def _emnist(split: str, labels: Sequence[str]) -> _Set:
    train, test = ({"split": split, "train": flag} for flag in (True, False))
    kinds = [f"{part}-{kind}-ubyte" for part in ("train", "test") for kind in ("images-idx3", "labels-idx1")]
    files = tuple(f"emnist-{split}-{kind}" for kind in kinds)
    return _Set("EMNIST", tuple(labels), _LETTERS, "EMNIST/raw", files, train, test)


SETS: Mapping[str, _Set] = {
    "fashion-mnist": _idx(
        "FashionMNIST",
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        _WHOLE,
    ),
    "kmnist": _idx("KMNIST", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"), _WHOLE),
    "qmnist": _Set(
        "QMNIST",
        _DIGITS,
        PictureInput(),
        "QMNIST/raw",
        tuple(
            f"qmnist-{part}-{kind}" for part in ("train", "test") for kind in ("images-idx3-ubyte", "labels-idx2-int")
        ),
        {"what": "train"},
        {"what": "test"},
    ),
    "emnist-letters": _emnist("letters", string.ascii_uppercase),
    "emnist-balanced": _emnist("balanced", _BALANCED),
    "emnist-digits": _emnist("digits", _DIGITS),
    "usps": _Set("USPS", _DIGITS, _USPS, ".", ("usps.bz2", "usps.t.bz2"), {"train": True}, {"train": False}),
}
"""Name on the command line -> how it is loaded."""


def load_torchvision_set(name: str, options: DataSettings) -> Dataset:
    """Load one of `SETS`; its validation split is held out from the training part.

    Parameters
    ----------
    name
        One of `SETS`.
    options
        `root`, `download`, `val_split` and `split_seed` count.

    Raises
    ------
    EdgesoftError
        The files are not there, or cannot be fetched or read: the message says which files belong where.
    """
    options.refuse(name, "target", "ignore_columns", "size", "colour", "test_split")
    described = SETS[name]
    pixels, targets = _read(name, described, described.train, options)
    test = Split(*_read(name, described, described.test, options))
    parts = divide(targets, options, has_validation=False, has_test=True)
    splits = {part: Split(pixels[chosen], targets[chosen]) for part, chosen in parts.items()} | {"test": test}
    notes = check_classes({part: split.targets for part, split in splits.items()}, described.labels, name)
    return Dataset.of(name, described.labels, described.spec, splits, warnings=notes)


def _read(
    name: str, described: _Set, arguments: Mapping[str, Any], options: DataSettings
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels uint8 `[n, height, width]` and targets int64 `[n]` of one part."""
    root = Path(options.root)
    where = f"{root / described.folder} must hold {', '.join(described.files)}"
    try:
        loader = getattr(_datasets(), described.loader)
        loaded = loader(root=str(root), download=options.download, **arguments)
        pixels = np.array(loaded.data, np.uint8)
        targets = np.array(loaded.targets, np.int64)
    except ImportError as error:
        raise EdgesoftError(
            f'{name}: needs torchvision ({error}). Install it: pip install "edgesoft[train]"'
        ) from error
    except (RuntimeError, OSError, ValueError, EOFError, AssertionError) as error:
        said = " ".join(str(error).split())
        if options.download:
            raise EdgesoftError(f"{name}: could not be fetched or read ({said}). Without a network, {where}") from error
        raise EdgesoftError(
            f"{name}: no usable files ({said}). Fetch them with --download; or by hand: {where}"
        ) from error
    if described.loader == "QMNIST":
        targets = targets[:, 0]  # the other columns tell who wrote the digit
    if described.loader == "EMNIST":
        pixels = np.ascontiguousarray(pixels.transpose(0, 2, 1))  # the files hold columns where others hold rows
    if arguments.get("split") == "letters":
        targets = targets - 1  # counted from 1 in the files
    if (
        not len(targets)
        or targets.min() < 0
        or targets.max() >= len(described.labels)
        or pixels.shape[1:] != described.spec.shape
    ):
        raise EdgesoftError(f"{name}: its files hold something else than {name}. Fetch them again: {where}")
    return pixels, targets


def _datasets() -> Any:
    from edgesoft.data.torchvision_import import import_torchvision

    return import_torchvision().datasets
