"""What there is to do, cut into blocks. They are the same ones whenever the same inputs come: a finished block is known by its number."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import IO, Any

from edgesoft.bulk import parquet
from edgesoft.bulk.parquet import ParquetRows
from edgesoft.bulk.places import Place, identity, is_uri, listed_place, opened, places
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.tables.rows import Row, RowFile, shortened
from edgesoft.tables.spec import TableSpec

FEWEST, MOST, BLOCKS = 16, 512, 256
"""Pictures of a block: so many that there are about 256 blocks, and none is gone with a kill that took long."""
ROWS = 2048
"""Rows of a block."""


@dataclass(frozen=True)
class Sources:
    """Inputs one by one."""

    items: tuple[tuple[str, Any], ...]
    """Name and source of each: the path of a picture, a `Row`, or the error that says why there is none."""


Block = Sources | ParquetRows


class Inputs:
    """All pictures or rows of a run, in their order; a context manager, which keeps the list of them in a file without a name.

    Parameters
    ----------
    names
        Paths, folders, patterns and URIs; a file called ``.parquet`` holds pictures or rows.
    listing
        More of them, each a single file, whatever its name looks like.
    spec
        What a model of tables takes; None: these are pictures.
    column
        The column of Parquet files that holds the pictures.
    left_out
        Files that are no inputs where a folder or pattern holds them: the output's own.
    on_note
        Gets what is odd about the inputs.

    Raises
    ------
    UsageError
        A name is a pipe or names a file of `left_out`, or nobody knows which column holds pictures.
    EdgesoftError
        A URI cannot be looked at.
    """

    def __init__(
        self,
        names: Iterable[str],
        listing: Iterable[str],
        spec: TableSpec | None,
        *,
        column: str | None = None,
        left_out: Iterable[Path] = (),
        on_note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._spec, self._column, self._note = spec, column, on_note
        self._stack = ExitStack()
        self._list: IO[str] = self._stack.enter_context(
            tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 - the stack closes it
        )
        self.count: int | None = 0
        """Inputs in all; None where files of text must be read to know."""
        own = {found for path in left_out if (found := identity(path)) is not None}
        digest = hashlib.sha256()
        named = ((name, place) for name in names for place in places(name))
        try:
            for name, place in chain(named, ((name, listed_place(name)) for name in listing)):
                if own and identity(place.name) in own:
                    if place.name == name:
                        raise UsageError(
                            f"{name}: is an input and the output, which would replace it. Name another output"
                        )
                    continue
                digest.update(json.dumps(place).encode() + b"\n")
                self._add(place)
        except BaseException:
            self._stack.close()
            raise
        self.digest = digest.hexdigest()
        """SHA-256 of all names, sizes and times of change."""

    def __enter__(self) -> Inputs:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _add(self, place: Place) -> None:
        rows, error = 1 if self._spec is None else None, None
        if parquet.is_parquet(place.name):
            try:
                rows = parquet.check(place.name, self._spec, self._column)
            except UsageError:
                raise
            except EdgesoftError as wrong:
                rows, error = 1, str(wrong).removeprefix(f"{place.name}: ")
        self.count = None if rows is None or self.count is None else self.count + rows
        self._list.write(json.dumps([place.name, rows, error]) + "\n")

    def blocks(self) -> Iterator[Block]:
        """Every block; its number is its place among them. Those of text are read while they are handed out."""
        self._list.seek(0)
        entries = (json.loads(line) for line in self._list)
        size = ROWS if self._spec is not None else max(FEWEST, min(MOST, (self.count or 0) // BLOCKS))
        alone: list[tuple[str, Any]] = []
        for name, rows, error in entries:
            if error is not None:
                alone.append((name, EdgesoftError(error)))
            elif parquet.is_parquet(name):
                if alone:
                    yield Sources(tuple(alone))
                    alone = []
                for first in range(0, rows, size):
                    yield ParquetRows(name, first, min(size, rows - first))
            elif self._spec is None:
                alone.append((name, name))
            else:
                found = rows_of(name, self._spec, self._note)
                while some := list(islice(found, size - len(alone))):
                    alone += some
                    if len(alone) == size:
                        yield Sources(tuple(alone))
                        alone = []
            if len(alone) >= size:
                yield Sources(tuple(alone))
                alone = []
        if alone:
            yield Sources(tuple(alone))


def rows_of(name: str, spec: TableSpec, on_note: Callable[[str], None]) -> Iterator[tuple[str, Row]]:
    """Names and rows of a file of text; a file that cannot be read is an answer like any other."""
    try:
        with ExitStack() as stack:
            path = _fetched(name, stack) if is_uri(name) else Path(name)
            file = RowFile(path, spec)
            if file.unused:
                on_note(f"note: {name}: columns that the model does not take: {shortened(file.unused)}")
            for row in file:
                yield f"{name}:{row.line}", row
    except EdgesoftError as error:
        yield name, Row(0, (), str(error).removeprefix(f"{name}: "))


def _fetched(uri: str, stack: ExitStack) -> Path:
    """A copy in the temporary folder: text is looked at more than once."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    filesystem, path = opened(uri)
    copy = folder / PurePosixPath(path).name
    try:
        with filesystem.open_input_stream(path) as source, copy.open("wb") as file:
            shutil.copyfileobj(source, file)
    except (OSError, ValueError) as error:
        raise EdgesoftError(f"cannot be read ({' '.join(str(error).split())[:200]})") from error
    return copy
