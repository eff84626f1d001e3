"""Data frames as a data set: the same as a file of the same values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgesoft.data.arrow import CELLS_AT_ONCE
from edgesoft.data.dataset import Dataset
from edgesoft.data.labelled_tables import read_rows
from edgesoft.data.labels import named
from edgesoft.data.settings import DataSettings
from edgesoft.data.table_files import TableFile
from edgesoft.data.tables import read_tables
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.inference.labelled import LabelledData
from edgesoft.model.card import ModelCard
from edgesoft.names import quoted, same, stem
from edgesoft.tables.frames import Frame, as_column, is_frame, read_frame
from edgesoft.tables.records import Record
from edgesoft.tables.rows import check_heading
from edgesoft.tables.spec import TableSpec

ORIGIN = Path("the data frame")
"""What the messages call it."""


def load_frames(
    frames: Mapping[str, tuple[Any, Any]], options: DataSettings, *, name: str = "model", labels: Any = None
) -> Dataset:
    """Make a data set of data frames.

    Parameters
    ----------
    frames
        "train", and optionally "validation" and "test" -> a frame with the columns of features, and the labels `[n]`: a series, an array or
        a list. Without labels (None) the column that `options.target` names holds them. What is missing is held out from "train".
    options
        As for a file.
    name
        Name of the data set.
    labels
        The class names, where the labels are integers from 0 on.

    Raises
    ------
    EdgesoftError
        A frame cannot be read, lacks a column, or holds what a table must not.
    UsageError
        It is not said which column holds the labels, or said twice.
    """
    read = {part: _read(features, part) for part, (features, _) in frames.items()}
    target = _unused(read["train"].names) if options.target is None else options.target
    files = {
        part: _table(_labelled(frame, frames[part][1], target, is_named=options.target is not None))
        for part, frame in read.items()
    }
    dataset = read_tables(files, ORIGIN, replace(options, target=target))
    dataset = replace(dataset, name=stem(name))
    return dataset if labels is None else _renamed(dataset, labels)


def labelled_frame(features: Any, labels: Any, card: ModelCard, target: str | None) -> LabelledData:
    """The rows of a data frame to score a model of tables on, as those of a file.

    Parameters
    ----------
    features
        The frame.
    labels
        `[n]` their labels: a series, an array or a list; None where a column of the frame holds them.
    card
        The model's.
    target
        That column; None takes the one that the model was trained with, or the only one that it does not take.

    Raises
    ------
    EdgesoftError
        The model takes pictures, or the frame cannot be read or lacks a column.
    UsageError
        It is not said which column holds the labels, or said twice.
    """
    if not isinstance(card.input, TableSpec):
        raise EdgesoftError(f"{ORIGIN}: holds rows, but the model {card.name!r} takes pictures. Give their arrays")
    frame = _read(features, "train")
    if labels is not None:
        is_named, target = target is not None, _unused(frame.names) if target is None else target
        frame = _labelled(frame, labels, target, is_named=is_named)
    return read_rows(ORIGIN, card, card.input, target, rows=_table(frame).rows)


def _read(features: Any, part: str) -> Frame:
    where = str(ORIGIN) if part == "train" else f"the {part} frame"
    if not is_frame(features):
        raise EdgesoftError(
            f"{where}: expected a data frame, as that of the training is, got {type(features).__name__}"
        )
    frame = read_frame(features, where)
    if not frame.columns:
        raise EdgesoftError(f"{where}: has no columns. Expected one of labels and at least one of features")
    return frame


def _labelled(frame: Frame, labels: Any, target: str, *, is_named: bool) -> Frame:
    """A frame with its labels in the column `target`, whose name the caller chose or we."""
    where = frame.where
    if labels is None:
        if not is_named:
            raise UsageError(
                f"{where}: which column holds the labels? Say target=NAME, or give them beside it: train(X, y)"
            )
        return frame
    others = [(name, column) for name, column in frame.columns if same(name) != same(target)]
    if is_named and len(others) < len(frame.columns):
        raise UsageError(f"{where}: labels beside it, and in its column {quoted(target)} too. Leave one of them out")
    if is_frame(labels):
        columns = read_frame(labels, f"{where}: labels").columns
        if len(columns) != 1:
            raise EdgesoftError(f"{where}: its labels are {len(columns)} columns. Expected one")
        labels = columns[0][1]
    elif getattr(labels, "ndim", 1) == 2 and hasattr(labels, "reshape"):
        labels = labels.reshape(-1)
    return Frame([*others, (target, as_column(labels))], where)


def _unused(names: Sequence[str]) -> str:
    """A name for the column of labels that no other column has."""
    candidates = ("label", *(f"label {number}" for number in range(2, len(names) + 2)))
    return next(name for name in candidates if name not in names)


def _table(frame: Frame) -> TableFile:
    """A frame as what a file is read by."""

    def rows(left_out: Collection[int]) -> Iterator[Record]:
        yield Record(0, frame.names)
        size = max(1, CELLS_AT_ONCE // len(frame.names))
        for start in range(0, len(frame), size):
            count = min(size, len(frame) - start)
            columns = [
                [""] * count if place in left_out else frame.cells(place, start, start + count)
                for place in range(len(frame.names))
            ]
            for line, cells in enumerate(zip(*columns, strict=True), start=start + 1):
                yield Record(line, list(cells))

    check_heading(frame.names, Path(frame.where))
    return TableFile(Path(frame.where), frame.names, rows, is_text=False)


def _renamed(dataset: Dataset, labels: Any) -> Dataset:
    names = named(labels, "class", "classes", ORIGIN)
    count = len(names)
    if dataset.labels not in (tuple(map(str, range(count))), ("False", "True")[:count]):
        raise EdgesoftError(f"{ORIGIN}: with {count} class names, labels must be integers from 0 to {count - 1}")
    return replace(dataset, labels=tuple(names))
