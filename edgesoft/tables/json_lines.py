"""JSON lines: one object a line, the names of the columns as its keys. A bad line costs itself and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgesoft.names import BLANKS, same
from edgesoft.tables.lines import Lines
from edgesoft.tables.records import MOST_CELLS, TOO_LONG, Record, check_characters, stripped
from edgesoft.tables.spec import TableError, shown

KINDS = (".jsonl", ".ndjson", ".json")
_EXPECTED = 'expected one object a line, such as {"width": 5.1, "colour": "red"}'


class Object(list[tuple[str, Any]]):
    """The keys and values of an object, as often as they stand there."""


DECODER = json.JSONDecoder(object_pairs_hook=Object, parse_int=str, parse_float=str, parse_constant=str)
"""Numbers stay as they are written, as in every other file of rows."""


def is_object(line: str) -> bool:
    """Whether a line is a JSON object with anything in it."""
    try:
        return line.lstrip().startswith("{") and bool(_pairs(line))
    except TableError:
        return False


def json_names(lines: Lines, path: Path) -> list[str]:
    """The keys of all objects, in the order in which they come.

    Raises
    ------
    TableError
        There are more than a row may have, or lines but no object among them.
    """
    names, first_error = dict[str, None](), None
    for number, pairs, error in _objects(lines):
        first_error = first_error or (error and f"line {number}: {error}")
        names |= dict.fromkeys(key.strip(BLANKS) for key, _ in pairs)
        if len(names) > MOST_CELLS:
            raise TableError(f"{path}: its objects have more than {MOST_CELLS:,} keys. Expected fewer columns")
    if first_error is not None and not names:
        raise TableError(f"{path}: {first_error}")
    return list(names)


def json_records(lines: Lines, columns: Sequence[str]) -> Iterator[Record]:
    """One record an object, after a heading of the columns and what else the first object has.

    A key that is missing is an empty cell, as is null. An object that has none of the columns carries an error.
    """
    places: dict[str, int] | None = None
    for number, pairs, error in _objects(lines):
        if places is None:
            names = dict.fromkeys(columns) | dict.fromkeys(key.strip(BLANKS) for key, _ in pairs)
            places = {}
            for name in names:
                places.setdefault(same(name), len(places))
            yield Record(0, list(places))
        try:
            if error is not None:
                raise TableError(error)
            yield Record(number, cells_of(pairs, places, len(columns)))
        except TableError as caught:
            yield Record(number, [], str(caught))


def _objects(lines: Lines) -> Iterator[tuple[int, Object, str | None]]:
    """The line of each object, what stands in it, and why it cannot be read."""
    while (line := lines.take()) is not None:
        number, text = line
        if text is not None and not text.strip():
            continue
        try:
            if text is None:
                raise TableError(TOO_LONG)
            yield number, _pairs(text), None
        except TableError as error:
            yield number, Object(), str(error)


def _pairs(text: str) -> Object:
    try:
        value = DECODER.decode(text)
    except json.JSONDecodeError as error:
        check_characters(text)
        raise TableError(f"no JSON ({error.msg}, character {error.colno}): {_EXPECTED}") from None
    except RecursionError:
        raise TableError(f"lists within lists without end: {_EXPECTED}") from None
    if not isinstance(value, Object):
        raise TableError(f"no object: {_EXPECTED}")
    return value


def cells_of(pairs: Object, places: Mapping[str, int], wanted: int) -> list[str]:
    """The cells of one object, where `places` has the places of the columns' names, of which the first `wanted` are the model's.

    Raises
    ------
    TableError
        It has none of them, or one twice, or a value that is no cell.
    """
    cells, found = [""] * len(places), set[int]()
    for key, value in pairs:
        place = places.get(key)
        if place is None and (place := places.get(same(key.strip(BLANKS)))) is None:
            continue
        if place in found:
            raise TableError(f"{shown(key)} stands there twice: leave one out")
        if isinstance(value, list):
            kind = "an object" if isinstance(value, Object) else "a list"
            raise TableError(f"{shown(key)} holds {kind}: expected a number, text, true, false or null")
        found.add(place)
        cells[place] = "" if value is None else str(value)
    if all(place >= wanted for place in found):
        raise TableError("an object without any of the columns")
    text = "\n".join(cells)
    check_characters(text)
    return stripped(cells, len(text))
