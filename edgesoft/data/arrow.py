"""Columns of Arrow, which Parquet and Feather files are read as, become rows of cells as a text file would have them.

A file of a kilobyte may hold billions of rows, or one long text a million times: text stays in its dictionary until its length is known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgesoft.names import BLANKS
from edgesoft.tables.records import LONGEST_CELL, MOST_CELLS, Record
from edgesoft.tables.spec import TableError

MOST_NUMBERS = 2**30
"""Rows times columns."""
LARGEST_CHUNK = 2**28
"""Most bytes that a column may take in one row group, or a batch, unpacked: about so much is in memory at once."""
CELLS_AT_ONCE = 2**18
"""Cells that are unpacked at once."""

Rows = Callable[[Collection[int]], Iterator[Record]]
"""The records of a file, the names of the columns first; columns of the given places may come empty."""


def check_size(rows: int, schema: Any, taken: Sequence[int], path: Path) -> None:
    """Refuse more columns or values than anybody reads.

    Raises
    ------
    TableError
        There are more.
    """
    if len(schema.names) >= MOST_CELLS:
        raise TableError(f"{path}: has {len(schema.names):,} columns. Expected at most {MOST_CELLS:,}")
    if rows * len(taken) > MOST_NUMBERS:
        raise TableError(
            f"{path}: {rows:,} rows of {len(taken):,} columns are more than {MOST_NUMBERS:,} values. Take a sample of the rows"
        )


def check_types(schema: Any, taken: Sequence[int], path: Path) -> None:
    """Refuse columns of what is neither a number nor text.

    Raises
    ------
    TableError
        One of them is.
    """
    from pyarrow import types

    for place in taken:
        kind = schema.field(place).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        readable = (
            _is_text, types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_date, types.is_timestamp,
            types.is_time, types.is_null,
        )  # fmt: skip
        if not any(holds(kind) for holds in readable):
            name = schema.names[place]
            raise TableError(
                f"{path}: column {name!r} holds {str(kind)[:60]}. Expected numbers or text; leave it out: --ignore-columns {name}"
            )


def records(batch: Any, names: Sequence[str], taken: Sequence[int], before: int, path: Path) -> Iterator[Record]:
    """One record a row of a batch.

    Parameters
    ----------
    batch
        A record batch that has the columns that are wanted.
    names
        Of all columns of the file.
    taken
        Places of the wanted ones.
    before
        Rows of the file before the batch.
    path
        The file.
    """
    columns = [_cells(batch.column(names[place]), f"{path}: column {names[place]!r}") for place in taken]
    for row in range(batch.num_rows):
        cells = [""] * len(names)
        for place, column in zip(taken, columns, strict=True):
            cells[place] = column[row]
        yield Record(before + row + 1, cells)


def _cells(column: Any, where: str) -> list[str]:
    """The cells of one column in a batch, as a text file would have them."""
    from pyarrow import DictionaryArray, large_string, string, types

    column.validate(full=True)  # a damaged file may point beyond its dictionary
    if isinstance(column, DictionaryArray):
        codes, known = column.indices.unique().drop_null(), column.dictionary
        if types.is_string_view(known.type):  # of which pyarrow cannot take some
            _check_text(known, where)
            known = known.cast(large_string())
        words = dict(zip(codes.to_pylist(), _cells(known.take(codes), where), strict=True))
        return ["" if code is None else words[code] for code in column.indices.to_pylist()]
    if _is_text(column.type):
        _check_text(column, where)
    elif types.is_temporal(column.type):  # Python's own dates end with the year 9999
        column = column.cast(string())
    return ["" if value is None else str(value).strip(BLANKS) for value in column.to_pylist()]


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _check_text(column: Any, where: str) -> None:
    """Hold the lengths of all texts against the limits before Python has any of them."""
    from pyarrow import compute, types

    if types.is_string_view(
        column.type
    ):  # 16 bytes a text, of which the first four are its length; many may lie in one place
        views = np.frombuffer(column.buffers()[1] or b"", np.int32).reshape(-1, 4)
        lengths = views[column.offset : column.offset + len(column), 0][np.array(column.is_valid(), bool)]
    else:
        lengths = compute.binary_length(column.drop_null()).to_numpy(zero_copy_only=False)
    longest, total = int(lengths.max(initial=0)), int(lengths.sum(dtype=np.int64))
    if longest > LONGEST_CELL:
        raise TableError(
            f"{where} has a cell of {longest:,} bytes. Expected at most {LONGEST_CELL:,}: leave the column out"
        )
    if total > LARGEST_CHUNK:
        raise TableError(f"{where} has {total / 1e6:.0f} MB of text in {len(column):,} rows: leave the column out")
