"""Labelled examples to score a model on, as it reads them: what training learns from, and without any of its demands on it.

Files are read as `infer` reads them, one after the other. Arrays are inputs already, as they are in training.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.arrays import Examples, as_labels, read_examples, to_array
from edgesoft.data.dataset import Dataset, Split
from edgesoft.data.folders import SPLIT_NAMES, files_in, subfolders
from edgesoft.data.labelled_tables import ENCODED, as_infer, read_listed_pictures, read_rows
from edgesoft.data.labels import Label, named, read_labels
from edgesoft.data.load import TABLE_FILES
from edgesoft.data.mnist import load_mnist
from edgesoft.data.named_sets import SETS, load_named_set
from edgesoft.data.settings import DataSettings
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.files import full_path
from edgesoft.inference.labelled import Example, LabelledData
from edgesoft.model.card import ModelCard
from edgesoft.settings import brief
from edgesoft.tables.records import Record
from edgesoft.tables.rows import RowFile, shortened
from edgesoft.tables.spec import TableSpec

AS_IT_IS = "arrays, taken as they are, as in training"
Part = TypeVar("Part")


@dataclass(frozen=True)
class Wanted:
    """What of the data is scored, and how they say it."""

    split: str | None = None
    """"train", "validation" or "test"; None takes the test split where there is one, and data that are not divided as a whole."""
    target: str | None = None
    """The column of a table that holds the labels; None takes the one that the model was trained with, or the only one that it does not
    take."""
    root: str = DataSettings.root
    """Folder of the archives of known sets."""

    def __post_init__(self) -> None:
        if self.split is not None and str(self.split).lower() not in SPLIT_NAMES:
            raise UsageError(f"split {brief(self.split)}: expected train, validation or test")
        DataSettings(target=self.target)  # refuses what is no name


def read_labelled(source: str, card: ModelCard, wanted: Wanted = Wanted()) -> LabelledData:
    """The examples that `source` names, for one model.

    Parameters
    ----------
    source
        A known set; a folder with one subfolder a class, or with a folder a split that holds those; an `.npz` file; a table with a
        column of labels, and for a model of pictures with a column of paths.
    card
        The model's.
    wanted
        Which part, and where the labels stand.

    Raises
    ------
    EdgesoftError
        There is no such data, they are of another kind than the model takes, or hold no labels.
    UsageError
        A column or a split does not exist.
    """
    if not source:
        raise UsageError("no data: name a known set, a folder, an .npz file or a table")
    full_path(source)  # says what is no path
    path = Path(source).expanduser()
    is_set, is_folder, suffix = source == "mnist" or source in SETS, path.is_dir(), path.suffix.lower()
    if wanted.target is not None and (is_set or is_folder or suffix == ".npz"):
        raise UsageError(f"{source}: --target names the column of a table, and this is none. Leave it out")
    if isinstance(card.input, TableSpec):
        if is_set or is_folder:
            what = "holds pictures" if is_set else "is a folder"
            raise EdgesoftError(
                f"{source}: {what}, but the model {card.name!r} takes rows. Name a table with its labels"
            )
        if suffix == ".npz":
            return _npz(path, card, wanted)
        _chosen({None: path}, wanted, path)
        return read_rows(path, card, card.input, wanted.target)
    if is_set:
        return _known_set(source, card, wanted)
    if is_folder:
        return _folder(path, card, wanted)
    if suffix == ".npz":
        return _npz(path, card, wanted)
    if path.suffix.lower() in TABLE_FILES or path.exists():
        _chosen({None: path}, wanted, path)
        return read_listed_pictures(path, card, wanted.target)
    close = difflib.get_close_matches(source, ("mnist", *SETS), 1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise EdgesoftError(
        f"{source}: no such folder, file or known set. Expected a folder with one subfolder a class, an .npz file, or a table with the "
        f"columns of paths and labels.{hint}"
    )


def from_arrays(
    x: Any, y: Any, card: ModelCard, *, labels: Any = None, feature_names: Any = None, name: str = "arrays"
) -> LabelledData:
    """Inputs and their labels, as `edgesoft.train` takes them: without a split."""
    return _arrays((x, y), card, name, None, class_names=labels, feature_names=feature_names)


def _chosen(parts: Mapping[str | None, Part], wanted: Wanted, origin: object) -> tuple[str | None, Part]:
    """The split that is wanted, or all that there is."""
    names = [name for name in parts if name is not None]
    split = None if wanted.split is None else SPLIT_NAMES[wanted.split.lower()]
    if split is not None and not names:
        raise UsageError(f"{origin}: is not divided into splits. Leave --split out: all of it is scored")
    if split is None:
        split = "test" if "test" in parts else next(iter(parts)) if len(parts) == 1 else None
    if split not in parts:
        raise UsageError(f"{origin}: has no {split or 'test'} split. Choose one: --split {' or '.join(names)}")
    return split, parts[split]


def _folder(path: Path, card: ModelCard, wanted: Wanted) -> LabelledData:
    folders = subfolders(path)
    divided: dict[str | None, Path] = {
        SPLIT_NAMES[name.lower()]: folder for name, folder in folders.items() if name.lower() in SPLIT_NAMES
    }
    # A class may be called "train" or "test" too: only folders of folders are splits.
    is_divided = len(divided) == len(folders) and all(subfolders(folder) for folder in divided.values())
    split, root = _chosen(divided if folders and is_divided else {None: path}, wanted, path)
    files = {label: list(files_in(folder)) for label, folder in sorted(subfolders(root).items())}
    if not files:
        raise EdgesoftError(
            f"{root}: holds no folders of pictures. Expected one subfolder a class, named as the model's: {shortened(card.labels)}"
        )

    def examples() -> Iterator[Example]:
        for label, members in files.items():
            for file in members:
                yield Example(str(file), file, label)

    loose = sum(1 for file in root.iterdir() if file.is_file() and not file.name.startswith("."))
    notes = (f"files in {root} that belong to no class are not scored: {loose:,}",) if loose else ()
    return LabelledData(str(path), split, as_infer(card), examples, sum(map(len, files.values())), notes)


def _known_set(source: str, card: ModelCard, wanted: Wanted) -> LabelledData:
    options = DataSettings(source=source, root=wanted.root)
    dataset = load_mnist(DataSettings()) if source == "mnist" else load_named_set(source, options)
    _check_pictures(dataset.test.inputs, card, source)
    return _part(dataset, source, wanted)


def from_dataset(dataset: Dataset, card: ModelCard, wanted: Wanted = Wanted()) -> LabelledData:
    """A split of a data set as training has it: its test split, unless another is wanted.

    Raises
    ------
    EdgesoftError
        The model takes other inputs.
    """
    if isinstance(card.input, TableSpec):
        if dataset.input.names != card.input.names:
            has, takes = shortened(dataset.input.names) or "pictures", shortened(card.input.names)
            raise EdgesoftError(f"{dataset.name}: has {has}, but the model {card.name!r} takes {takes}")
    else:
        _check_pictures(dataset.test.inputs, card, dataset.name)
    data = _part(dataset, dataset.name, wanted)
    if card.training is None or card.training.data_sha256 == dataset.digest:
        return data
    return replace(
        data, notes=("the model was made from other data: what is held out here may have been learned there",)
    )


def _part(dataset: Dataset, name: str, wanted: Wanted) -> LabelledData:
    parts: dict[str | None, Split] = {}
    parts.update(dataset.splits.items())
    split, part = _chosen(parts, wanted, name)

    def examples() -> Iterator[Example]:
        for number, (values, target) in enumerate(zip(part.inputs, part.targets.tolist(), strict=True)):
            yield Example(f"{name} {split} {number}", values, dataset.labels[target])

    return LabelledData(name, split, AS_IT_IS, examples, len(part))


def _npz(path: Path, card: ModelCard, wanted: Wanted) -> LabelledData:
    arrays, parts = read_examples(path)
    if not parts:
        names = ", ".join(arrays) or "(none)"
        raise EdgesoftError(f"{path}: has the arrays {names}. Expected x and y, or x_test and y_test")
    split, pair = _chosen(parts, wanted, path)
    class_names, feature_names = arrays.get("class_names"), arrays.get("feature_names")
    return _arrays(pair, card, str(path), split, class_names=class_names, feature_names=feature_names)


def _arrays(
    pair: Examples, card: ModelCard, name: str, split: str | None, *, class_names: Any, feature_names: Any
) -> LabelledData:
    where = name if split is None else f"{name}: {split}"
    x, y = to_array(pair[0], f"{where}: inputs"), as_labels(pair[1], f"{where}: labels")
    answers = _words(read_labels({split or "labels": y}, name)[split or "labels"], class_names, where)
    if len(x) != len(answers) or not answers:
        raise EdgesoftError(
            f"{where}: {len(x)} inputs and {len(answers)} labels. Expected as many of both, and at least one"
        )
    prefix = name if split is None else f"{name} {split}"
    if isinstance(card.input, TableSpec):
        rows, reading = _rows_of(x, card.input, feature_names, where), ENCODED
    else:
        _check_pictures(x, card, where)
        rows, reading = (lambda: iter(x)), AS_IT_IS

    def examples() -> Iterator[Example]:
        for number, (source, label) in enumerate(zip(rows(), answers, strict=True)):
            yield Example(f"{prefix} {number}", source, label)

    return LabelledData(name, split, reading, examples, len(answers))


def _words(labels: Sequence[Label], class_names: Any, where: str) -> list[str]:
    if class_names is None:
        return [str(label) for label in labels]
    names = named(class_names, "class", "classes", where)
    wrong = next((label for label in labels if not (isinstance(label, int) and 0 <= label < len(names))), None)
    if wrong is not None:
        raise EdgesoftError(
            f"{where}: the label {brief(wrong)}: with {len(names)} class names, labels must be integers from 0 to {len(names) - 1}"
        )
    return [names[int(label)] for label in labels]


def _check_pictures(x: NDArray[Any], card: ModelCard, where: str) -> None:
    """Arrays must be inputs already: nothing is scaled that the model would see otherwise than in training."""
    shape = card.input.shape
    if x.dtype != np.uint8 or x.shape[1:] != shape:
        raise EdgesoftError(
            f"{where}: the inputs are {x.dtype} {list(x.shape[1:])}, but the model {card.name!r} takes {card.input.dtype} {list(shape)}. "
            "Name a folder of pictures, which are scaled"
        )


def _rows_of(x: NDArray[Any], spec: TableSpec, feature_names: Any, where: str) -> Any:
    """How to go through rows of numbers, as if they stood in a file."""
    if x.ndim != 2 or x.dtype.kind not in "fiub" or not x.shape[1]:
        raise EdgesoftError(f"{where}: features are {x.dtype} {list(x.shape)}. Expected numbers [n, features]")
    columns = [column.name for column in spec.columns]
    names = columns if feature_names is None else named(feature_names, "feature", "features", where)
    if x.shape[1] != len(names):
        raise EdgesoftError(f"{where}: {x.shape[1]} features, expected {len(names)}: {shortened(names)}")

    def records() -> Iterator[Record]:
        yield Record(0, names)
        for number, row in enumerate(x, start=1):
            yield Record(number, [_cell(value) for value in row])

    return lambda: iter(RowFile(Path(where), spec, records=records()))


def _cell(value: Any) -> str:
    """A number as a file would have it: whole ones as such, because categories may be numbers too."""
    return str(int(value)) if np.isfinite(value) and value == int(value) else str(value)
