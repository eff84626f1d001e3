"""Rows of one JSON document, as they come over a network: an object with the columns' names, or a list of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edgesoft.names import same
from edgesoft.tables.json_lines import DECODER, Object, cells_of
from edgesoft.tables.rows import Row
from edgesoft.tables.spec import TableError, TableSpec


def read_rows(content: bytes, spec: TableSpec, most: int) -> tuple[list[Row], bool]:
    """The rows of a JSON document, which is one object or a list of them, and whether it is a list.

    Each key is the name of a column; a row that cannot be read carries its error, and the next one follows. Rows are counted from 1.

    Raises
    ------
    TableError
        It is no such document, it is empty, or it has more than `most` rows.
    """
    expected = 'expected an object such as {"width": 5.1, "colour": "red"}, or a list of them'
    try:
        document = DECODER.decode(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise TableError(f"not UTF-8: {expected}") from None
    except json.JSONDecodeError as error:
        raise TableError(f"no JSON ({error.msg}, character {error.pos + 1:,}): {expected}") from None
    except RecursionError:
        raise TableError(f"lists within lists without end: {expected}") from None
    is_list = isinstance(document, list) and not isinstance(document, Object)
    objects = document if is_list else [document]
    if not objects or len(objects) > most:
        raise TableError(f"{len(objects):,} rows: expected 1 to {most:,}")
    columns = [column.name for column in spec.columns]
    places: dict[str, int] = {}
    for name in columns:
        places.setdefault(same(name), len(places))
    return [_row(number, item, places, expected) for number, item in enumerate(objects, start=1)], is_list


def _row(number: int, item: Any, places: Mapping[str, int], expected: str) -> Row:
    try:
        if not isinstance(item, Object):
            raise TableError(f"no object: {expected}")
        return Row(number, tuple(cells_of(item, places, len(places))))
    except TableError as error:
        return Row(number, (), str(error))
