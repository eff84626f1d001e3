"""`.npz` files of plain arrays: no pickle, no more than a stated size, and one error whatever is wrong with them."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesoft.errors import EdgesoftError
from edgesoft.files import read_bytes, write_atomically

Arrays = dict[str, NDArray[Any]]

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,  # the header of an array is no Python literal
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    OSError,
    RuntimeError,  # encrypted, or compressed as numpy never does (NotImplementedError)
    MemoryError,  # the header of an array promises more than there is
    OverflowError,
)


def read_npz(path: Path, *, limit: int, what: str, advice: str) -> Arrays:
    """Read every array; the CRC sums of the file are checked on the way.

    Parameters
    ----------
    path
        The file.
    limit
        Largest file, and largest sum of its arrays, in bytes.
    what
        What the file should be, with its article ("a checkpoint of edgesoft"), for the messages.
    advice
        What to do when it is not.

    Raises
    ------
    EdgesoftError
        It cannot be read, is damaged, holds something else than plain arrays, or would unpack to more than `limit`.
    """
    return parse_npz(read_bytes(path, limit=limit, what=what), path, limit=limit, what=what, advice=advice)


def parse_npz(content: bytes, path: Path, *, limit: int, what: str, advice: str) -> Arrays:
    """`read_npz` for bytes that have been read; `path` is for the messages only."""
    noun = what.partition(" ")[2]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
        if unpacked > limit:
            raise EdgesoftError(
                f"{path}: unpacks to {unpacked / 1e6:,.0f} MB, more than {what} may have ({limit / 1e6:,.0f} MB)"
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
    except _DAMAGE as error:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise EdgesoftError(f"{path}: damaged, or no {noun} ({detail}). {advice}") from error
    # numpy hands over the bytes of a member that is no array.
    foreign = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
    if foreign:
        raise EdgesoftError(f"{path}: damaged, or no {noun} ({foreign[0]!r} is no array). {advice}")
    return arrays


def write_npz(path: Path, arrays: Arrays) -> None:
    """Write named arrays, atomically; raises EdgesoftError when the file cannot be written."""
    write_atomically(path, npz_bytes(arrays))


def npz_bytes(arrays: Arrays) -> bytes:
    """The file that `write_npz` writes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
