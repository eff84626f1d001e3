"""How the cells of a table are written: what says that a value is missing, and how numbers, truth values and dates are read.

Each form is a few words of data in the model's card, and reading needs nothing but the form and the cell, so that a device without
Python can do the same. A cell of another form is refused, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache, cached_property
from typing import Any, ClassVar, Literal, Protocol

from edgesoft.names import BLANKS

_INDEFINITE = frozenset({"1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"})
MISSING = _INDEFINITE | frozenset(
    {"", "?", ".", "na", "n/a", "<na>", "#na", "#n/a", "#n/a n/a", "nan", "-nan", "+nan", "nat", "null", "none"}
)
"""What stands in a cell where a number is missing, in lower case: what pandas takes for it, SAS's and Stata's dot, and "?"."""
MISSING_WORDS = MISSING - {"none", "."}
"""The same for words and labels: "none" may be a value."""
TRUE = frozenset({"true", "t", "yes", "y", "1"})
FALSE = frozenset({"false", "f", "no", "n", "0"})
LONGEST_NUMBER = 1000
"""Characters of a number. No program writes so many, and reading them takes time."""
CURRENCIES = "$€£¥₹"
_MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october"]
_MONTHS += ["november", "december"]
_LONGEST_MISSING = max(map(len, MISSING))
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::\d\d(?:[.,]\d+)?)? ?(?P<half>[AaPp][Mm])?"
    r" ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?)?"
)
_TIME = rf"(?:[T ] *{_CLOCK})?"
_WORD_OR_NUMBER = r"(?P<month>\d{1,2}|[A-Za-z]{3,9})"
Order = Literal["ymd", "dmy", "mdy", "time"]
ORDERS: tuple[Order, ...] = ("ymd", "dmy", "mdy", "time")
PARTS = ("year", "month", "day", "weekday", "hour")


def is_missing(cell: str, words: frozenset[str] = MISSING) -> bool:
    """Whether a cell says that there is no value."""
    return len(cell) <= _LONGEST_MISSING and cell.lower() in words


def parse_number(cell: str) -> float:
    """Read a number as programs write it: "5.1", "-2e3", also "inf"; ASCII digits, no underscores and no hexadecimals.

    Raises
    ------
    ValueError
        It is none.
    """
    # 1_000 and Arabic digits are numbers to Python, and to no other program that reads the file.
    if len(cell) > LONGEST_NUMBER or "_" in cell or not cell.isascii():
        raise ValueError
    return float(cell)


class Form(Protocol):
    """How the cells of a column are written that become numbers."""

    kind: ClassVar[str]
    """Its name in the card."""
    is_quantity: ClassVar[bool]
    """Whether its numbers have a range and are scaled; others are 0 or 1."""

    @property
    def parts(self) -> tuple[str, ...]:
        """What each number of a cell is called; empty where there is only one."""

    @property
    def expected(self) -> str:
        """What a cell must be, in words."""

    def read(self, cell: str) -> tuple[float, ...]:
        """The numbers in a cell, one a part; raises ValueError where it is written in another form."""

    def to_card(self) -> dict[str, Any]:
        """What the card says of it beside its kind."""


@dataclass(frozen=True)
class NumberForm:
    """Numbers: as programs write them, or all with the same signs around and between their digits: "$1,200", "5 %", "1.200,50", "12 kg"."""

    prefix: str = ""
    """A currency sign before the number, after a minus."""
    suffix: str = ""
    """What follows it: %, a currency sign or a unit, with or without a blank."""
    thousands: str = ""
    """What may stand between groups of three digits."""
    decimal: str = "."

    kind: ClassVar[str] = "numeric"
    is_quantity: ClassVar[bool] = True

    @property
    def parts(self) -> tuple[str, ...]:
        """One number."""
        return ("",)

    @property
    def expected(self) -> str:
        """An example."""
        return f"a number such as {self.prefix}{f'1{self.thousands}205' if self.thousands else '5'}{self.decimal}1{self.suffix}"

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is as programs write numbers."""
        return (self.prefix, self.suffix, self.thousands, self.decimal) == ("", "", "", ".")

    @cached_property
    def _body(self) -> re.Pattern[str]:
        # No thousands begin with a zero: 0,794 is less than one.
        groups = rf"[1-9]\d{{0,2}}(?:{re.escape(self.thousands)}\d{{3}})+|" if self.thousands else ""
        return re.compile(rf"(?:{groups}\d+)(?:{re.escape(self.decimal)}\d+)?", re.ASCII)

    def read(self, cell: str) -> tuple[float, ...]:
        """The number."""
        if self.is_plain:
            return (parse_number(cell),)
        text = cell.lstrip("+-")
        if len(cell) > LONGEST_NUMBER or not (text.startswith(self.prefix) and text.endswith(self.suffix)):
            raise ValueError
        inner = text[len(self.prefix) : len(text) - len(self.suffix)].strip(BLANKS)
        body = inner.lstrip("+-")
        signs = cell[: len(cell) - len(text)] + inner[: len(inner) - len(body)]
        if signs not in ("", "+", "-") or self._body.fullmatch(body) is None:
            raise ValueError
        plain = body.replace(self.thousands, "") if self.thousands else body
        return (float(signs + plain.replace(self.decimal, ".")),)

    def to_card(self) -> dict[str, Any]:
        """The signs, where there are any."""
        return {} if self.is_plain else {"form": asdict(self)}


@dataclass(frozen=True)
class TruthForm:
    """Yes and no, true and false, or their first letters: 1 and 0."""

    kind: ClassVar[str] = "boolean"
    is_quantity: ClassVar[bool] = False

    @property
    def parts(self) -> tuple[str, ...]:
        """One number."""
        return ("",)

    @property
    def expected(self) -> str:
        """The words."""
        return "true or false, yes or no, 1 or 0"

    def read(self, cell: str) -> tuple[float, ...]:
        """1 or 0."""
        word = cell.lower()
        if word not in TRUE and word not in FALSE:
            raise ValueError
        return (float(word in TRUE),)

    def to_card(self) -> dict[str, Any]:
        """Nothing: there is one such form."""
        return {}


@cache
def _dates() -> dict[Order, re.Pattern[str]]:
    """Compiled when the first date comes: every start of a program would pay for it."""
    return {
        "ymd": re.compile(
            rf"(?P<year>\d{{4}})(?P<s>[-/. ]){_WORD_OR_NUMBER}(?:(?P=s)(?P<day>\d{{1,2}}))?{_TIME}", re.ASCII
        ),
        "dmy": re.compile(
            rf"(?P<day>\d{{1,2}})(?P<s>[-/ .]) ?{_WORD_OR_NUMBER}(?P=s),? ?(?P<year>\d{{4}}){_TIME}", re.ASCII
        ),
        "mdy": re.compile(
            rf"{_WORD_OR_NUMBER}(?P<s>[-/ ])(?P<day>\d{{1,2}}),?(?P=s)(?P<year>\d{{4}}){_TIME}", re.ASCII
        ),
        "time": re.compile(_CLOCK, re.ASCII),
    }


@dataclass(frozen=True)
class DateForm:
    """Dates in one order, with numbers or English names of months, and a time of day or none; zones are not converted."""

    order: Order = "ymd"
    """Which comes first: "ymd" is 2021-04-03, also 2021/04 alone; "dmy" is 3.4.2021 or 3 April 2021; "mdy" is 4/3/2021 or Apr 3, 2021;
    "time" is a time of day alone."""
    given: tuple[str, ...] = PARTS
    """Which of `PARTS` become features. Monday is weekday 1, and half past one in the afternoon is hour 13.5."""

    kind: ClassVar[str] = "date"
    is_quantity: ClassVar[bool] = True

    @property
    def parts(self) -> tuple[str, ...]:
        """Those of the date."""
        return self.given

    @property
    def expected(self) -> str:
        """An example."""
        if self.order == "time":
            return "a time of day such as 13:30"
        day = "2021-04-30" if self.order == "ymd" else "30/04/2021" if self.order == "dmy" else "04/30/2021"
        return f"a date and time such as {day} 13:30" if "hour" in self.given else f"a date such as {day}"

    def read(self, cell: str) -> tuple[float, ...]:
        """Its parts."""
        match = _dates()[self.order].fullmatch(cell)
        if match is None:
            raise ValueError
        found = match.groupdict()
        hour, minute, half = int(found["hour"] or 0), int(found["minute"] or 0), (found["half"] or "").lower()
        if hour > (12 if half else 24) or minute > 59:
            raise ValueError
        values = {"hour": (hour % 12 + 12 * (half == "pm") if half else hour) + minute / 60}
        if self.order != "time":
            word = found["month"].lower()
            names = [place for place, name in enumerate(_MONTHS, start=1) if word in (name, name[:3])]
            day = date(int(found["year"]), names[0] if names else int(word), int(found["day"] or 1))
            values |= {"year": day.year, "month": day.month, "day": day.day, "weekday": day.isoweekday()}
        return tuple(float(values.get(part, 0)) for part in self.given)

    def to_card(self) -> dict[str, Any]:
        """The order and the parts."""
        return {"order": self.order, "parts": list(self.given)}


def form_of(card: Mapping[str, Any]) -> Form:
    """The form that a column's object in the card describes: of its kind, and what `to_card` gave.

    Raises
    ------
    ValueError
        It describes none.
    """
    kind, known = card.get("kind"), set(card)
    if kind == TruthForm.kind and not known & {"form", "order", "parts"}:
        return TruthForm()
    if kind == DateForm.kind and "form" not in known:
        order, parts = card.get("order"), card.get("parts")
        if order in ORDERS and isinstance(parts, list) and parts and parts == [part for part in PARTS if part in parts]:
            return DateForm(order, tuple(parts))
    if kind == NumberForm.kind and not known & {"order", "parts"}:
        signs = card.get("form", {})
        fields = ("prefix", "suffix", "thousands", "decimal")
        if signs == {} and "form" not in known:
            return NumberForm()
        if isinstance(signs, dict) and set(signs) == set(fields) and all(_is_short(signs[name]) for name in fields):
            form = NumberForm(**signs)
            if form.decimal in (".", ",") and len(form.thousands) <= 1 and form.thousands != form.decimal:
                return form
    raise ValueError


def _is_short(text: object) -> bool:
    return isinstance(text, str) and len(text) <= 40 and not any(letter.isdigit() for letter in text)
