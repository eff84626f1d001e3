"""Feather and Arrow files, batch by batch, by way of pyarrow.

Arrow unpacks a batch as a whole, and takes the memory that its buffers ask for. So the messages of the file are gone through first:
they say how many rows a batch has, and where its buffers lie, whose first bytes say how large they become.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from edgesoft.data.arrow import CELLS_AT_ONCE, LARGEST_CHUNK, Rows, check_size, check_types, records
from edgesoft.errors import EdgesoftError
from edgesoft.names import BLANKS
from edgesoft.tables.records import Record
from edgesoft.tables.spec import TableError

LARGEST_METADATA = 2**24
"""Most bytes that describe one message."""
_MAGIC = b"ARROW1\0\0"
_DICTIONARY, _BATCH = 2, 3  # kinds of messages


def feather_rows(path: Path) -> Rows:
    """How to read a file.

    Raises
    ------
    EdgesoftError
        pyarrow is not installed; or, while the file is read: it is no such file, damaged, too large, or a column holds what is neither a
        number nor text.
    """
    try:
        from pyarrow import ArrowException, ipc
    except ImportError:
        raise EdgesoftError(f"{path}: reading Feather needs pyarrow. Install it: pip install pyarrow") from None

    def rows(left_out: Collection[int]) -> Iterator[Record]:
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise TableError(f"{path}: expected a Feather file, but this is a folder, pipe or device")
            with path.open("rb") as file:
                start = _beginning(file, path)
                count = _checked(file, path)
                file.seek(start)
                schema = ipc.open_stream(file).schema
                yield Record(0, [name.strip(BLANKS) for name in schema.names])
                taken = [place for place in range(len(schema.names)) if place not in left_out]
                check_size(count, schema, taken, path)
                check_types(schema, taken, path)
                file.seek(start)
                size, line = max(1, CELLS_AT_ONCE // max(1, len(taken))), 0
                options = ipc.IpcReadOptions(included_fields=taken, use_threads=False)
                for batch in ipc.open_stream(file, options=options):
                    for first in range(0, batch.num_rows, size):
                        yield from records(batch.slice(first, size), schema.names, taken, line + first, path)
                    line += batch.num_rows
        except FileNotFoundError:
            raise TableError(f"{path}: no such file (expected a Feather file)") from None
        except (ArrowException, OSError, ValueError, OverflowError, TypeError, MemoryError, struct.error) as error:
            detail = " ".join(str(error).split())[:200]
            raise TableError(f"{path}: cannot be read as Feather ({detail or type(error).__name__})") from error

    return rows


def _beginning(file: BinaryIO, path: Path) -> int:
    """Where the first message begins; a Feather file is a stream of Arrow with something before and after it."""
    magic = file.read(len(_MAGIC))
    if magic.startswith(b"FEA1"):
        raise TableError(f"{path}: is Feather of version 1, which is no longer written. Save it again, or as .parquet")
    start = len(_MAGIC) if magic == _MAGIC else 0
    file.seek(start)
    return start


def _checked(file: BinaryIO, path: Path) -> int:
    """Go through all messages and hold their sizes against the limits; how many rows there are."""
    end = os.fstat(file.fileno()).st_size
    rows = dictionaries = 0
    while len(head := file.read(8)) == 8:
        mark, size = struct.unpack("<Ii", head)
        if mark != 0xFFFFFFFF:
            raise TableError(f"{path}: cannot be read as Feather (written by an Arrow before 0.15, or damaged)")
        if size == 0:
            break
        if not 0 < size <= LARGEST_METADATA:
            raise TableError(f"{path}: cannot be read as Feather (a message of {size:,} bytes)")
        table = _Table.root(file.read(size))
        body, length = file.tell(), table.number(3, "<q")
        if not 0 <= length <= end - body:
            raise TableError(f"{path}: cannot be read as Feather (it ends too early)")
        kind, header = table.number(1, "<B"), table.table(2)
        if kind in (_DICTIONARY, _BATCH) and header is not None:
            batch = header.table(1) if kind == _DICTIONARY else header
            unpacked = 0 if batch is None else _unpacked(file, batch, body, length)
            if kind == _DICTIONARY:
                dictionaries += unpacked
            elif batch is not None:
                rows += max(0, batch.number(0, "<q"))
            if unpacked + dictionaries > LARGEST_CHUNK:
                raise TableError(
                    f"{path}: one of its batches takes {(unpacked + dictionaries) / 1e6:.0f} MB, more than {LARGEST_CHUNK / 1e6:.0f} MB. "
                    "Write the file with smaller batches, or as .parquet"
                )
        file.seek(body + length)
    return rows


def _unpacked(file: BinaryIO, batch: _Table, body: int, length: int) -> int:
    """Bytes that the buffers of a batch take in memory; packed ones begin with their size, or -1 where packing did not pay."""
    total = 0
    for offset, size in batch.pairs(2):
        if not 0 <= offset <= offset + size <= length:
            raise ValueError("a buffer outside of its message")
        stored = size
        if size >= 8 and batch.table(3) is not None:
            file.seek(body + offset)
            (claimed,) = struct.unpack("<q", file.read(8))
            stored = size - 8 if claimed == -1 else claimed
            if stored < 0:
                raise ValueError("a buffer of negative size")
        total += stored
    return total


class _Table:
    """A table of FlatBuffers: a row of fields, of which each may be absent."""

    def __init__(self, content: bytes, place: int) -> None:
        self._content, self._place = content, place
        self._fields = place - self._read("<i", place)

    @classmethod
    def root(cls, content: bytes) -> _Table:
        return cls(content, *struct.unpack_from("<I", content))

    def number(self, field: int, form: str) -> int:
        """A number; an absent one is 0."""
        place = self._field(field)
        return 0 if place is None else self._read(form, place)

    def table(self, field: int) -> _Table | None:
        """A table within this one."""
        place = self._field(field)
        return None if place is None else _Table(self._content, place + self._read("<I", place))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A list of pairs of 64 bits."""
        if (place := self._field(field)) is not None:
            start = place + self._read("<I", place)
            for item in range(self._read("<I", start)):
                yield self._read("<q", start + 4 + 16 * item), self._read("<q", start + 12 + 16 * item)

    def _field(self, field: int) -> int | None:
        within = 4 + 2 * field
        if within + 2 > self._read("<H", self._fields):
            return None
        offset = self._read("<H", self._fields + within)
        return self._place + offset if offset else None

    def _read(self, form: str, place: int) -> int:
        if place < 0:
            raise ValueError("a message that points outside of itself")
        (value,) = struct.unpack_from(form, self._content, place)
        return int(value)
