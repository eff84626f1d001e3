"""Parquet files, row by row, by way of pyarrow.

A file of a kilobyte may hold billions of rows, or one long text a million times. What the file says of itself is held against the limits
before anything is read, and text stays in its dictionary until its length is known.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from edgesoft.errors import EdgesoftError
from edgesoft.names import BLANKS
from edgesoft.tables.records import LONGEST_CELL, MOST_CELLS, Record
from edgesoft.tables.spec import TableError

MOST_NUMBERS = 2**30
"""Rows times columns."""
LARGEST_CHUNK = 2**28
"""Most bytes that a column may take in one row group, unpacked: about so much is in memory at once."""
CELLS_AT_ONCE = 2**18
"""Cells that are unpacked at once."""

Rows = Callable[[Collection[int]], Iterator[Record]]
"""The records of a file, the names of the columns first; columns of the given places may come empty."""


def parquet_rows(path: Path) -> Rows:
    """How to read a file.

    Raises
    ------
    EdgesoftError
        pyarrow is not installed; or, while the file is read: it is no Parquet file, damaged or encrypted, too large, or a column holds
        what is neither a number nor text.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise EdgesoftError(f"{path}: reading Parquet needs pyarrow. Install it: pip install pyarrow") from None

    def rows(left_out: Collection[int]) -> Iterator[Record]:
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # pyarrow would wait for a pipe
                raise TableError(f"{path}: expected a Parquet file, but this is a folder, pipe or device")
            with parquet.ParquetFile(path, pre_buffer=False, buffer_size=2**20) as file:
                names = list(file.schema_arrow.names)
                yield Record(0, [name.strip(BLANKS) for name in names])
                taken = [place for place in range(len(names)) if place not in left_out]
                _check(file.metadata, file.schema_arrow, taken, path)
                yield from _records(path, file.schema_arrow, taken)
        except FileNotFoundError:
            raise TableError(f"{path}: no such file (expected a Parquet file)") from None
        # Beside its own errors pyarrow lets Python's through: of dates that Python does not have, of text that is not UTF-8.
        except (ArrowException, OSError, ValueError, OverflowError, TypeError, MemoryError) as error:
            detail = " ".join(str(error).split())[:200]
            raise TableError(f"{path}: cannot be read as Parquet ({detail or type(error).__name__})") from error

    return rows


def _check(metadata: Any, schema: Any, taken: list[int], path: Path) -> None:
    """Hold what the file says of itself against the limits."""
    from pyarrow import types

    if len(schema.names) >= MOST_CELLS:
        raise TableError(f"{path}: has {len(schema.names):,} columns. Expected at most {MOST_CELLS:,}")
    if metadata.num_rows * len(taken) > MOST_NUMBERS:
        raise TableError(
            f"{path}: {metadata.num_rows:,} rows of {len(taken):,} columns are more than {MOST_NUMBERS:,} values. Take a sample of the rows"
        )
    for place in taken:
        kind = schema.field(place).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        readable = (
            types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_string, types.is_large_string,
            types.is_string_view, types.is_date, types.is_timestamp, types.is_time, types.is_duration, types.is_null,
        )  # fmt: skip
        if not any(holds(kind) for holds in readable):
            name = schema.names[place]
            raise TableError(
                f"{path}: column {name!r} holds {str(kind)[:60]}. Expected numbers or text; leave it out: --ignore-columns {name}"
            )
    # One leaf a column, because none is nested; the leaves of columns that are left out may be many.
    wanted = {schema.names[place] for place in taken}
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for leaf in range(row_group.num_columns):
            chunk = row_group.column(leaf)
            if chunk.path_in_schema in wanted and chunk.total_uncompressed_size > LARGEST_CHUNK:
                raise TableError(
                    f"{path}: column {chunk.path_in_schema!r} takes {chunk.total_uncompressed_size / 1e6:.0f} MB in one row group, "
                    f"more than {LARGEST_CHUNK / 1e6:.0f} MB. Write the file with smaller row groups"
                )


def _records(path: Path, schema: Any, taken: list[int]) -> Iterator[Record]:
    """One record after the other, with the cells of the columns at the places `taken`."""
    from pyarrow import parquet, types

    names = [schema.names[place] for place in taken]
    in_dictionary = [
        name
        for name in names
        if types.is_string(schema.field(name).type) or types.is_large_string(schema.field(name).type)
    ]
    size = max(1, CELLS_AT_ONCE // max(1, len(taken)))
    line = 0
    with parquet.ParquetFile(path, read_dictionary=in_dictionary, pre_buffer=False, buffer_size=2**20) as file:
        for batch in file.iter_batches(batch_size=size, columns=names, use_threads=False):
            columns = [_cells(batch.column(name), f"{path}: column {name!r}") for name in names]
            for row in range(batch.num_rows):
                line += 1
                cells = [""] * len(schema.names)
                for place, column in zip(taken, columns, strict=True):
                    cells[place] = column[row]
                yield Record(line, cells)


def _cells(column: Any, where: str) -> list[str]:
    """The cells of one column in a batch, as a text file would have them."""
    from pyarrow import DictionaryArray, compute, string, types

    column.validate(full=True)  # a damaged file may point beyond its dictionary
    if isinstance(column, DictionaryArray):
        words = _cells(column.dictionary, where)
        return ["" if code is None else words[code] for code in column.indices.to_pylist()]
    kind = column.type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        longest = compute.max(compute.binary_length(column)).as_py() or 0
        if longest > LONGEST_CELL:
            raise TableError(
                f"{where} has a cell of {longest:,} bytes. Expected at most {LONGEST_CELL:,}: leave the column out"
            )
    elif types.is_temporal(kind):  # Python's own dates end with the year 9999
        column = column.cast(string())
    return ["" if value is None else str(value).strip(BLANKS) for value in column.to_pylist()]
