"""Labelled examples as one model reads them, and which class a label means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, NamedTuple

from edgesoft.names import same


class Example(NamedTuple):
    """One labelled example."""

    name: str
    source: Any
    """What `classify` takes."""
    label: str | None
    """As the data have it; None where nothing can be read."""


@dataclass(frozen=True)
class LabelledData:
    """Labelled examples as one model reads them."""

    name: str
    split: str | None
    """Which part of them; None where they are not divided."""
    reading: str
    """How an example becomes an input, in words."""
    examples: Callable[[], Iterator[Example]]
    total: int | None = None
    """How many there are; None where nobody knows yet."""
    notes: tuple[str, ...] = ()
    """What is odd about them, one sentence each."""

    def __str__(self) -> str:
        return self.name if self.split is None else f"{self.name}, {self.split} split"


class LabelIndex:
    """Finds the class that a label of the data means.

    A label is compared as names are; where all classes of the model are numbers, as a number too: 1.0 is class 1.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._names = {same(label): place for place, label in enumerate(labels)}
        numbers = [_number(label) for label in labels]
        self._numbers = {} if None in numbers else {number: place for place, number in enumerate(numbers)}

    def find(self, label: str) -> int | None:
        """The place among the model's labels; None where it is none of them."""
        place = self._names.get(same(label))
        return self._numbers.get(_number(label)) if place is None and self._numbers else place

    def nearest(self, label: str) -> str | None:
        """The class that may have been meant."""
        lowered = {name.casefold(): name for name in self._labels}
        close = get_close_matches(label.casefold(), lowered, 1)
        return lowered[close[0]] if close else None


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
