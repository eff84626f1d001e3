"""Whole files in and out: reads are capped, writes are atomic, and every failure names the file."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from edgesoft.errors import EdgesoftError


def read_bytes(path: Path, *, limit: int, what: str) -> bytes:
    """Read a whole file of at most `limit` bytes.

    Parameters
    ----------
    path
        The file.
    limit
        Largest size accepted, in bytes; it is checked before anything is read.
    what
        What the file should be ("a model file"), for the messages.

    Raises
    ------
    EdgesoftError
        The file is missing, is no regular file, cannot be read, or is larger than `limit`.
    """
    try:
        # Opened first and asked second: one file is looked at, not two that share a name. O_NONBLOCK: a pipe must not hang us.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                kind = "folder" if stat.S_ISDIR(status.st_mode) else "device, pipe or socket"
                raise EdgesoftError(f"{path}: expected {what}, but this is a {kind}")
            if status.st_size > limit:
                raise EdgesoftError(
                    f"{path}: {status.st_size / 1e6:.0f} MB is more than {what} may have ({limit / 1e6:.0f} MB)"
                )
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(limit)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise EdgesoftError(f"{path}: no such file (expected {what})") from None
    except OSError as error:
        raise EdgesoftError(f"{path}: cannot be read ({reason(error)})") from error
    except ValueError as error:  # a name with a zero byte, which no file can have
        raise EdgesoftError(f"{str(path)!r}: cannot be read ({error})") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    The bytes go to a temporary file beside `path`, reach the disk, and are then renamed over it.

    Raises
    ------
    EdgesoftError
        The folder cannot be made or written, or the disk is full. What stood at `path` is untouched and no partial file is left.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise EdgesoftError(
            f"{path}: cannot be written ({reason(error)}). Choose another folder or free some space"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # gone when it was renamed; unreachable when its folder could not be made
            temporary.unlink()


def check_writable(folder: Path) -> None:
    """Make `folder` and try to write into it, so that work of minutes does not end at a folder that nobody may write.

    Raises
    ------
    EdgesoftError
        It cannot be made or written.
    """
    probe = (
        folder / f".edgesoft.{os.urandom(4).hex()}.staged"
    )  # a leftover of that name is removed by `edgesoft.transaction`
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise EdgesoftError(f"{folder}: cannot be written ({reason(error)}). Choose another folder") from error


def reason(error: OSError) -> str:
    """The operating system's own words for `error`, in lower case: "permission denied"."""
    return (error.strerror or str(error)).lower()
