"""Labels as people keep them, in files and in arrays: which of them are the same class, and in what order the classes stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.names import fault, quoted

Label = bool | int | str


def in_order(texts: Iterable[str], *, numeric: bool) -> tuple[str, ...]:
    """Labels of a text file in their order: numbers by size, words by their letters, and words among numbers first.

    Raises
    ------
    ValueError
        Two are the same number.
    """
    exact = {text: _exact(text) if numeric else None for text in texts}
    words = sorted(text for text, number in exact.items() if number is None)
    numbers = sorted((number, text) for text, number in exact.items() if number is not None)
    for (low, first), (high, second) in pairwise(numbers):
        if low == high:
            raise ValueError(f"labels {quoted(first)} and {quoted(second)} are the same number")
    return (*words, *(text for _, text in numbers))


def _exact(text: str) -> Decimal | None:
    """A number with all its digits, of which float tells only 16 apart."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return None if number.is_nan() else number


def read_labels(parts: Mapping[str, Any], origin: object) -> dict[str, list[Label]]:
    """The labels of each split as Python's values, all of one kind: words, integers, or yes and no.

    Parameters
    ----------
    parts
        Split -> its labels: a numpy array, or a list.
    origin
        Where they came from, for the messages.

    Raises
    ------
    EdgesoftError
        They are of another kind or of several, or numbers that their type cannot tell apart.
    """
    read = {part: _values(values, f"{origin}: {part}") for part, values in parts.items()}
    first: tuple[str, int, Label] | None = None
    for part, values in read.items():
        for row, value in enumerate(values):
            first = first or (part, row, value)
            if type(value) is not type(first[2]):
                raise EdgesoftError(
                    f"{origin}: labels mix {type(first[2]).__name__} ({first[2]!r} in row {first[1]} of {first[0]}) and "
                    f"{type(value).__name__} ({quoted(value)} in row {row} of {part}). Expected all of one kind"
                )
    return read


def _values(values: Any, where: str) -> list[Label]:
    try:
        # Of a list, numpy would make one type: of 1 and "1" twice the same word.
        array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
        if array.dtype.kind not in "iubfUSO":
            raise EdgesoftError(
                f"{where}: labels are {array.dtype}. Expected words or integers: a quantity is no class"
            )
        if array.dtype.kind == "f":
            _check_whole(array, where)
        cells = array.reshape(-1).tolist()
    except (ValueError, SystemError):  # a list of lists that differ in length, or four bytes that are no character
        raise EdgesoftError(f"{where}: expected labels in one row, words or integers") from None
    return [_value(cell, f"{where}: the label in row {row}") for row, cell in enumerate(cells)]


def _check_whole(array: NDArray[Any], where: str) -> None:
    # Beyond this, neighbouring whole numbers have become one before they came here.
    limit = 2.0 ** (np.finfo(array.dtype).nmant + 1)
    wrong = ~((array == np.rint(array)) & (np.abs(array) <= limit))
    if wrong.any():
        row = int(wrong.reshape(-1).argmax())
        value = float(array.reshape(-1)[row])
        cause = (
            "a quantity is no class" if not value.is_integer() else f"{array.dtype} does not tell such numbers apart"
        )
        raise EdgesoftError(f"{where}: the label in row {row} is {value!r}. Expected words or integers: {cause}")


def _value(cell: Any, where: str) -> Label:
    if getattr(cell, "ndim", None) == 0:  # numpy's numbers, and torch's in a list
        cell = cell.item()
    if isinstance(cell, str):
        return str(cell)  # not a subclass, whose equality may be anything
    if isinstance(cell, bool):
        return cell
    hint = ""
    if isinstance(cell, int | float | np.floating):
        number: Any = cell
        limit = 2**64 if isinstance(cell, int) else 2**53
        if abs(number) < limit and number == int(number):
            return int(number)
        hint = ": a quantity is no class"
    if isinstance(cell, bytes):
        hint = ": decode them, labels.astype(str)"
    raise EdgesoftError(f"{where} is {_shown(cell)}. Expected words or integers{hint}")


def _shown(cell: Any) -> str:
    return quoted(cell) if isinstance(cell, float | bytes | None) else type(cell).__name__


def named(names: Any, what: str, plural: str, origin: object) -> list[str]:
    """Names that a caller or a file gives to classes or features, checked.

    Raises
    ------
    EdgesoftError
        They are no list, or one of them is no name, or a reader cannot tell two apart.
    """
    if isinstance(names, str | bytes) or not hasattr(names, "__iter__") or getattr(names, "ndim", 1) != 1:
        raise EdgesoftError(f"{origin}: names of {plural}: expected a list of words, got {type(names).__name__}")
    words = [*names]
    if (wrong := fault(words, what, plural)) is not None:
        raise EdgesoftError(f"{origin}: {wrong}. Rename it")
    return [str(word) for word in words]
