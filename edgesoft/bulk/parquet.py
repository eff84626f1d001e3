"""Pictures and rows in Parquet files, read in pieces: a worker gets the numbers of some rows, and reads them wherever the file lies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from edgesoft.bulk.places import is_uri, needs_pyarrow, opened
from edgesoft.data.arrow import check_types, records
from edgesoft.data.labelled_tables import FILE_COLUMNS
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.names import BLANKS, same
from edgesoft.tables.records import Record
from edgesoft.tables.rows import RowFile, find_column, shortened
from edgesoft.tables.spec import TableSpec

_SUFFIXES = (".parquet", ".pq")
USUAL_BYTES = 2**24
"""About so many bytes of pictures are unpacked at once."""
MOST_BYTES = 2**28
"""No more than that, even if a small file holds one large value many times."""
MOST_ROWS = 512
"""Rows that are unpacked at once."""


def is_parquet(name: str) -> bool:
    """Whether a path or URI is called so; a URI may have options behind the name."""
    return (name.partition("?")[0] if is_uri(name) else name).lower().endswith(_SUFFIXES)


@dataclass(frozen=True)
class ParquetRows:
    """Some rows of a file."""

    file: str
    first: int
    """Number of the first one, from 0."""
    count: int


@contextmanager
def _complaining(name: str) -> Iterator[None]:
    """What pyarrow raises, as one line."""
    from pyarrow import ArrowException

    try:
        yield
    except FileNotFoundError:
        raise EdgesoftError(f"{name}: no such file (expected a Parquet file)") from None
    # Beside its own errors pyarrow lets Python's through.
    except (ArrowException, OSError, ValueError, OverflowError, TypeError, MemoryError) as error:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise EdgesoftError(f"{name}: cannot be read as Parquet ({detail}). Write it again") from error


@contextmanager
def _opened(name: str, **options: Any) -> Iterator[Any]:
    from pyarrow import parquet

    filesystem, path = opened(name) if is_uri(name) else (None, name)
    with parquet.ParquetFile(path, filesystem=filesystem, pre_buffer=False, buffer_size=2**20, **options) as file:
        yield file


def check(name: str, spec: TableSpec | None, column: str | None) -> int:
    """Hold what a file says of itself against what is wanted of it, and count its rows.

    Parameters
    ----------
    name
        Path or URI.
    spec
        What a model of tables takes; None: the file holds pictures.
    column
        Where the pictures are; see `picture_column`.

    Raises
    ------
    EdgesoftError
        pyarrow is missing, the file cannot be read, or lacks columns that the model takes.
    UsageError
        Nobody knows which column holds the pictures.
    """
    needs_pyarrow(name, "reading Parquet")
    with _complaining(name), _opened(name) as file:
        schema, rows = file.schema_arrow, int(file.metadata.num_rows)
        if spec is None:
            picture_column(name, schema, column)
        else:
            taken = _places_taken(schema.names, spec)
            check_types(schema, taken, Path(name))
            RowFile(Path(name), spec, records=iter([Record(0, [text.strip(BLANKS) for text in schema.names])]))
    return rows


def picture_column(name: str, schema: Any, column: str | None) -> str:
    """The column that holds pictures: the one that is asked for, or the only one with bytes, or one of paths with a usual name.

    Bytes are binary values, or structs with a field `bytes` as Hugging Face's data sets have them.

    Raises
    ------
    UsageError
        There is no such column, it holds something else, or several may be meant.
    """
    from pyarrow import types

    def is_text(kind: Any) -> bool:
        return bool(types.is_string(kind) or types.is_large_string(kind))

    kinds: dict[str, Any] = dict(zip(schema.names, schema.types, strict=True))
    if column is not None:
        column = schema.names[find_column(column, schema.names, name)]
        if not _has_bytes(kinds[column]) and not is_text(kinds[column]):
            raise UsageError(f"{name}: column {column!r} holds {kinds[column]}: expected bytes of pictures, or paths")
        return column
    found = [each for each, kind in kinds.items() if _has_bytes(kind)]
    found = found or [each for each, kind in kinds.items() if is_text(kind) and each.lower() in FILE_COLUMNS][:1]
    if len(found) != 1:
        raise UsageError(
            f"{name}: which column holds the pictures, as bytes or as paths? Say --column NAME. There are {shortened(list(kinds))}"
        )
    return found[0]


def _has_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return any(
            kind.field(place).name == "bytes" and _has_bytes(kind.field(place).type) for place in range(len(kind))
        )
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _places_taken(names: Iterable[str], spec: TableSpec) -> list[int]:
    taken = {same(column.name) for column in spec.columns}
    return [place for place, name in enumerate(names) if same(name.strip(BLANKS)) in taken]


class ParquetReader:
    """Reads blocks of rows. It keeps its place in the file, because the next block is mostly a later one."""

    def __init__(self, spec: TableSpec | None, column: str | None) -> None:
        self._spec, self._column = spec, column
        self._file = ""
        self._batches: Iterator[tuple[int, Any]] = iter(())
        self._held: tuple[int, Any] | None = None

    def read(self, block: ParquetRows) -> Iterator[tuple[str, Any]]:
        """Name and source of each picture or row; a piece that cannot be read is an error for each of them."""
        done = 0
        try:
            with _complaining(block.file):
                for first, batch in self._pieces(block):
                    yield from (
                        self._pictures(block.file, first, batch)
                        if self._spec is None
                        else self._rows(self._spec, block.file, first, batch)
                    )
                    done = first + batch.num_rows - block.first
        except EdgesoftError as error:
            self._file = ""
            names = (f"{block.file}:{block.first + place + 1}" for place in range(done, block.count))
            yield from ((name, EdgesoftError(str(error).removeprefix(f"{block.file}: "))) for name in names)

    def _pieces(self, block: ParquetRows) -> Iterator[tuple[int, Any]]:
        """The batches of a block, each with the number of its first row."""
        at, end = block.first, block.first + block.count
        if self._file != block.file or self._held is None or self._held[0] > at:
            self._file, self._batches = block.file, self._open(block.file, at)
            self._held = next(self._batches, None)
        while at < end:
            if self._held is None:
                raise EdgesoftError(f"{block.file}: ends at row {at:,}: it was changed. Begin again with --overwrite")
            first, batch = self._held
            if first + batch.num_rows <= at:
                self._held = next(self._batches, None)
                continue
            piece = batch.slice(at - first, min(end, first + batch.num_rows) - at)
            piece.validate(full=True)  # a damaged file may point beyond its values
            yield at, piece
            at += piece.num_rows

    def _open(self, name: str, first: int) -> Iterator[tuple[int, Any]]:
        """The batches from the row group on that holds the row `first`."""
        from pyarrow import types

        with _opened(name) as file:
            schema, metadata = file.schema_arrow, file.metadata
        columns = (
            [picture_column(name, schema, self._column)]
            if self._spec is None
            else [schema.names[place] for place in _places_taken(schema.names, self._spec)]
        )
        texts = [column for column in columns if types.is_string(schema.field(column).type)]
        group = start = 0
        while group < metadata.num_row_groups and start + metadata.row_group(group).num_rows <= first:
            start += metadata.row_group(group).num_rows
            group += 1
        # Text stays in its dictionary until its length is known.
        with _opened(name, read_dictionary=[] if self._spec is None else texts) as file:
            for batch in file.iter_batches(
                batch_size=_rows_at_once(metadata, columns),
                row_groups=range(group, metadata.num_row_groups),
                columns=columns,
                use_threads=False,
            ):
                yield start, batch
                start += batch.num_rows

    def _pictures(self, file: str, first: int, batch: Any) -> Iterator[tuple[str, Any]]:
        is_path = not _has_bytes(batch.schema.field(0).type)
        for number, cell in enumerate(batch.column(0), start=first + 1):
            value = cell.as_py()
            value = value.get("bytes") if isinstance(value, dict) else value
            name = f"{file}:{number}"
            if value is None or value == "":
                yield name, EdgesoftError("the cell is empty: expected a picture")
            else:
                yield (value, value) if is_path else (name, value)

    def _rows(self, spec: TableSpec, file: str, first: int, batch: Any) -> Iterator[tuple[str, Any]]:
        names = list(batch.schema.names)
        heading = Record(0, [name.strip(BLANKS) for name in names])
        rows = records(batch, names, range(len(names)), first, Path(file))
        for row in RowFile(Path(file), spec, records=chain([heading], rows)):
            yield f"{file}:{row.line}", row


def _rows_at_once(metadata: Any, columns: list[str]) -> int:
    """How many rows are unpacked together, however large their values are."""
    usual = largest = 1
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for leaf in range(row_group.num_columns):
            chunk = row_group.column(leaf)
            if chunk.path_in_schema.split(".")[0] not in columns:
                continue
            usual = max(usual, math.ceil(chunk.total_uncompressed_size / max(1, row_group.num_rows)))
            # Where there is a dictionary, every row may hold its largest value.
            if chunk.has_dictionary_page:
                largest = max(largest, chunk.total_uncompressed_size)
    return max(1, min(MOST_ROWS, USUAL_BYTES // usual, MOST_BYTES // largest))
