"""The lines of a text file, also of one that is packed by gzip: UTF-8, or UTF-16 with its byte order mark, and any line ends.

What is no text is refused by its first bytes, with what helps. Nothing is guessed: an encoding that is not certain costs its lines.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from edgesoft.errors import EdgesoftError
from edgesoft.files import open_to_read, reason
from edgesoft.tables.records import LONGEST_RECORD
from edgesoft.tables.spec import TableError

UNPACKED_LIMIT = 2 * 2**30
"""Most bytes of a packed file, unpacked: a thousandth of that may lie on the disk."""
_CHUNK = 2**18
_PACKED_CHUNK = 2**14
_GZIP = b"\x1f\x8b"
_WITH_HEADER = zlib.MAX_WBITS | 16
"""Tells zlib that the data are gzip's."""
_BEGINNING = 4
"""Bytes that tell what a file is."""
_UNPACK = "unpack it first, or pack it with gzip"
_FOREIGN = (
    (_GZIP, "packed with gzip twice: unpack it once"),
    (rb"BZh[1-9]1AY&SY", f"packed with bzip2: {_UNPACK}"),
    (rb"\xfd7zXZ\0", f"packed with xz: {_UNPACK}"),
    (rb"\x28\xb5\x2f\xfd", f"packed with Zstandard: {_UNPACK}"),
    (rb"PK(\x03\x04|\x05\x06)", "a zip file or spreadsheet: unpack it, or save the spreadsheet as CSV (UTF-8)"),
    (rb"\xd0\xcf\x11\xe0", "a spreadsheet: save it as CSV (UTF-8)"),
    (rb"PAR1[\x15-\x1c]", "Parquet: call it .parquet; infer reads its rows with --output FILE"),
    (rb"(ARROW1|FEA1)\0", "Feather: training reads it under the name .feather, infer takes rows of text only"),
    (rb"\xff\xfe\0\0|\0\0\xfe\xff", "UTF-32: save it as UTF-8"),
    (rb"\s*\[\s*(\{|$)", "a JSON list: save it as JSON lines, one object a line"),
    (rb"(?i)\s*<(!doctype|html|\?xml)", "a page of HTML or XML: fetch the file itself, or save it as CSV (UTF-8)"),
)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Line = tuple[int, str | None]
"""Its number, counted from 1, and its text without its end; None where it is longer than `LONGEST_RECORD`."""


def kind_of(path: Path) -> str:
    """The suffix that says what is inside, in lower case: ".tsv" of "rows.tsv.gz"."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix == ".gz" else suffix


class Lines:
    """The lines of a file, which may be given back.

    A byte that is not UTF-8, and half of a character in UTF-16, becomes a lone surrogate.
    """

    def __init__(self, path: Path) -> None:
        self._lines = enumerate(chain.from_iterable(_lines(path)), start=1)
        self._ahead: deque[Line] = deque()

    def take(self) -> Line | None:
        """The next line; None at the end of the file."""
        return self._ahead.popleft() if self._ahead else next(self._lines, None)

    def take_some(self, count: int) -> list[Line]:
        """The next lines, at most so many; none at the end of the file."""
        ahead = [self._ahead.popleft() for _ in range(min(count, len(self._ahead)))]
        return ahead + list(islice(self._lines, count - len(ahead)))

    def give_back(self, lines: Sequence[Line]) -> None:
        """Let these lines come next."""
        self._ahead.extendleft(reversed(lines))


def _lines(path: Path) -> Iterator[Sequence[str | None]]:
    """The lines of one chunk after the other."""
    chunks = _chunks(path)
    chunk = next(chunks)
    encoding = ("utf-16", "surrogatepass") if chunk.startswith(_UTF16) else ("utf-8-sig", "surrogateescape")
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding[0])(encoding[1]), translate=True)
    tail, is_too_long, is_end = "", False, False
    while not is_end:
        is_end = not chunk
        try:
            text = decoder.decode(chunk, final=is_end)
        except UnicodeDecodeError:  # the end of UTF-16 in the middle of a character
            text = "\udcff"
        *whole, tail = (tail + text).split("\n")
        if whole and (is_too_long or len(whole[0]) > LONGEST_RECORD):  # only the first can be longer than a chunk
            yield [None]
            whole, is_too_long = whole[1:], False
        yield whole
        is_too_long |= len(tail) > LONGEST_RECORD
        tail = "" if is_too_long else tail
        chunk = next(chunks, b"")
    if tail or is_too_long:
        yield [None if is_too_long else tail]


def _chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file or pipe, unpacked; the first ones are those of a text."""
    try:
        with open_to_read(path, "rows of text (CSV, TSV or JSON lines)") as file:
            descriptor = file.fileno()
            chunks = _beginning_whole(iter(lambda: os.read(descriptor, _CHUNK), b""))
            first = next(chunks, b"")
            if not first and stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                raise TableError(
                    f"{path}: expected rows of text (CSV, TSV or JSON lines), but this is a pipe that nobody writes to"
                )
            if first.startswith(_GZIP):
                chunks = _beginning_whole(_unpacked(first, descriptor, path))
                first = next(chunks, b"")
            _check_text(first, path)
            yield first
            yield from chunks
    except TableError:
        raise
    except EdgesoftError as error:
        raise TableError(str(error)) from error
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({reason(error)})") from error


def _beginning_whole(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, so many of them in the first chunk that they tell what they are: a pipe may bring them one by one."""
    first = b""
    while len(first) < _BEGINNING and (more := next(chunks, b"")):
        first += more
    yield first
    yield from chunks


def _unpacked(beginning: bytes, descriptor: int, path: Path) -> Iterator[bytes]:
    """What gzip packed, in one part or several, with its checksums; the memory is that of one chunk."""
    unpacker, room, packed = zlib.decompressobj(_WITH_HEADER), UNPACKED_LIMIT, beginning
    try:
        while packed := packed or os.read(descriptor, _PACKED_CHUNK):
            if unpacker.eof:
                packed = packed.lstrip(b"\0")  # tapes fill up with zeros
                unpacker = zlib.decompressobj(_WITH_HEADER) if packed else unpacker
                continue
            chunk = unpacker.decompress(packed[:_PACKED_CHUNK], _CHUNK)
            packed = (unpacker.unconsumed_tail or unpacker.unused_data) + packed[_PACKED_CHUNK:]
            room -= len(chunk)
            if room < 0:
                raise TableError(
                    f"{path}: unpacks to more than {UNPACKED_LIMIT / 1e9:.1f} GB. Unpack it first, or take a part of its rows"
                )
            if chunk:
                yield chunk
    except zlib.error as error:
        raise TableError(f"{path}: cannot be unpacked ({error}). Fetch or pack it again") from error
    if not unpacker.eof:
        raise TableError(f"{path}: is packed with gzip and ends too early. Fetch or pack it again")


def _check_text(beginning: bytes, path: Path) -> None:
    what = next((what for signature, what in _FOREIGN if re.match(signature, beginning)), None)
    if what is None and not beginning.startswith(_UTF16):
        first = beginning.replace(b"\r", b"\n").partition(b"\n")[0]
        is_binary = b"\0" in beginning[:1024] and not _is_utf8(first)
        if b"\0" in first or is_binary:  # further on in a text, it costs its row
            what = "a binary file, or UTF-16 without its mark: save it as UTF-8"
    if what is not None:
        raise TableError(f"{path}: expected rows of text (CSV, TSV or JSON lines), but this is {what}")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
