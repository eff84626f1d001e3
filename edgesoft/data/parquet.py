"""Parquet files, row by row, by way of pyarrow; what a file says of itself is held against the limits before anything is read.

Over some damaged files pyarrow ends the whole process, without an error that could be caught; so another one reads each file first.
"""

from __future__ import annotations

import json
import stat
import subprocess
import sys
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

    is_tried = False

    def rows(left_out: Collection[int]) -> Iterator[Record]:
        nonlocal is_tried
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # pyarrow would wait for a pipe
                raise TableError(f"{path}: expected a Parquet file, but this is a folder, pipe or device")
            with parquet.ParquetFile(path, pre_buffer=False, buffer_size=2**20) as file:
                names = list(file.schema_arrow.names)
                yield Record(0, [name.strip(BLANKS) for name in names])
                taken = [place for place in range(len(names)) if place not in left_out]
                if not is_tried:
                    _try_elsewhere(path, taken)
                    is_tried = True
                _check(file.metadata, file.schema_arrow, taken, path)
                yield from _records(path, file.schema_arrow, taken)
        except FileNotFoundError:
            raise TableError(f"{path}: no such file (expected a Parquet file)") from None
        # Beside its own errors pyarrow lets Python's through: of dates that Python does not have, of text that is not UTF-8.
        except (ArrowException, OSError, ValueError, OverflowError, TypeError, MemoryError) as error:
            detail = " ".join(str(error).split())[:200]
            raise TableError(f"{path}: cannot be read as Parquet ({detail or type(error).__name__})") from error

    return rows


def _try_elsewhere(path: Path, taken: list[int]) -> None:
    """Let a process of its own read the file, and see whether it lives; what is wrong beside is said when the file is read here."""
    # -P: what lies in the current folder must not be taken for a module.
    script = "import json, sys; from edgesoft.data.parquet import trial; trial(sys.argv[1], json.load(sys.stdin))"
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-c", script, str(path)], input=json.dumps(taken).encode(), capture_output=True
    )
    if ended.returncode not in (0, 1):
        raise TableError(
            f"{path}: cannot be read as Parquet (damaged or encrypted: pyarrow breaks down over it). Write it again"
        )


def trial(path: str, taken: list[int]) -> None:
    """All that pyarrow does with a file, for `_try_elsewhere`."""
    from pyarrow import parquet

    with parquet.ParquetFile(path, pre_buffer=False, buffer_size=2**20) as file:
        _check(file.metadata, file.schema_arrow, taken, Path(path))
        for batch in _batches(Path(path), file.schema_arrow, taken):
            batch.validate(full=True)  # as reading it does, column by column


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


def _batches(path: Path, schema: Any, taken: list[int]) -> Iterator[Any]:
    """The columns at the places `taken`, some rows at a time."""
    from pyarrow import parquet, types

    names = [schema.names[place] for place in taken]
    in_dictionary = [
        name
        for name in names
        if types.is_string(schema.field(name).type) or types.is_large_string(schema.field(name).type)
    ]
    size = max(1, CELLS_AT_ONCE // max(1, len(taken)))
    with parquet.ParquetFile(path, read_dictionary=in_dictionary, pre_buffer=False, buffer_size=2**20) as file:
        yield from file.iter_batches(batch_size=size, columns=names, use_threads=False)


def _records(path: Path, schema: Any, taken: list[int]) -> Iterator[Record]:
    """One record after the other, with the cells of the columns at the places `taken`."""
    line = 0
    for batch in _batches(path, schema, taken):
        yield from records(batch, schema.names, taken, line, path)
        line += batch.num_rows
