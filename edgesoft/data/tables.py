"""Tables: a CSV, TSV or Parquet file, one column of which holds the labels.

The file is read twice, row by row: first to learn what every column holds, then to fill the arrays. So only the numbers are ever in
memory, not the text.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.dataset import Dataset, Split
from edgesoft.data.settings import DataSettings
from edgesoft.data.splits import check_classes, check_doubles, divide
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.model.inputs import TableInput
from edgesoft.tables.rows import Record, check_heading, check_record, read_records
from edgesoft.tables.spec import MISSING, Column, TableError

FILE_LIMIT = 2 * 2**30
"""Largest text file read, in bytes."""
MEMORY_LIMIT = 4 * 2**30
"""Largest array made, in bytes."""
MOST_VALUES = 1000
"""Different values that a text column or the label column may have."""
MOSTLY = 0.9
"""From this share of numbers on, a column with a few words is a column of numbers with mistakes."""

Rows = Callable[[], Iterator[Record]]
Values = NDArray[Any]  # float32 numbers, or int32 codes of words


def load_table(path: Path, options: DataSettings) -> Dataset:
    """Read a table, check it, and divide its rows.

    Raises
    ------
    EdgesoftError
        The file cannot be read, is too large, or a column is not what it must be: the message says which row and column.
    UsageError
        The label column was not named, or a column of that name does not exist.
    """
    options.refuse("a table", "size", "colour", "root", "download")
    rows = _parquet_rows(path) if path.suffix.lower() in (".parquet", ".pq") else _text_rows(path)
    names = next(rows(), Record(0, [])).cells
    if not names:
        raise TableError(f"{path}: the file is empty. Expected a heading and one row an example")
    check_heading(names, path)
    target = _find_column(options.target, names, path)
    ignored = {_find_column(name, names, path) for name in options.ignore_columns}
    scans = _scan(rows, names, path)
    taken = [scan for place, scan in enumerate(scans) if place != target and place not in ignored]
    if not taken:
        raise TableError(f"{path}: has no column besides the labels. Expected at least one column of features")
    labels = _labels(scans[target], path)
    for scan in taken:
        _check_column(scan, path)
    count = scans[target].rows
    if 4 * count * sum(1 if scan.is_numeric else len(scan.values or ()) for scan in taken) > MEMORY_LIMIT:
        raise TableError(
            f"{path}: its {count:,} rows would take more than {MEMORY_LIMIT / 2**30:.0f} GB of memory. Take a sample of the rows"
        )
    targets, columns = _fill(rows, labels, scans, taken, target, path)
    return _divided(path, labels, targets, taken, columns, options)


def _find_column(name: str | None, names: Sequence[str], path: Path) -> int:
    if name is None:
        raise UsageError(f"{path}: which column holds the labels? Say --target NAME. There are {_shortened(names)}")
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are {_shortened(names)}"
        raise UsageError(f"{path}: has no column {name!r}. {hint}")
    return names.index(name)


def _text_rows(path: Path) -> Rows:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0  # opening it will say why
    if size > FILE_LIMIT:
        raise TableError(
            f"{path}: {size / 1e9:.1f} GB is more than a table may have ({FILE_LIMIT / 1e9:.1f} GB), because its numbers must fit "
            "into memory. Take a sample of the rows, or save it as .parquet"
        )
    return lambda: read_records(path)


def _parquet_rows(path: Path) -> Rows:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise EdgesoftError(f"{path}: reading Parquet needs pyarrow. Install it: pip install pyarrow") from None

    def rows() -> Iterator[Record]:
        try:
            with parquet.ParquetFile(path) as file:
                yield Record(0, list(file.schema_arrow.names))
                line = 0
                for batch in file.iter_batches():
                    for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        line += 1
                        yield Record(line, ["" if value is None else str(value) for value in values])
        except (ArrowException, OSError) as error:
            raise TableError(f"{path}: cannot be read as Parquet ({' '.join(str(error).split())})") from error

    return rows


@dataclass
class _Scan:
    """What one column holds."""

    name: str
    rows: int = 0
    numbers: int = 0
    words: int = 0
    """Cells that are neither a number nor missing."""
    first_word: tuple[int, str] = (0, "")
    missing: int = 0
    first_missing: int = 0
    empty: int = 0
    infinite: int = 0
    first_infinite: int = 0
    has_fraction: bool = False
    values: set[str] | None = field(default_factory=set)
    """The different values; None when there are more than `MOST_VALUES`."""

    @property
    def is_numeric(self) -> bool:
        return self.words == 0 and self.numbers > 0

    def see(self, line: int, cell: str) -> None:
        self.rows += 1
        if self.values is not None:
            self.values.add(cell)
            if len(self.values) > MOST_VALUES:
                self.values = None
        if cell.lower() in MISSING:
            self.first_missing = self.first_missing or line
            self.missing += 1
            self.empty += not cell
            return
        try:
            value = np.float32(float(cell))
        except (ValueError, OverflowError):
            self.first_word = self.first_word if self.words else (line, cell)
            self.words += 1
            return
        self.numbers += 1
        if not np.isfinite(value):
            self.first_infinite = self.first_infinite or line
            self.infinite += 1
        elif not self.has_fraction:
            self.has_fraction = not float(cell).is_integer()


def _scan(rows: Rows, names: Sequence[str], path: Path) -> list[_Scan]:
    scans = [_Scan(name) for name in names]
    records = rows()
    next(records)
    with np.errstate(over="ignore"):  # a number beyond float32 is counted as infinite
        for record in records:
            try:
                check_record(record, len(names))
            except TableError as error:
                raise TableError(f"{path}: line {record.line}: {error}") from None
            for scan, cell in zip(scans, record.cells, strict=True):
                scan.see(record.line, cell)
    if not scans[0].rows:
        raise TableError(f"{path}: has a heading but no rows. Expected one row an example")
    return scans


def _labels(scan: _Scan, path: Path) -> tuple[str, ...]:
    """The class names: numbers in their order, words in theirs."""
    if scan.empty:
        raise TableError(
            f"{path}: {scan.empty:,} of {scan.rows:,} rows have no label in column {scan.name!r} (first: line {scan.first_missing}). "
            "Fill them in or remove these rows"
        )
    kinds = len(scan.values or ())
    if scan.values is None or (scan.is_numeric and (scan.has_fraction or kinds > max(20, scan.rows // 10))):
        many = f"more than {MOST_VALUES:,}" if scan.values is None else str(kinds)
        raise TableError(
            f"{path}: column {scan.name!r} holds {many} different {'numbers' if scan.is_numeric else 'values'} in {scan.rows:,} rows. "
            "That is a quantity, not a class. Name the label column: --target NAME"
        )
    return tuple(sorted(scan.values, key=(lambda text: (float(text), text)) if scan.is_numeric else None))


def _check_column(scan: _Scan, path: Path) -> None:
    without = f"or leave the column out: --ignore-columns {scan.name}"
    if scan.words and scan.numbers >= MOSTLY * (scan.words + scan.numbers):
        line, word = scan.first_word
        raise TableError(
            f"{path}: column {scan.name!r} holds numbers, but {word!r} in line {line} ({scan.words:,} such rows). Correct them, {without}"
        )
    missing = scan.missing if scan.words == 0 else scan.empty  # in a column of words, "none" is a word
    if missing:
        raise TableError(
            f"{path}: {missing:,} of {scan.rows:,} rows have no value in column {scan.name!r} (first: line {scan.first_missing}). "
            f"Fill them in, remove these rows, {without}"
        )
    if scan.is_numeric and scan.infinite:
        raise TableError(
            f"{path}: {scan.infinite:,} of {scan.rows:,} rows hold an infinite or too large number in column {scan.name!r} "
            f"(first: line {scan.first_infinite}). Correct them, {without}"
        )
    if not scan.is_numeric and (scan.values is None or len(scan.values) > max(20, scan.rows // 2)):
        many = f"more than {MOST_VALUES:,}" if scan.values is None else str(len(scan.values))
        raise TableError(
            f"{path}: text column {scan.name!r} holds {many} different values in {scan.rows:,} rows, such as {scan.first_word[1]!r}: "
            f"these are no categories. Leave it out: --ignore-columns {scan.name}"
        )


def _fill(
    rows: Rows, labels: Sequence[str], scans: Sequence[_Scan], taken: Sequence[_Scan], target: int, path: Path
) -> tuple[NDArray[np.int64], list[Values]]:
    """The second pass: targets int64 `[n]`, and for every column taken its numbers float32 `[n]` or codes int32 `[n]`."""
    count = scans[target].rows
    targets = np.empty(count, np.int64)
    codes = {label: index for index, label in enumerate(labels)}
    places = [scans.index(scan) for scan in taken]
    readers: list[Callable[[str], float]] = [
        float if scan.is_numeric else {word: code for code, word in enumerate(sorted(scan.values or ()))}.__getitem__
        for scan in taken
    ]
    columns: list[Values] = [np.empty(count, np.float32 if scan.is_numeric else np.int32) for scan in taken]
    records = rows()
    next(records)
    try:
        for index, record in enumerate(records):
            targets[index] = codes[record.cells[target]]
            for column, place, read in zip(columns, places, readers, strict=True):
                column[index] = read(record.cells[place])
    except (KeyError, ValueError, IndexError):
        raise TableError(f"{path}: changed while it was read. Try again") from None
    return targets, columns


def _divided(
    path: Path,
    labels: tuple[str, ...],
    targets: NDArray[np.int64],
    scans: Sequence[_Scan],
    columns: Sequence[Values],
    options: DataSettings,
) -> Dataset:
    parts = divide(targets, options, has_validation=False, has_test=False)
    notes = check_classes({name: targets[part] for name, part in parts.items()}, labels, path)
    described, encoded = [], []
    for scan, values in zip(scans, columns, strict=True):
        if scan.is_numeric:
            described.append(Column(scan.name))
            encoded.append(values[:, np.newaxis])
            continue
        words = sorted(scan.values or ())
        known = np.unique(values[parts["train"]])  # the test split must not teach the vocabulary
        described.append(Column(scan.name, tuple(words[code] for code in known)))
        encoded.append((values[:, np.newaxis] == known).astype(np.float32))
        for name in ("validation", "test"):
            unseen = ~np.isin(values[parts[name]], known)
            if unseen.any():
                example = words[values[parts[name]][unseen][0]]
                notes.append(
                    f"{unseen.sum():,} of {len(unseen):,} {name} rows hold a value in column {scan.name!r} that no training row has "
                    f"(such as {example!r}): read as none of the known values"
                )
    inputs = np.ascontiguousarray(np.concatenate(encoded, axis=1), np.float32)
    splits = {name: Split(inputs[part], targets[part]) for name, part in parts.items()}
    spec = TableInput(tuple(described)).fitted(splits["train"].inputs)
    notes += check_doubles(splits) + check_features(splits["train"].inputs, spec.features)
    return Dataset.of(path.stem, labels, spec, splits, warnings=notes)


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
