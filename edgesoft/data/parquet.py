"""Parquet files, row by row, by way of pyarrow; what a file says of itself is held against the limits before anything is read."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from edgesoft.data.arrow import CELLS_AT_ONCE, LARGEST_CHUNK, Rows, check_size, check_types, records
from edgesoft.errors import EdgesoftError
from edgesoft.names import BLANKS
from edgesoft.tables.records import Record
from edgesoft.tables.spec import TableError


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
    check_size(metadata.num_rows, schema, taken, path)
    check_types(schema, taken, path)
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
            yield from records(batch, schema.names, taken, line, path)
            line += batch.num_rows
