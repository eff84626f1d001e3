"""Tables: a CSV, TSV or Parquet file, one column of which holds the labels.

The file is read row by row, two or three times: to learn what every column holds, which words the columns of text have, and to
fill the arrays. So only the numbers are ever in memory, once, and never the text.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.columns import MOST_COMPLAINTS, ColumnScan, LabelScan, Words, listed, refuse_columns
from edgesoft.data.dataset import Dataset, Split
from edgesoft.data.settings import DataSettings
from edgesoft.data.splits import check_classes, check_doubles
from edgesoft.data.table_files import SplitFiles, TableFile, check_first_line, open_tables, table_name
from edgesoft.errors import UsageError
from edgesoft.model.inputs import TableInput
from edgesoft.names import same
from edgesoft.tables.records import Record
from edgesoft.tables.rows import hint_of_row
from edgesoft.tables.spec import MOST_FEATURES, Column, TableError

MEMORY_LIMIT = 4 * 2**30
"""Largest sum of the arrays made, in bytes."""

Numbers = NDArray[np.float32]


def load_table(path: Path, options: DataSettings) -> Dataset:
    """Read a table, check it, and divide its rows.

    Raises
    ------
    EdgesoftError
        The file cannot be read, is too large, or rows or columns are not what they must be: the message tells the first ones and counts
        the others.
    UsageError
        The label column was not named, or a column of that name does not exist.
    """
    options.refuse("a table", "size", "colour", "root", "download")
    return read_tables(open_tables(path, options), path, options)


def read_tables(files: Mapping[str, TableFile], path: Path, options: DataSettings) -> Dataset:
    """As `load_table`, of tables that are open already: "train", and perhaps "validation" and "test"."""
    names = files["train"].names
    target = _find_column(options.target, names, path)
    ignored = {_find_column(name, names, path) for name in options.ignore_columns}
    if target in ignored:
        raise UsageError(
            f"{path}: --ignore-columns leaves out {names[target]!r}, which --target names. Choose one of them"
        )
    places = [place for place in range(len(names)) if place != target and place not in ignored]
    if not places:
        raise TableError(f"{path}: has no column besides the labels. Expected at least one column of features")
    if len(places) > MOST_FEATURES:
        raise TableError(
            f"{path}: has {len(places):,} columns. Expected at most {MOST_FEATURES:,}: leave some of them out"
        )
    rows = SplitFiles(files, [target, *places])
    rows.notes += check_first_line(files["train"], target, places)
    table = _Table(path, rows, target, places, LabelScan(names[target]), [ColumnScan(names[p]) for p in places])
    return table.load(options)


def _find_column(name: str | None, names: Sequence[str], path: Path) -> int:
    if name is None:
        raise UsageError(f"{path}: which column holds the labels? Say --target NAME. There are {_shortened(names)}")
    alike = [same(known) for known in names]
    if same(name) not in alike:
        close = difflib.get_close_matches(name, names, 1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are {_shortened(names)}"
        raise UsageError(f"{path}: has no column {name!r}. {hint}{hint_of_row(names)}")
    return alike.index(same(name))


@dataclass
class _Table:
    """One file while it is read."""

    path: Path
    rows: SplitFiles
    target: int
    places: Sequence[int]
    """Of the columns that become features."""
    label: LabelScan
    scans: Sequence[ColumnScan]
    """What each of these columns holds."""
    words: dict[int, Words] = field(default_factory=dict)
    """Index of a text column among them -> its values."""

    def load(self, options: DataSettings) -> Dataset:
        """Read the rows, check them and divide them."""
        self._scan()
        labels = self.label.labels(self.path)
        refuse_columns([(scan.name, text) for scan in self.scans if (text := scan.complaint()) is not None], self.path)
        order = {self.label.values[label]: index for index, label in enumerate(labels)}
        targets = np.array([order[code] for code in range(len(order))])[np.asarray(self.label.codes)].astype(np.int64)
        parts = self.rows.divided(targets, labels, options)
        notes = check_classes({name: targets[part] for name, part in parts.items()}, labels, self.path)
        self._collect(parts["train"])
        columns = [
            Column(scan.name, self.words[index].vocabulary if index in self.words else None)
            for index, scan in enumerate(self.scans)
        ]
        spec = TableInput(tuple(columns))  # refuses too many features
        if 4 * len(targets) * math.prod(spec.shape) > MEMORY_LIMIT:
            raise TableError(
                f"{self.path}: its {len(targets):,} rows would take more than {MEMORY_LIMIT / 2**30:.0f} GB of memory. "
                "Take a sample of the rows"
            )
        inputs, unseen = self._fill(columns, parts)
        splits = {name: Split(inputs[name], targets[part]) for name, part in parts.items()}
        spec = spec.fitted(splits["train"].inputs)
        notes += (
            self.rows.notes + unseen + check_doubles(splits) + check_features(splits["train"].inputs, spec.features)
        )
        return Dataset.of(table_name(self.path), labels, spec, splits, warnings=notes)

    def _records(self) -> Iterator[Record]:
        return iter(self.rows)

    def _scan(self) -> None:
        """The first pass: what every column holds, the label of every row, and which rows cannot be read."""
        complaints, count, total = list[str](), 0, 0
        for record in self._records():
            total += 1
            if record.error is not None:
                count += 1
                if count <= MOST_COMPLAINTS:
                    complaints.append(f"line {record.line}: {record.error}")
                continue
            cells = record.cells
            self.label.see(record.line, cells[self.target])
            for scan, place in zip(self.scans, self.places, strict=True):
                scan.see(record.line, cells[place])
        if count:
            those = "the rows that cannot be read" if count > 1 else "it"
            what = f"{count:,} of {total:,} rows cannot be read" if count > 1 else "a row cannot be read"
            raise TableError(f"{self.path}: {what}: {listed(complaints, count)}. Correct or remove {those}")

    def _collect(self, training: NDArray[np.int64]) -> None:
        """The second pass, where there are columns of text: their values."""
        self.words = {index: Words(scan) for index, scan in enumerate(self.scans) if not scan.is_numeric}
        if not self.words:
            return
        is_training = np.zeros(self.label.rows, np.bool_)
        is_training[training] = True
        watched = [(self.places[index], words) for index, words in self.words.items()]
        count = len(self.scans) - len(watched)
        try:
            for row, record in enumerate(self._records()):
                for place, words in watched:
                    count += words.see(record.line, record.cells[place], is_training=bool(is_training[row]))
                if count > 2 * MOST_FEATURES:  # fewer are counted once it is known which of them the training rows have
                    raise TableError(
                        f"{self.path}: its columns of text hold more than {count - 1:,} values. Leave some out"
                    )
        except IndexError:
            raise self._changed() from None
        refuse_columns(
            [(words.scan.name, text) for words in self.words.values() if (text := words.complaint()) is not None],
            self.path,
        )

    def _fill(
        self, columns: Sequence[Column], parts: Mapping[str, NDArray[np.int64]]
    ) -> tuple[dict[str, Numbers], list[str]]:
        """The last pass: float32 `[n, features]` of every split, and what their text columns hold that no training row has."""
        width = sum(column.width for column in columns)
        inputs = {name: np.zeros((len(part), width), np.float32) for name, part in parts.items()}
        homes: list[tuple[str, int]] = [("", 0)] * self.label.rows
        for name, part in parts.items():
            for position, row in enumerate(part.tolist()):
                homes[row] = (name, position)
        starts = np.cumsum([0, *(column.width for column in columns)])[:-1]
        is_text = np.array([column.vocabulary is not None for column in columns])
        number_places, number_starts = np.array(self.places)[~is_text].tolist(), starts[~is_text]
        text = [(self.places[index], int(starts[index]), columns[index]) for index in np.flatnonzero(is_text).tolist()]
        unseen: dict[tuple[str, str], tuple[int, str]] = {}
        try:
            for (name, position), record in zip(homes, self._records(), strict=True):
                numbers, cells = inputs[name][position], record.cells
                numbers[number_starts] = [float(cells[place]) for place in number_places]
                for place, start, column in text:
                    word = same(cells[place])
                    if word in column.codes:
                        numbers[start + column.codes[word]] = 1
                    else:
                        count, first = unseen.get((column.name, name), (0, word))
                        unseen[column.name, name] = (count + 1, first)
        except (ValueError, IndexError):
            raise self._changed() from None
        order = [(column.name, name) for _, _, column in text for name in ("validation", "test")]
        return inputs, [
            f"{unseen[key][0]:,} of {len(parts[key[1]]):,} {key[1]} rows hold a value in column {key[0]!r} that no training row has "
            f"(such as {unseen[key][1]!r}): read as none of the known values"
            for key in order
            if key in unseen
        ]

    def _changed(self) -> TableError:
        return TableError(f"{self.path}: changed while it was read. Try again")


def check_features(inputs: NDArray[np.float32], features: Sequence[str]) -> list[str]:
    """Say which numeric features teach nothing, or less than their numbers held.

    Parameters
    ----------
    inputs
        float32 `[n, features]`, the training split, raw.
    features
        Their names.
    """
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    resolution = np.spacing(np.maximum(np.abs(low), np.abs(high)))
    constant = [name for name, a, b in zip(features, low, high, strict=True) if a == b]
    coarse = [name for name, a, b, step in zip(features, low, high, resolution, strict=True) if 0 < b - a < 256 * step]
    notes = []
    if constant:
        notes.append(f"features that never change in the training split and teach nothing: {_shortened(constant)}")
    if coarse:
        notes.append(
            "features that are large numbers with small differences, which float32 cannot tell apart well: "
            f"{_shortened(coarse)}. Subtract an offset from them first"
        )
    return notes


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown}, ... ({len(names)} in all)"
