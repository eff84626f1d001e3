"""In which form the cells of a column are written that are no plain numbers: truth values, dates, numbers with signs and units.

A form is taken only where every cell agrees with it and no other reading is possible.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgesoft.names import BLANKS
from edgesoft.tables.column import shown
from edgesoft.tables.values import CURRENCIES, FALSE, ORDERS, PARTS, TRUE, DateForm, Form, NumberForm, TruthForm

MOST_AFFIXES = 5
"""Signs and units of one column that are kept; with several, it is refused."""
_GROUPED = NumberForm(thousands=",")
_COMMA = NumberForm(decimal=",")
_WAYS = (
    NumberForm(), _GROUPED, _COMMA, NumberForm(thousands=".", decimal=","),
    *(NumberForm(thousands=sign, decimal=decimal) for sign in " '_\u2019\u00a0\u202f" for decimal in ".,"),
)  # fmt: skip
"""Ways to write the digits, the more usual first."""
_BODY = r"\d(?:[\d.,' _\u2019\u00a0\u202f]*\d)?"
_UNIT = r"\u00b0?[^\W\d_][^\W\d_\u00b2\u00b3/ ]{0,11}|\u00b0"
_FORMED = re.compile(
    rf"(?P<prefix>[{CURRENCIES}]?)[ \u00a0]?(?P<sign>[-+]?)(?P<body>{_BODY})(?P<suffix>[ \u00a0]?(?:[%\u2030{CURRENCIES}]|{_UNIT})?)"
)
_SHORT_YEAR = re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{2}(?: .*)?", re.ASCII)


def _is_read(read: Callable[[str], object], cell: str) -> bool:
    try:
        read(cell)
    except ValueError:
        return False
    return True


@dataclass
class FormScan:
    """What may be said of the cells of one column, as far as they were seen."""

    truths: set[bool] = field(default_factory=set)
    """Of those that are words for yes or no: which."""
    no_truths: int = 0
    """Cells that are none."""
    dates: int = 0
    """Cells that are dates in whichever order."""
    orders: dict[str, list[tuple[float, float]]] = field(
        default_factory=lambda: {order: [(float("inf"), float("-inf"))] * len(PARTS) for order in ORDERS}
    )
    """Order in which all dates can be read -> the smallest and largest of each part."""
    short_years: int = 0
    formed: int = 0
    """Cells that are numbers, with or without signs and units."""
    affixes: dict[tuple[str, str], str] = field(default_factory=dict)
    """What stands before and behind the numbers -> the first such cell."""
    has_blanks: bool = False
    """Whether a blank stands between a number and what follows it."""
    ways: tuple[NumberForm, ...] = _WAYS
    """Ways in which all their digits can be read."""
    most_digits: int = 0
    """Of numbers without a comma: the most digits before the point, up to four."""
    commas: set[bool] = field(default_factory=set)
    """Of numbers with a comma: whether they end with a zero."""

    def see(self, cell: str, count: int) -> None:
        """Take `count` cells of this content into account."""
        word = cell.lower()
        if word in TRUE | FALSE and not word.isdigit():
            self.truths.add(word in TRUE)
        else:
            self.no_truths += count
        self._see_date(cell, count)
        self._see_number(cell, count)

    def see_plain(self, cells: Sequence[str], numbers: NDArray[np.float64]) -> None:
        """Take cells into account that are all plain numbers or missing (NaN): some of many, for the column may be all of them."""
        held = np.flatnonzero(~np.isnan(numbers))
        if len(held):
            self.no_truths += len(held)
            self.formed += len(held)
            self.affixes.setdefault(("", ""), cells[int(held[0])])
            if any("." in cell for cell in cells):
                self.ways = tuple(way for way in self.ways if way.decimal == ".")
            largest = np.abs(numbers[held]).max()
            self.most_digits = max(self.most_digits, 1 + sum(bool(largest >= bound) for bound in (10, 100, 1000)))

    def _see_date(self, cell: str, count: int) -> None:
        if not 4 <= len(cell) <= 60 or not any(map(str.isdigit, cell)):
            return
        read = {order: DateForm(order) for order in ORDERS if _is_read(DateForm(order).read, cell)}
        if read:
            self.dates += count
            self.orders = {
                order: [
                    (min(low, x), max(high, x))
                    for (low, high), x in zip(self.orders[order], form.read(cell), strict=True)
                ]
                for order, form in read.items()
                if order in self.orders
            }
        elif _SHORT_YEAR.fullmatch(cell):
            self.short_years += count

    def _see_number(self, cell: str, count: int) -> None:
        text = cell.lstrip("+-")
        match = _FORMED.fullmatch(text) if len(text) <= 60 else None
        if match is None or len(cell) - len(text) + len(match["sign"]) > 1:
            return
        body, affixes = match["body"], (match["prefix"], match["suffix"].strip(BLANKS))
        written = body if any(affixes) else cell
        ways = tuple(way for way in _WAYS if _is_read(way.read, written))
        if not ways:
            return
        self.formed += count
        if len(self.affixes) < MOST_AFFIXES:
            self.affixes.setdefault(affixes, cell)
        self.has_blanks |= match["suffix"][:1] in tuple(BLANKS)
        self.ways = tuple(way for way in self.ways if way in ways)
        if "," in body:
            self.commas.add(body.endswith("0"))
        else:
            self.most_digits = max(self.most_digits, min(4, len(body.partition(".")[0])))

    def form(self, held: int) -> Form | None:
        """The form of all `held` cells of the column; None where there is none, or more than one."""
        if self.truths == {False, True} and not self.no_truths:
            return TruthForm()
        if self.dates == held and len(self.orders) == 1:
            ((order, spans),) = self.orders.items()
            given = tuple(part for part, (low, high) in zip(PARTS, spans, strict=True) if low < high)
            return DateForm(order, given or (PARTS[-1:] if order == "time" else PARTS[:1]))  # type: ignore[arg-type] # a key of ORDERS
        if self.formed == held and len(self.affixes) == 1 and self.ways and not self._is_ambiguous:
            ((prefix, suffix),) = self.affixes
            way = self.ways[0]
            return NumberForm(prefix, suffix, way.thousands, way.decimal)
        return None

    @property
    def _is_ambiguous(self) -> bool:
        """Whether 1,200 may be a thousand or one: every comma has three digits behind it, and nothing says which is meant.

        Dollars do. And so do numbers without a comma that have up to three digits, where others end with a zero behind their comma: who
        writes 512 for 512,000 writes 1,2 for 1,200.
        """
        dollars = any(prefix and prefix != "\u20ac" for prefix, _ in self.affixes)
        is_grouped = self.most_digits == 3 and True in self.commas
        return bool(self.commas) and self.ways[0] == _GROUPED and _COMMA in self.ways and not (dollars or is_grouped)

    def complaint(self, held: int, mostly: float) -> str | None:
        """Why a column that is mostly of one form cannot be read so; None where it is none."""
        if self.dates and self.dates >= mostly * held:
            if self.dates == held and len(self.orders) > 1:
                return "holds dates of which no row says whether the day or the month comes first: write them as 2021-04-30"
            return "holds dates, but not all in the same form: write them as 2021-04-30"
        if self.short_years and self.short_years >= mostly * held:
            return "holds dates with two digits for the year: write them as 2021-04-30"
        if not self.formed or self.formed < mostly * held:
            return None
        examples = list(self.affixes.values())
        units = {affix for affix in self.affixes if affix != ("", "")}
        if len(self.affixes) > 1:
            if self.has_blanks or any(prefix or not suffix.isalpha() for prefix, suffix in units):
                return f"holds numbers with different signs or units ({shown(examples[0])}, {shown(examples[1])}): write all in one"
            return None  # 1st, 2nd, 10a: words
        if not self.ways:
            return f"holds numbers that are written in different ways, such as {shown(examples[0])}: write 1200.5"
        if self.formed == held:
            return f"holds numbers such as {shown(examples[0])}, which may be one or a thousand: write 1.2 or 1200"
        return f"holds numbers such as {shown(examples[0])}, but not everywhere"
