"""Tables: a CSV, TSV or Parquet file, one column of which holds the labels.

The rows are gone through block by block, two or three times: to learn what every column holds, which words the columns of text have, and
to fill the arrays. A large file is read each time, so that only its numbers are ever in memory, once, and never its text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.codes import check_codes
from edgesoft.data.columns import ColumnScan, LabelScan, plain_numbers
from edgesoft.data.complaints import MOST_COMPLAINTS, Complaints
from edgesoft.data.dataset import Dataset, Split
from edgesoft.data.settings import DataSettings
from edgesoft.data.splits import check_classes, check_doubles
from edgesoft.data.table_files import SplitFiles, TableFile, check_first_line, open_tables, table_name
from edgesoft.errors import UsageError
from edgesoft.model.inputs import TableInput
from edgesoft.tables.column import PLAIN
from edgesoft.tables.rows import find_column, shortened
from edgesoft.tables.spec import MOST_FEATURES, Column, TableError
from edgesoft.tables.values import MISSING_WORDS, TruthForm, is_missing

MEMORY_LIMIT = 4 * 2**30
"""Largest sum of the arrays made, in bytes."""
ENOUGH_MISSING = 10
"""Training rows without a number from which on a feature of its own says so: fewer teach nothing about what that means."""

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
    if options.target is None:
        raise UsageError(f"{path}: which column holds the labels? Say --target NAME. There are {shortened(names)}")
    target = find_column(options.target, names, path)
    ignored = {find_column(name, names, path) for name in options.ignore_columns}
    categorical = {find_column(name, names, path) for name in options.categorical}
    for option, chosen in (("--ignore-columns", ignored), ("--categorical", categorical)):
        if target in chosen:
            raise UsageError(f"{path}: {option} holds {names[target]!r}, which --target names. Choose one of them")
    places = [place for place in range(len(names)) if place != target and place not in ignored]
    if not places:
        raise TableError(f"{path}: has no column besides the labels. Expected at least one column of features")
    if len(places) > MOST_FEATURES:
        raise TableError(
            f"{path}: has {len(places):,} columns. Expected at most {MOST_FEATURES:,}: leave some of them out"
        )
    rows = SplitFiles(files, [target, *places])
    rows.notes += check_first_line(files["train"], target, places)
    scans = [ColumnScan(names[place], place in categorical) for place in places]
    return _Table(path, rows, target, places, LabelScan(names[target]), scans).load(options)


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
    notes: list[str] = field(default_factory=list)
    """What is odd, one sentence each."""

    def load(self, options: DataSettings) -> Dataset:
        """Read the rows, check them and divide them."""
        self._check(options)
        labels, targets = self.label.labels(), self.label.targets()
        parts = self.rows.divided(targets, labels, options)
        self.notes += check_classes({name: targets[part] for name, part in parts.items()}, labels, self.path)
        columns = self._collect(parts["train"], options)
        spec = TableInput(tuple(columns))  # refuses too many features
        if 4 * len(targets) * math.prod(spec.shape) > MEMORY_LIMIT:
            raise TableError(
                f"{self.path}: its {len(targets):,} rows would take more than {MEMORY_LIMIT / 2**30:.0f} GB of memory. "
                "Take a sample of the rows"
            )
        if odd := [
            f"{column.name} ({column.form.expected})" for column in columns if column.form not in (PLAIN, TruthForm())
        ]:
            self.notes.append(f"columns with a form of their own, of which a device needs the same: {shortened(odd)}")
        inputs = self._fill(columns, parts)
        spec = spec.fitted(inputs["train"])
        for part in inputs.values():
            spec.fill_gaps(part)
        splits = {name: Split(inputs[name], targets[part]) for name, part in parts.items()}
        widths = [column.width for column in columns]
        self.notes += check_doubles(splits, self.path, widths) + check_features(splits["train"].inputs, spec.features)
        if zeros := [scan.name for scan in self.scans if scan.is_numeric and scan.leading_zero]:
            names = ",".join(zeros)
            self.notes.append(
                f"columns whose numbers begin with zeros, as codes do: {names}. If so: --categorical {names}"
            )
        self.notes += check_codes(splits["train"], columns, [scan.is_whole for scan in self.scans], self.label.rows)
        return Dataset.of(table_name(self.path), labels, spec, splits, warnings=[*self.rows.notes, *self.notes])

    def _check(self, options: DataSettings) -> None:
        """The first pass: what every column holds, the label of every row, and which rows cannot be read."""
        complaints = Complaints(self.path, options)
        total, unread, first_unread = 0, 0, list[str]()
        for block in self.rows.blocks():
            total += len(block.lines) + len(block.wrong)
            unread += len(block.wrong)
            first_unread += [
                f"line {record.line}: {record.error}" for record in block.wrong[: MOST_COMPLAINTS - len(first_unread)]
            ]
            if block.lines:
                self.label.see(block.lines, block.columns[self.target])
                for scan, place in zip(self.scans, self.places, strict=True):
                    scan.see(block.lines, block.columns[place])
        complaints.of_rows(unread, total, first_unread)
        if self.label.rows:
            complaints.of_labels(self.label.complaint())
            self._leave_out()
            if not self.scans:
                complaints.sentences.append("no column holds features. Expected at least one besides the labels")
            for scan, place in zip(self.scans, self.places, strict=True):
                complaints.of_column(scan, place)
        complaints.refuse()
        if self.label.missing:
            self.notes.append(
                f"{self.label.unlabelled()}: left out. If this names a class, write it in another way"
                if any(self.label.unlabelled_words)
                else f"{self.label.unlabelled()}: left out"
            )

    def _leave_out(self) -> None:
        """Leave out the columns that hold nothing, and the one that only numbers the rows."""
        empty, left = list[str](), list[int]()
        for index, (scan, place) in enumerate(zip(self.scans, self.places, strict=True)):
            if not scan.held:
                empty.append(scan.name or f"column {place + 1}")
            elif scan.is_index and (scan.name or place == 0):
                what = f"column {scan.name!r}" if scan.name else "the first column, which has no name,"
                self.notes.append(f"{what} numbers or names the rows, as an index does: left out")
            else:
                left.append(index)
        if empty:
            self.notes.append(f"columns that hold no value are left out: {shortened(empty)}")
        self.scans, self.places = [self.scans[index] for index in left], [self.places[index] for index in left]

    def _collect(self, training: NDArray[np.int64], options: DataSettings) -> list[Column]:
        """The columns as the model takes them. A second pass, where there is text or a gap: what the training rows hold of them.

        NaN stands for the medians, which are known once the rows are.
        """
        forms = [scan.form for scan in self.scans]
        words: dict[int, set[str]] = {index: set() for index, form in enumerate(forms) if form is None}
        gaps = dict.fromkeys((index for index, form in enumerate(forms) if form and self.scans[index].missing), 0)
        if (count := sum(len(self.scans[index].values) for index in words)) > 2 * MOST_FEATURES:
            raise TableError(f"{self.path}: its columns of text hold more than {count - 1:,} values. Leave some out")
        is_training = np.zeros(self.label.rows, np.bool_)
        is_training[training] = True
        for block in self.rows.blocks() if words or gaps else ():
            chosen = is_training[block.first : block.first + len(block.lines)].tolist()
            for index, known in words.items():
                known.update(compress(block.columns[self.places[index]], chosen))
            for index in gaps:
                gaps[index] += sum(map(is_missing, compress(block.columns[self.places[index]], chosen)))
        complaints, columns = Complaints(self.path, options), list[Column]()
        for index, (scan, form) in enumerate(zip(self.scans, forms, strict=True)):
            if form is None:
                values = sorted(word for word in words[index] if not is_missing(word, MISSING_WORDS))
                columns.append(Column(scan.name, tuple(values), marks_missing=len(values) < len(words[index])))
                if not values:
                    complaints.of_column(
                        scan, self.places[index], f"no training row holds a value in column {scan.name!r}"
                    )
                continue
            if gaps.get(index) == len(training):
                complaints.of_column(
                    scan, self.places[index], f"no training row holds a number in column {scan.name!r}"
                )
            elif gaps.get(index) == 0:
                self.notes.append(
                    f"column {scan.name!r} lacks a number in {scan.missing:,} rows, none of which is a training row: they get the median"
                )
            fill = (math.nan,) * len(form.parts) if index in gaps else None
            columns.append(Column(scan.name, form=form, fill=fill, marks_missing=gaps.get(index, 0) >= ENOUGH_MISSING))
        complaints.refuse()
        return columns

    def _fill(self, columns: Sequence[Column], parts: Mapping[str, NDArray[np.int64]]) -> dict[str, Numbers]:
        """The last pass: float32 `[n, features]` of every split, with NaN where a number is missing."""
        width = sum(column.width for column in columns)
        inputs = {name: np.zeros((len(part), width), np.float32) for name, part in parts.items()}
        starts = np.cumsum([0, *(column.width for column in columns)]).tolist()
        unseen: dict[tuple[str, str], tuple[int, str]] = {}
        rows = 0
        for block in self.rows.blocks():
            rows += len(block.lines)
            for name, part in parts.items():
                low, high = np.searchsorted(part, (block.first, block.first + len(block.lines))).tolist()
                chosen = (part[low:high] - block.first).tolist()
                if not chosen:
                    continue
                for column, place, start in zip(columns, self.places, starts, strict=False):
                    cells = [*map(block.columns[place].__getitem__, chosen)]
                    target = inputs[name][low:high, start : start + column.width]
                    if column.vocabulary is None:
                        target[:] = self._numbers(column, cells)
                    else:
                        strange = _mark(column, cells, target)
                        if strange:
                            count, first = unseen.get((column.name, name), (0, strange[0]))
                            unseen[column.name, name] = (count + len(strange), first)
        if rows != self.label.rows:
            raise self._changed()
        order = [(column.name, name) for column in columns for name in ("validation", "test")]
        self.notes += [
            f"{unseen[key][0]:,} of {len(parts[key[1]]):,} {key[1]} rows hold a value in column {key[0]!r} that no training row has "
            f"(such as {unseen[key][1]!r}): read as none of the known values"
            for key in order
            if key in unseen
        ]
        return inputs

    def _numbers(self, column: Column, cells: Sequence[str]) -> NDArray[np.float64]:
        """The features of a column that holds numbers, float64 `[n, width]`, as `Column.numbers` makes them."""
        numbers = plain_numbers(cells) if column.is_plain else None
        try:
            if numbers is None:
                known = {cell: column.numbers(cell) for cell in set(cells)}
                return np.array([known[cell] for cell in cells], np.float64)
        except TableError:
            raise self._changed() from None
        gaps = np.isnan(numbers)
        if gaps.any() and column.fill is None:
            raise self._changed()
        return np.stack([numbers, gaps], axis=1) if column.marks_missing else numbers[:, np.newaxis]

    def _changed(self) -> TableError:
        return TableError(f"{self.path}: changed while it was read. Try again")


def _mark(column: Column, cells: Sequence[str], target: Numbers) -> list[str]:
    """Set the feature of every cell's value to 1 in `target`, float32 `[n, width]`; the cells whose value is unknown."""
    known = {cell: column.code(cell) for cell in set(cells)}
    codes = [known[cell] for cell in cells]
    rows = [row for row, code in enumerate(codes) if code is not None]
    target[rows, [code for code in codes if code is not None]] = 1
    return [cell for cell, code in zip(cells, codes, strict=True) if code is None]


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
        notes.append(f"features that never change in the training split and teach nothing: {shortened(constant)}")
    if coarse:
        notes.append(
            "features that are large numbers with small differences, which float32 cannot tell apart well: "
            f"{shortened(coarse)}. Subtract an offset from them first"
        )
    return notes
