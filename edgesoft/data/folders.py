"""Folders of pictures: one subfolder a class, or `train/`, `val/` and `test/` with one subfolder a class each.

Every picture is decoded once, by the code that decodes pictures on devices, into one array a split. Arrays above `MEMORY_LIMIT` lie
in temporary files that are mapped into memory, so a set may be larger than the memory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.dataset import Dataset, Split
from edgesoft.data.settings import DataSettings
from edgesoft.data.splits import check_class_count, check_classes, check_doubles, divide
from edgesoft.errors import EdgesoftError
from edgesoft.files import reason
from edgesoft.inference.cpu import usable_cores
from edgesoft.model.inputs import PictureInput
from edgesoft.names import fault, same
from edgesoft.pictures import PictureError, Seen, read_picture
from edgesoft.pictures.sources import files_below, is_ignored

MEMORY_LIMIT = 2**30
"""Bytes of decoded pictures a split that are kept in memory; more are kept in a temporary file."""
SIZE = (32, 32)
SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class _Listing:
    """The files of one split, class by class."""

    files: list[Path]
    targets: NDArray[np.int64]


def load_folder(
    path: Path, options: DataSettings, *, on_picture: Callable[[int, int], object] = lambda *_: None
) -> Dataset:
    """Read a folder of pictures.

    Parameters
    ----------
    path
        The folder.
    options
        `size`, `colour`, `val_split`, `test_split` and `split_seed` count.
    on_picture
        Called after each picture with the number read so far and the number of all.

    Raises
    ------
    EdgesoftError
        The folder holds no classes, a class holds no readable picture, or the pictures do not fit on the disk.
    """
    options.refuse("a folder of pictures", "target", "ignore_columns", "categorical", "val", "test", "root", "download")
    height, width = options.size or SIZE
    spec = PictureInput(height, width, channels=3 if options.colour else 1, normaliser="resize", stroke_high=0.0)
    labels, listings, notes = _list_files(path)
    check_classes({name: listing.targets for name, listing in listings.items()}, labels, path)
    parts = divide(
        listings["train"].targets, options, has_validation="validation" in listings, has_test="test" in listings
    )
    train = listings["train"]
    for name, part in parts.items():
        listings[name] = _Listing([train.files[index] for index in part], train.targets[part])
    splits, skipped, odd = _read_all(listings, spec, on_picture)
    total = len(skipped) + sum(map(len, splits.values()))
    notes += [f"{count:,} of {total:,} pictures: {warning}" for warning, count in sorted(odd.items())]
    if skipped:
        notes.append(f"files that cannot be read as pictures and are left out: {len(skipped):,} of {total:,}")
    notes += check_classes({name: split.targets for name, split in splits.items()}, labels, path)
    notes += check_doubles(splits, path)
    return Dataset.of(path.resolve().name, labels, spec, splits, warnings=notes, skipped=skipped)


def _list_files(path: Path) -> tuple[list[str], dict[str, _Listing], list[str]]:
    """The class names, the files of each split, and what is odd."""
    folders = subfolders(path)
    named = {SPLIT_NAMES[name.lower()]: folder for name, folder in folders.items() if name.lower() in SPLIT_NAMES}
    # A class may be called "train" or "test" too: only folders of folders are splits.
    is_divided = len(named) == len(folders) and "train" in named and bool(subfolders(named["train"]))
    roots = named if is_divided else {"train": path}
    labels = sorted(subfolders(roots["train"]))
    if not labels:
        raise EdgesoftError(
            f"{path}: holds no folders of pictures. Expected one subfolder a class, or train/, val/ and test/ with those inside"
        )
    check_class_count(labels, path)
    notes, listings = [], {}
    for name, root in roots.items():
        known = {same(label): label for label in labels}
        classes = {known.get(same(folder), folder): place for folder, place in subfolders(root).items()}
        strange = sorted(set(classes) - set(labels))
        if strange:
            raise EdgesoftError(
                f"{classes[strange[0]]}: no such class in the training split, which has {', '.join(labels)}"
            )
        files = [list(files_in(classes[label])) if label in classes else [] for label in labels]
        if name == "train":
            for label, members in zip(labels, files, strict=True):
                if not members:
                    raise EdgesoftError(f"{classes[label]}: holds no pictures. Add some, or remove the folder")
        targets = np.repeat(np.arange(len(labels)), [len(members) for members in files])
        listings[name] = _Listing([file for members in files for file in members], targets)
        loose = sum(1 for file in root.iterdir() if file.is_file() and not is_ignored(file.name))
        if loose:
            notes.append(f"files in {root} that belong to no class are not used: {loose:,}")
    return labels, listings, notes


def subfolders(path: Path) -> dict[str, Path]:
    """Name -> folder, of those in a folder: their names are those of classes or splits.

    Raises
    ------
    EdgesoftError
        It cannot be read, or a name can be no class.
    """
    try:
        folders = {entry.name: entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    except FileNotFoundError:
        raise EdgesoftError(f"{path}: no such folder (expected one subfolder a class)") from None
    except OSError as error:
        raise EdgesoftError(f"{path}: cannot be read ({reason(error)})") from error
    if (wrong := fault(sorted(folders), "class", "classes")) is not None:
        raise EdgesoftError(f"{path}: {wrong}. Rename its folder")
    seen: dict[tuple[int, int], Path] = {}
    for _, place in sorted(folders.items()):
        status = place.stat()
        first = seen.setdefault((status.st_dev, status.st_ino), place)
        if first is not place:
            raise EdgesoftError(f"{first} and {place}: are one folder, by a link. Remove one of them")
    return folders


def files_in(folder: Path) -> Iterator[Path]:
    """All files below a folder, in one order everywhere."""
    return iter(sorted(map(Path, files_below(str(folder)))))


def _read_all(
    listings: Mapping[str, _Listing], spec: PictureInput, on_picture: Callable[[int, int], object]
) -> tuple[dict[str, Split], list[str], Counter[str]]:
    """The splits, the files that cannot be read, and how often something is odd about the others."""
    total, done = sum(len(listing.files) for listing in listings.values()), 0
    splits, skipped, odd = dict[str, Split](), list[str](), Counter[str]()

    def read(file: Path) -> Seen | str:
        try:
            return read_picture(file, spec)
        except PictureError as error:
            text = str(error)
            return text if text.startswith(str(file)) else f"{file}: {text}"

    with ThreadPoolExecutor(usable_cores()) as pool:  # Pillow decodes without holding the interpreter
        for name, listing in listings.items():
            pixels = _array((len(listing.files), *spec.shape))
            kept: list[int] = []
            for start in range(0, len(listing.files), _AT_ONCE):
                for index, answer in enumerate(pool.map(read, listing.files[start : start + _AT_ONCE]), start):
                    if isinstance(answer, str):
                        skipped.append(answer)
                    else:
                        pixels[len(kept)] = answer.pixels
                        odd.update(answer.warnings)
                        kept.append(index)
                    done += 1
                    on_picture(done, total)
            splits[name] = Split(pixels[: len(kept)], listing.targets[kept])
    return splits, skipped, odd


_AT_ONCE = 1000


def _array(shape: Sequence[int]) -> Pixels:
    """An empty array, in memory or in a temporary file that goes with it."""
    size = int(np.prod(shape))
    if size <= MEMORY_LIMIT:
        return np.empty(shape, np.uint8)
    folder = tempfile.gettempdir()
    advice = "Choose a smaller --size, or another folder by the environment variable TMPDIR"
    free = shutil.disk_usage(folder).free
    if size > free:
        raise EdgesoftError(
            f"the decoded pictures take {size / 1e9:.1f} GB, but {folder} has {free / 1e9:.1f} GB free. {advice}"
        )
    try:
        with tempfile.TemporaryFile() as file:
            _reserve(file, size)
            return np.memmap(file, np.uint8, mode="r+", shape=tuple(shape))
    except OSError as error:
        raise EdgesoftError(
            f"the decoded pictures take {size / 1e9:.1f} GB, which {folder} cannot hold ({reason(error)}). {advice}"
        ) from error


def _reserve(file: IO[bytes], size: int) -> None:
    """Take the space now: where a disk is full, a mapped file ends the process by a signal, without a word."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    zeros = bytes(2**20)
    for start in range(0, size, len(zeros)):
        file.write(zeros[: size - start])
    file.flush()
