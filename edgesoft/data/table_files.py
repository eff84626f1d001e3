"""Files of tables: which reader opens one."""

from __future__ import annotations

from pathlib import Path

from edgesoft.data.parquet import Rows, parquet_rows
from edgesoft.tables.spec import TableError
from edgesoft.tables.text import read_records

FILE_LIMIT = 2 * 2**30
"""Largest text file read, in bytes."""


def open_table(path: Path) -> Rows:
    """How to read a file, as often as it takes.

    Raises
    ------
    EdgesoftError
        It is too large, or what reads it is not installed.
    """
    return parquet_rows(path) if path.suffix.lower() in (".parquet", ".pq") else _text_rows(path)


def _text_rows(path: Path) -> Rows:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0  # opening it will say why
    if size > FILE_LIMIT:
        raise TableError(
            f"{path}: {size / 1e9:.1f} GB is more than a table may have ({FILE_LIMIT / 1e9:.1f} GB), because its numbers must fit "
            "into memory. Take a sample of the rows, or save it as .parquet"
        )
    return lambda _: read_records(path)
