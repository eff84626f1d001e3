"""What the columns of a table hold: numbers, dates, words ..., and what is wrong with them."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgesoft.data.forms import FormScan
from edgesoft.data.labels import in_order
from edgesoft.data.splits import MOST_CLASSES
from edgesoft.names import fault, flaw, quoted
from edgesoft.tables.column import PLAIN, shown
from edgesoft.tables.spec import LARGEST_TO_LEARN
from edgesoft.tables.values import LONGEST_NUMBER, MISSING, MISSING_WORDS, Form, is_missing, parse_number

MOST_VALUES = MOST_CLASSES
"""Different values that a text column may have, as many as the label column."""
FEW_VALUES = 20
"""So many different values are categories in a table of any length, and so many different numbers among words may be codes."""
MOSTLY = 0.9
"""From this share of numbers on, a column with a few words is a column of numbers with mistakes."""
INDEX_NAMES = ("", "rownames", "row.names", "Unnamed: 0")
"""How the index is called that pandas and R write into a file without being asked, by them or by who reads it first."""
PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""How pandas calls an index without a name in a Parquet or Feather file."""
MAYBE_INDEX = ("index", "X")
"""The same, where it counts the rows; else they may be something."""


_USUAL_MISSING = frozenset(
    spelt for word in (*MISSING, "NaN", "NaT") for spelt in (word, word.upper(), word.capitalize())
)
"""`MISSING` as it is mostly spelt, because a look into a set is quick."""


def plain_numbers(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """Cells as numbers, float64 `[n]`, NaN where one is missing; None where one holds anything else, or has an odd spelling."""
    try:
        return _floats(cells)
    except ValueError:
        pass
    try:
        return _floats(["nan" if cell in _USUAL_MISSING else cell for cell in cells])
    except ValueError:
        return None


def _floats(cells: Sequence[str]) -> NDArray[np.float64]:
    if max(map(len, cells), default=0) > LONGEST_NUMBER:
        raise ValueError
    text = " ".join(cells)  # what `parse_number` refuses, asked of all cells at once
    if "_" in text or not text.isascii():
        raise ValueError
    return np.fromiter(map(float, cells), np.float64, len(cells))


@dataclass
class ColumnScan:
    """What one column holds, as far as it was seen."""

    name: str
    is_categorical: bool = False
    """Whether its numbers are codes, because somebody said so."""
    rows: int = 0
    numbers: int = 0
    words: int = 0
    """Cells that are neither a number nor missing."""
    first_word: tuple[int, str] = (0, "")
    missing: int = 0
    infinite: int = 0
    first_infinite: int = 0
    is_whole: bool = True
    """Whether all numbers are integers."""
    counts_rows: bool = True
    """Whether they are 0, 1, 2 ... or 1, 2, 3 ..., without a gap."""
    leading_zero: str = ""
    """The first number that is written like 007."""
    values: dict[str, int] = field(default_factory=dict)
    """The different values, where there are words, and the line of the first; no more than one beyond `MOST_VALUES`."""
    forms: FormScan = field(default_factory=FormScan)
    _first: float = 0

    @property
    def held(self) -> int:
        """Cells that hold anything."""
        return self.numbers + self.words

    @property
    def form(self) -> Form | None:
        """How its numbers are written; None for a column of words."""
        if self.is_categorical or not self.held:
            return None
        return PLAIN if not self.words else self.forms.form(self.held)

    @property
    def is_numeric(self) -> bool:
        """Whether every cell that holds anything holds a plain number."""
        return self.form == PLAIN

    @property
    def is_index(self) -> bool:
        """Whether it is called like an index, and only numbers or names the rows: with integers, or words that are all different.

        What pandas calls so is one, whatever it holds.
        """
        if PANDAS_INDEX.fullmatch(self.name):
            return True
        if self.name in MAYBE_INDEX:
            return self.counts_rows and not self.words
        is_name = len(self.values) == min(self.held, MOST_VALUES + 1)
        return self.name in INDEX_NAMES and (is_name if self.words else self.is_whole)

    def see(self, lines: Sequence[int], cells: Sequence[str]) -> None:
        """Take the cells of some more rows into account, and where these stand."""
        numbers = None if self.is_categorical else plain_numbers(cells)
        if numbers is None:
            self._see_words(lines, cells)
        else:
            self._see_numbers(lines, numbers)
            if self.leading_zero == "" and (found := re.search(r" -?(0\d\S*)", " ".join(["", *cells]))):
                self.leading_zero = found[1]
            self.forms.see_plain(cells, numbers)
        self.rows += len(cells)

    def _see_numbers(self, lines: Sequence[int], numbers: NDArray[np.float64]) -> None:
        is_missing_here = np.isnan(numbers)
        is_infinite = np.abs(numbers) > LARGEST_TO_LEARN
        count = int(is_missing_here.sum())
        if is_infinite.any():
            self.first_infinite = self.first_infinite or lines[int(is_infinite.argmax())]
            self.infinite += int(is_infinite.sum())
        expected = np.arange(self.rows, self.rows + len(numbers))
        if self.rows == 0:
            self._first = float(numbers[0])
        self.counts_rows &= self._first in (0, 1) and bool((numbers == expected + self._first).all())
        self.is_whole &= bool((is_missing_here | (numbers == np.rint(numbers))).all())
        self.missing += count
        self.numbers += len(numbers) - count

    def _see_words(self, lines: Sequence[int], cells: Sequence[str]) -> None:
        self.counts_rows = False
        first = dict(zip(reversed(cells), reversed(lines), strict=True))
        for cell, count in Counter(cells).items():
            # In a column that holds words, "none" is one.
            if is_missing(cell, MISSING_WORDS):
                self.missing += count
                continue
            try:
                size = abs(parse_number(cell))
            except ValueError:
                self.first_word = self.first_word if self.words else (first[cell], cell)
                self.words += count
            else:
                if math.isnan(size):
                    self.missing += count
                    continue
                self.numbers += count
                self.is_whole &= size.is_integer()
                if size > LARGEST_TO_LEARN:
                    self.first_infinite = self.first_infinite or first[cell]
                    self.infinite += count
            if len(self.values) <= MOST_VALUES:
                self.values.setdefault(cell, first[cell])
            elif not self.forms.dates and not self.forms.formed:
                continue  # free text
            self.forms.see(cell, count)

    def complaint(self) -> str | None:
        """What is wrong with a column of features; None where nothing is."""
        column = f"column {self.name!r}"
        if self.is_numeric and self.infinite:
            return (
                f"{self.infinite:,} of {self.rows:,} rows hold an infinite or too large number in {column} "
                f"(first: line {self.first_infinite})"
            )
        if self.form is not None:
            return None
        if not self.is_categorical:
            line, word = self.first_word
            if self.numbers >= MOSTLY * self.held:
                return f"{column} holds numbers, but {shown(word)} in line {line} ({self.words:,} such rows)"
            if (wrong := self.forms.complaint(self.held, MOSTLY)) is not None:
                hint = f"; or say that these are categories: --categorical {self.name}"
                return f"{column} {wrong}{hint if len(self.values) <= FEW_VALUES else ''}"
            numbers = sum(word[:1] in "-+.0123456789" and plain_numbers([word]) is not None for word in self.values)
            if 2 * self.numbers >= self.held and numbers > FEW_VALUES:
                return f"{column} mixes numbers with words, such as {shown(word)} in line {line} ({self.words:,} such rows)"
        kinds = len(self.values)
        if kinds <= min(MOST_VALUES, max(FEW_VALUES, self.rows // 2)):
            wrong = _flaw(self.values, "value") or fault(sorted(self.values), "value")
            return None if wrong is None else f"{column}: {wrong}"
        many = f"more than {MOST_VALUES:,}" if kinds > MOST_VALUES else str(kinds)
        example = shown(self.first_word[1] if self.words else min(self.values))
        return f"text {column} holds {many} different values in {self.rows:,} rows, such as {example}: these are no categories"


@dataclass
class LabelScan(ColumnScan):
    """What the label column holds: also its values, and which of them each row has."""

    codes: array[int] = field(default_factory=lambda: array("i"))
    """The number of each row's value."""
    lines: dict[str, int] = field(default_factory=dict)
    """Value -> the line where it stands first; no more than one beyond `MOST_VALUES`. Their places are their numbers."""
    _places: dict[str, int] = field(default_factory=dict)

    def see(self, lines: Sequence[int], cells: Sequence[str]) -> None:
        """Take the labels of some more rows into account."""
        super().see(lines, cells)
        for line, cell in zip(lines, cells, strict=True):
            if cell not in self._places and len(self._places) <= MOST_VALUES:
                self._places[cell] = len(self._places)
                self.lines[cell] = line
        self.codes.extend([self._places.get(cell, -1) for cell in cells])

    @property
    def known(self) -> dict[str, int]:
        """Label -> its number, without the values that say that there is none."""
        missing = MISSING if not self.words else MISSING_WORDS
        return {value: place for value, place in self._places.items() if not is_missing(value, missing)}

    def complaint(self) -> str | None:
        """What is wrong with the labels; None where nothing is."""
        column = f"column {self.name!r}"
        is_numeric, known = not self.words, self.known
        if self.infinite and is_numeric:
            return f"{super().complaint()}. Correct these labels, or remove these rows"
        kinds = len(known)
        if 2 * self.missing > self.rows:
            return f"{self.unlabelled()}. Fill them in or remove these rows, or name the label column: --target NAME"
        if kinds > MOST_VALUES or (is_numeric and (not self.is_whole or kinds > max(FEW_VALUES, self.rows // 10))):
            many = f"more than {MOST_VALUES:,}" if kinds > MOST_VALUES else str(kinds)
            return (
                f"{column} holds {many} different {'numbers' if is_numeric else 'values'} in {self.rows:,} rows. "
                "That is a quantity, not a class. Name the label column: --target NAME"
            )
        wrong = _flaw({value: self.lines[value] for value in known}, "label") or fault(sorted(known), "label")
        if wrong is not None:
            return f"{column}: {wrong}. Correct it in the file"
        try:
            in_order(known, numeric=is_numeric)
        except ValueError as error:
            return f"{column}: {error}. Write one of them in the file"
        return None

    def labels(self) -> tuple[str, ...]:
        """The class names: numbers in their order, words in theirs."""
        return in_order(self.known, numeric=not self.words)

    def unlabelled(self) -> str:
        """How many rows have no label, and what stands there."""
        known = self.known
        without = {value: line for value, line in self.lines.items() if value not in known}
        written = f": {', '.join(map(repr, self.unlabelled_words))}" if self.unlabelled_words else ""
        first = min(without.values())
        return f"{self.missing:,} of {self.rows:,} rows have no label in column {self.name!r} (first: line {first}{written})"

    @property
    def unlabelled_words(self) -> list[str]:
        """What stands where there is no label, beside nothing."""
        known = self.known
        return [value for value in self.lines if value and value not in known]

    def targets(self) -> NDArray[np.int64]:
        """The index of each row's label among `labels`; -1 where it has none."""
        known = self.known
        index = {known[label]: place for place, label in enumerate(self.labels())}
        places = np.array([index.get(code, -1) for code in range(len(self._places))] or [-1], np.int64)
        targets: NDArray[np.int64] = places[np.asarray(self.codes)]
        return targets


def _flaw(lines: Mapping[str, int], what: str) -> str | None:
    """What is wrong with the first value that can be no name, of values and the lines where they stand; None where none is."""
    wrong = ((line, value, flaw(value)) for value, line in lines.items())
    return next(
        (f"line {line}: {what} {quoted(value)} {text}" for line, value, text in wrong if text is not None), None
    )
