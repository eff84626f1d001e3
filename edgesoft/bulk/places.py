"""Where inputs lie: on this machine, or wherever a URI leads that pyarrow opens (s3://bucket/folder, gs://, hdfs://, file://)."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.pictures.bounds import FILE_LIMIT
from edgesoft.pictures.sources import expand

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
MISSING = -1
"""Size of what is not there."""


class Place(NamedTuple):
    """One file, and what tells whether it is still the same."""

    name: str
    size: int
    """Bytes, or `MISSING`."""
    changed: int
    """Time of the last change, in nanoseconds; 0 where nobody knows."""


def needs_pyarrow(name: object, what: str) -> None:
    """Say what to install where pyarrow is missing.

    Raises
    ------
    EdgesoftError
        It is.
    """
    try:
        import_module("pyarrow")
    except ImportError:
        raise EdgesoftError(f"{name}: {what} needs pyarrow. Install it: pip install pyarrow") from None


def is_uri(name: str) -> bool:
    """Whether a name is a URI; Windows' drives have one letter."""
    return _URI.match(name) is not None


def places(name: str) -> Iterator[Place]:
    """The files that a name stands for: those of a folder or pattern sorted by name, else the one.

    Raises
    ------
    UsageError
        It is a pipe, which cannot be read again when the run goes on after a kill.
    EdgesoftError
        pyarrow is missing, or cannot look at the URI.
    """
    if is_uri(name):
        yield from _remote(name)
        return
    yield from map(listed_place, expand([name]))


def listed_place(name: str) -> Place:
    """One file as it is called in a list. Files elsewhere are not asked one by one: it would take longer than to read them.

    Raises
    ------
    UsageError
        It is a pipe.
    """
    if is_uri(name):
        return Place(name, 0, 0)
    try:
        status = os.stat(name)  # noqa: PTH116 - Path raises at long names
    except (OSError, ValueError):  # whoever reads it says why
        return Place(name, MISSING, 0)
    if stat.S_ISFIFO(status.st_mode):
        raise UsageError(f"{name}: is a pipe: a run that was killed could not go on. Write it into a file first")
    return Place(name, status.st_size, status.st_mtime_ns)


def identity(name: str | Path) -> tuple[int, int] | None:
    """What all names of one file on this machine have in common; None where there is none."""
    name = str(name)
    if is_uri(name):
        parts = urlsplit(name)
        name = unquote(parts.path) if parts.scheme == "file" else ""
    try:
        status = os.stat(name)  # noqa: PTH116 - Path raises at long names
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _remote(uri: str) -> Iterator[Place]:
    filesystem, path = opened(uri)
    from pyarrow.fs import FileSelector, FileType

    try:
        info = filesystem.get_file_info(path)
        if info.type != FileType.Directory:
            yield _place(uri, info)
            return
        below = filesystem.get_file_info(FileSelector(path, recursive=True))
        below.sort(key=lambda info: info.path.split("/"))
    except (OSError, ValueError) as error:
        raise EdgesoftError(f"{uri}: cannot be looked at ({_one_line(error)})") from error
    start, query = uri.partition("?")[0].rstrip("/"), uri.partition("?")[1:]
    for info in below:
        inner = info.path[len(path.rstrip("/")) :]
        is_hidden = any(part.startswith(".") for part in inner.split("/"))
        if info.type != FileType.Directory and not is_hidden:
            # What would end a URI's path is written as its code, so that the name leads back to the file.
            yield _place(start + re.sub("[%?#]", lambda match: quote(match[0]), inner) + "".join(query), info)


def _place(name: str, info: Any) -> Place:
    return Place(name, MISSING if info.size is None else info.size, info.mtime_ns or 0)


def opened(uri: str) -> tuple[Any, str]:
    """The file system of a URI, and the path there.

    Raises
    ------
    EdgesoftError
        pyarrow is missing, or knows no such file system.
    """
    parts = urlsplit(uri)
    filesystem, root = _filesystem(f"{parts.scheme}://{parts.netloc}/", parts.query)
    return filesystem, root.rstrip("/") + unquote(parts.path)


@lru_cache(maxsize=16)
def _filesystem(root: str, query: str) -> tuple[Any, str]:
    """One file system for all that lies there: S3's takes a while to be made."""
    needs_pyarrow(root, "reading from there")
    from pyarrow import ArrowException, fs

    try:
        filesystem, path = fs.FileSystem.from_uri(f"{root}?{query}" if query else root)
    except (ArrowException, OSError, ValueError) as error:
        raise EdgesoftError(
            f"{root}: cannot be opened ({_one_line(error)}). Expected a path, or a URI that pyarrow knows: s3://, gs://, hdfs://, file://"
        ) from error
    return filesystem, str(path)


def read_uri(uri: str) -> bytes | EdgesoftError:
    """What lies there, up to a byte more than a picture may have; or why it cannot be read."""
    try:
        filesystem, path = opened(uri)
        with filesystem.open_input_stream(path) as stream:
            return bytes(stream.read(FILE_LIMIT + 1))
    except EdgesoftError as error:
        return error
    except FileNotFoundError:
        return EdgesoftError("there is no such file: check the path")
    except (OSError, ValueError) as error:
        return EdgesoftError(f"cannot be read ({_one_line(error)})")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
