"""`.npz` files of plain arrays: no pickle, no more than a stated size, and one error whatever is wrong with them."""

from __future__ import annotations

import io
import math
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

MOST_ARRAYS = 10_000
MOST_PACKED = 1040
"""Bytes that deflate makes of one, at most."""
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes
_ENTRY = b"PK\x01\x02"  # begins what an archive says of a member
_LONGEST_HEADER = 2**17  # bytes; numpy itself reads a tenth of this
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,  # the header of an array is no Python literal
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    OSError,
    RuntimeError,  # encrypted, or packed as no program of ours does (NotImplementedError)
    MemoryError,  # a header of very many brackets
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
    try:
        if content.count(_ENTRY) > MOST_ARRAYS:  # before zipfile makes an object of each
            raise ValueError(f"more than {MOST_ARRAYS:,} members")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            if unpacked > limit:
                raise EdgesoftError(
                    f"{path}: unpacks to {unpacked / 1e6:,.0f} MB, more than {what} may have ({limit / 1e6:,.0f} MB)"
                )
            arrays = {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
        if len(arrays) < len(members):
            raise ValueError("two arrays have one name")
    except _DAMAGE as error:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise EdgesoftError(f"{path}: damaged, or no {what.partition(' ')[2]} ({detail}). {advice}") from error
    return arrays


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """One array of numbers or text; it takes the memory of the bytes that are there, whatever its header claims."""
    name = member.filename[:100]
    if not name.endswith(".npy") or member.compress_type not in _PACKED:
        raise ValueError(f"{name!r} is no array of numpy")
    if member.file_size > MOST_PACKED * (1 + member.compress_size):
        raise ValueError(f"{name!r} claims {member.file_size:,} bytes, but has {member.compress_size:,}")
    content, place = bytearray(member.file_size), 0
    with archive.open(member) as stream, memoryview(content) as view:  # which compares the CRC sum at the end
        while part := stream.read(2**20):
            view[place : place + len(part)] = part
            place += len(part)
    file = io.BytesIO(content[:_LONGEST_HEADER])
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"{name!r} has a header of version {version}")
    shape, is_fortran, dtype = readers[version](file)
    if dtype.kind not in "biufSU" or not dtype.itemsize or (dtype.kind not in "SU" and dtype.itemsize > 8):
        raise ValueError(f"{name!r} holds {dtype}, expected numbers or text")
    there = place - file.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != there:
        raise ValueError(f"{name!r} claims {dtype} {list(shape)[:8]}, but has {there:,} bytes")
    array = np.ndarray(shape, dtype, content, file.tell(), order="F" if is_fortran else "C")
    # PyTorch takes no other order of bytes.
    return array if dtype.isnative and array.flags.aligned else array.astype(dtype.newbyteorder("="))


def write_npz(path: Path, arrays: Arrays) -> None:
    """Write named arrays, atomically; raises EdgesoftError when the file cannot be written."""
    write_atomically(path, npz_bytes(arrays))


def npz_bytes(arrays: Arrays) -> bytes:
    """The file that `write_npz` writes."""
    buffer = io.BytesIO()
    # As numpy.savez does it, which takes no objects only from 2.2 on.
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()
