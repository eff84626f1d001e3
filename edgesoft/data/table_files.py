"""Files of tables: which reader opens one."""

from __future__ import annotations

from pathlib import Path

from edgesoft.data.parquet import Rows, parquet_rows
from edgesoft.tables.lines import UNPACKED_LIMIT
from edgesoft.tables.records import Record
from edgesoft.tables.spec import TableError
from edgesoft.tables.text import read_records

FILE_LIMIT = UNPACKED_LIMIT
"""Largest text file read, in bytes."""


def open_table(path: Path) -> Rows:
    """How to read a file, as often as it takes.

    Raises
    ------
    EdgesoftError
        It is too large, or what reads it is not installed.
    """
    return parquet_rows(path) if path.suffix.lower() in (".parquet", ".pq") else _text_rows(path)


def table_name(path: Path) -> str:
    """What a table is called after: "rows" of "rows.csv.gz"."""
    return path.stem if path.suffix.lower() != ".gz" else Path(path.stem).stem


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
    names = next(read_records(path), Record(0, [])).cells  # known once, JSON lines need not be searched for them again
    return lambda _: read_records(path, names)
