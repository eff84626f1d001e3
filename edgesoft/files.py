"""Whole files in and out: reads are capped, writes are atomic, and every failure names the file."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import BinaryIO

from edgesoft.errors import EdgesoftError

READ_AT_ONCE = 2**20
"""Bytes."""


class SpecialFileError(OSError):
    """What has this name is no file; `strerror` says what it is: "a folder"."""

    def __init__(self, path: str | os.PathLike[str], kind: str) -> None:
        super().__init__(errno.EINVAL, kind, path)


def open_file(path: str | os.PathLike[str]) -> tuple[int, int | None]:
    """Open a file for reading, without ever waiting for somebody to write it; every reader of edgesoft opens files here.

    Pipes are read like files, so that a shell's ``<(...)`` and ``/dev/stdin`` work, if somebody is there to write them.

    Returns
    -------
    tuple
        The descriptor, which the caller closes, and the size in bytes; None is a pipe's, which nobody knows.

    Raises
    ------
    SpecialFileError
        It is a folder, a device or a socket.
    OSError
        It cannot be opened.
    ValueError
        No file can have this name: it holds a zero byte, or half of a character.
    """
    try:
        # Opened first and asked second: one file is looked at, not two that share a name. O_NONBLOCK: a pipe must not hang us.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise SpecialFileError(path, "a socket") from None
        raise
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            return descriptor, status.st_size
        if not stat.S_ISFIFO(status.st_mode):
            raise SpecialFileError(path, "a folder" if stat.S_ISDIR(status.st_mode) else "a device")
        os.set_blocking(descriptor, True)  # from here on, nobody to write it means the end, not a wait
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, None


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
        The file is missing, is a folder or a device, cannot be read, or is larger than `limit`; or nobody writes into this pipe.
    """
    with open_to_read(path, what) as file:
        try:
            status = os.fstat(file.fileno())
            if status.st_size > limit:
                raise EdgesoftError(
                    f"{path}: {status.st_size / 1e6:.0f} MB is more than {what} may have ({limit / 1e6:.0f} MB)"
                )
            content = file.read(status.st_size) if status.st_size else _drained(file, limit)
        except OSError as error:
            raise EdgesoftError(f"{path}: cannot be read ({reason(error)})") from error
    if len(content) > limit:
        raise EdgesoftError(f"{path}: this is more than {what} may have ({limit / 1e6:.0f} MB)")
    if not content and stat.S_ISFIFO(status.st_mode):
        raise EdgesoftError(f"{path}: expected {what}, but this is a pipe that nobody writes to")
    return content


def open_to_read(path: Path, what: str) -> BinaryIO:
    """Open a file or a pipe as `open_file` does, with one line for whatever is wrong.

    Raises
    ------
    EdgesoftError
        The file is missing, is a folder or a device, or cannot be read; `what` it should be is for the message.
    """
    try:
        descriptor, _ = open_file(path)
        return os.fdopen(descriptor, "rb")
    except FileNotFoundError:
        raise EdgesoftError(f"{path}: no such file (expected {what})") from None
    except SpecialFileError as error:
        raise EdgesoftError(f"{path}: expected {what}, but this is {error.strerror}") from None
    except OSError as error:
        raise EdgesoftError(f"{path}: cannot be read ({reason(error)})") from error
    except ValueError as error:
        raise EdgesoftError(f"{str(path)!a}: cannot be read ({_no_name(error)})") from error


def is_utf16(content: bytes) -> bool:
    """Whether text is UTF-16, which Windows PowerShell writes: by its mark, or by every other byte being zero, as in its ASCII letters."""
    return content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or b"\0\0" in (content[0:4:2], content[1:4:2])


def full_path(text: str) -> Path:
    """The whole path that a user means: from the root on, with their home folder for ``~``, and links followed.

    Raises
    ------
    EdgesoftError
        There is no such user, the links go round in circles, or no file can have this name.
    """
    try:
        path = Path(text).expanduser().resolve()
        path.is_dir()  # which raises where the system takes no such path
    except OSError as error:
        raise EdgesoftError(f"{text}: no usable path ({reason(error)}). Choose another") from error
    except RuntimeError as error:  # pathlib's, of links in a circle and of users that there are not
        detail = "its links go round in circles" if "loop" in str(error) else "there is no such user"
        raise EdgesoftError(f"{text}: no usable path ({detail}). Choose another") from error
    except ValueError as error:
        raise EdgesoftError(f"{text!a}: no usable path ({_no_name(error)}). Choose another") from error
    return path


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


def reason(error: OSError) -> str:
    """The operating system's own words for `error`, in lower case: "permission denied"."""
    return (error.strerror or str(error)).lower()


def _no_name(error: ValueError) -> str:
    """What makes a text the name of no file."""
    return "half of a character" if isinstance(error, UnicodeError) else str(error)


def _drained(file: BinaryIO, limit: int) -> bytes:
    """What a file holds that does not tell its size, up to a byte more than `limit`."""
    content = bytearray()
    while len(content) <= limit and (part := file.read(min(READ_AT_ONCE, limit + 1 - len(content)))):
        content += part
    return bytes(content)
