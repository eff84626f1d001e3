"""What the columns of a table hold: numbers or words, and what is wrong with them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgesoft.data.labels import in_order
from edgesoft.data.splits import MOST_CLASSES
from edgesoft.names import fault, flaw, quoted
from edgesoft.tables.spec import LARGEST_TO_LEARN, MISSING, TableError, parse_number, shown

MOST_VALUES = MOST_CLASSES
"""Different values that a text column may have, as many as the label column."""
MOSTLY = 0.9
"""From this share of numbers on, a column with a few words is a column of numbers with mistakes."""
MOST_COMPLAINTS = 5
"""Complaints that one message tells; it counts the others."""
NO_LABEL = frozenset({"", "?", "nan"})
"""What stands in a label column of words where a label is missing, in lower case: "none" may be a class."""
LONGEST_MISSING = max(map(len, MISSING))


@dataclass
class ColumnScan:
    """What one column holds, as far as it was seen."""

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

    @property
    def is_numeric(self) -> bool:
        """Whether every cell that holds anything holds a number."""
        return self.words == 0 and self.numbers > 0

    def see(self, line: int, cell: str) -> None:
        """Take one more cell into account."""
        self.rows += 1
        try:
            size = abs(parse_number(cell))
        except ValueError:
            size = math.nan
            if len(cell) > LONGEST_MISSING or cell.lower() not in MISSING:
                self.first_word = self.first_word if self.words else (line, cell)
                self.words += 1
                return
        if size <= LARGEST_TO_LEARN:
            self.numbers += 1
        elif math.isnan(size):
            self.first_missing = self.first_missing or line
            self.missing += 1
            self.empty += not cell
        else:
            self.numbers += 1
            self.first_infinite = self.first_infinite or line
            self.infinite += 1

    def complaint(self) -> str | None:
        """What is wrong with a column of features; None where nothing is."""
        if self.words and self.numbers >= MOSTLY * (self.words + self.numbers):
            line, word = self.first_word
            return f"column {self.name!r} holds numbers, but {shown(word)} in line {line} ({self.words:,} such rows)"
        missing = self.missing if self.words == 0 else self.empty  # in a column of words, "none" is a word
        if missing:
            return f"{missing:,} of {self.rows:,} rows have no value in column {self.name!r} (first: line {self.first_missing})"
        if self.is_numeric and self.infinite:
            return (
                f"{self.infinite:,} of {self.rows:,} rows hold an infinite or too large number in column {self.name!r} "
                f"(first: line {self.first_infinite})"
            )
        return None


@dataclass
class LabelScan(ColumnScan):
    """What the label column holds: also its values, and which of them each row has."""

    has_fraction: bool = False
    values: dict[str, int] = field(default_factory=dict)
    """Value -> its number, in the order in which they came; no more than one beyond `MOST_VALUES`."""
    codes: array[int] = field(default_factory=lambda: array("i"))
    """The number of each row's value."""
    unlabelled: int = 0
    """Rows whose word says that there is no label."""
    first_unlabelled: int = 0
    first_flaw: str | None = None
    """Where the first label stands that can be no name, and what is wrong with it."""

    def see(self, line: int, cell: str) -> None:
        """Take one more label into account."""
        super().see(line, cell)
        if len(cell) <= LONGEST_MISSING and cell.lower() in NO_LABEL:
            self.first_unlabelled = self.first_unlabelled or line
            self.unlabelled += 1
        if cell not in self.values and len(self.values) <= MOST_VALUES:
            self.first_flaw = self.first_flaw or _flaw(line, "label", cell)
            self.values[cell] = len(self.values)
            self.has_fraction |= self.words == 0 and not self.missing and not float(cell).is_integer()
        self.codes.append(self.values.get(cell, -1))

    def labels(self, path: Path) -> tuple[str, ...]:
        """The class names: numbers in their order, words in theirs."""
        if self.infinite and self.words == 0:
            raise TableError(f"{path}: {self.complaint()}. Correct these labels, or remove these rows")
        unlabelled, first = (
            (self.missing, self.first_missing) if self.words == 0 else (self.unlabelled, self.first_unlabelled)
        )
        if unlabelled:
            raise TableError(
                f"{path}: {unlabelled:,} of {self.rows:,} rows have no label in column {self.name!r} (first: line {first}). "
                "Fill them in or remove these rows"
            )
        kinds = len(self.values)
        if kinds > MOST_VALUES or (self.is_numeric and (self.has_fraction or kinds > max(20, self.rows // 10))):
            many = f"more than {MOST_VALUES:,}" if kinds > MOST_VALUES else str(kinds)
            raise TableError(
                f"{path}: column {self.name!r} holds {many} different {'numbers' if self.is_numeric else 'values'} in {self.rows:,} rows. "
                "That is a quantity, not a class. Name the label column: --target NAME"
            )
        wrong = self.first_flaw or fault(sorted(self.values), "label")
        if wrong is not None:
            raise TableError(f"{path}: column {self.name!r}: {wrong}. Correct it in the file")
        try:
            return in_order(self.values, numeric=self.is_numeric)
        except ValueError as error:
            raise TableError(f"{path}: column {self.name!r}: {error}. Write one of them in the file") from None


@dataclass
class Words:
    """The values of a text column, and which of them a model learns: the test split must not teach the vocabulary."""

    scan: ColumnScan
    seen: dict[str, bool] = field(default_factory=dict)
    """Value -> whether a training row has it; no more than one beyond `MOST_VALUES`."""
    first_flaw: str | None = None
    """Where the first value stands that can be no name, and what is wrong with it."""

    def see(self, line: int, cell: str, *, is_training: bool) -> bool:
        """Take one more cell into account; whether its value was added to those known."""
        if cell in self.seen:
            self.seen[cell] |= is_training
            return False
        if len(self.seen) > MOST_VALUES:
            return False
        self.first_flaw = self.first_flaw or _flaw(line, "value", cell)
        self.seen[cell] = is_training
        return True

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The values of the training rows, in their order."""
        return tuple(sorted(word for word, is_known in self.seen.items() if is_known))

    def complaint(self) -> str | None:
        """What is wrong with the column; None where nothing is."""
        rows, kinds = self.scan.rows, len(self.seen)
        if kinds <= min(MOST_VALUES, max(20, rows // 2)):
            wrong = self.first_flaw or fault(sorted(self.seen), "value")
            return None if wrong is None else f"column {self.scan.name!r}: {wrong}"
        many = f"more than {MOST_VALUES:,}" if kinds > MOST_VALUES else str(kinds)
        return (
            f"text column {self.scan.name!r} holds {many} different values in {rows:,} rows, such as "
            f"{shown(self.scan.first_word[1])}: these are no categories"
        )


def _flaw(line: int, what: str, cell: str) -> str | None:
    wrong = flaw(cell)
    return None if wrong is None else f"line {line}: {what} {quoted(cell)} {wrong}"


def refuse_columns(complaints: Sequence[tuple[str, str]], path: Path) -> None:
    """Say what is wrong with all columns at once.

    Parameters
    ----------
    complaints
        Name of the column, and what is wrong with it.
    path
        The file.

    Raises
    ------
    TableError
        There is a complaint.
    """
    if complaints:
        shown = complaints[:MOST_COMPLAINTS]
        names = ",".join(name for name, _ in shown)
        raise TableError(
            f"{path}: {listed([text for _, text in complaints])}. Correct these rows, or leave out: --ignore-columns {names}"
        )


def listed(complaints: Sequence[str], count: int | None = None) -> str:
    """The first complaints in one line, and how many more there are of `count`."""
    more = (len(complaints) if count is None else count) - MOST_COMPLAINTS
    return "; ".join([*complaints[:MOST_COMPLAINTS], *([f"and {more:,} more"] if more > 0 else [])])
