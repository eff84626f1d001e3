"""The family of pictures: damaged bits, odd parts, and files that are made to keep a decoder busy."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.fuzz.case import Case
from tests.fuzz.corpus import Corpus
from tests.fuzz.damage import damaged

HUGE = (0, 1, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1)


def picture(rng: random.Random, corpus: Corpus, folder: Path) -> Case:
    source = rng.choice(sorted(corpus.folder.glob("*.picture")))
    content = source.read_bytes()
    match rng.randrange(4):
        case 0 | 1:
            content = damaged(content, rng)
        case 2:
            content = _odd_parts(content, rng)
        case 3:
            content = rng.choice(list(_MADE.values()))(rng)
    name = rng.choice(("odd.png", "odd", "odd.csv"))
    (folder / name).write_bytes(content)
    options = rng.choice(([], [], ["--json"], ["--csv"], ["--show"], ["--save-seen", "seen"], ["--top-k", "3"]))
    if rng.random() < 0.2:
        return Case(["infer", "-", "--model", str(corpus.digits), *options], content)
    if rng.random() < 0.2:
        return Case(
            ["infer", "--paths-from", "-", "--model", str(corpus.digits), *options],
            f"{name}\n{corpus.picture}\n".encode(),
        )
    return Case(["infer", name, "--model", str(corpus.digits), *options])


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _odd_parts(content: bytes, rng: random.Random) -> bytes:
    """A picture with a part of its format added, doubled or lying about its size."""
    if content.startswith(b"\x89PNG"):
        parts, place = [], 8
        while place < len(content):
            size = struct.unpack(">I", content[place : place + 4])[0]
            parts.append(content[place : place + 12 + size])
            place += 12 + size
        index = rng.randrange(len(parts))
        kind = rng.choice(
            (
                b"tEXt",
                b"zTXt",
                b"iTXt",
                b"iCCP",
                b"eXIf",
                b"acTL",
                b"fcTL",
                b"PLTE",
                b"tRNS",
                b"gAMA",
                b"pHYs",
                b"IDAT",
                b"IHDR",
                b"sRGB",
                b"\0\0\0\0",
            )
        )
        body = rng.choice(
            (
                b"",
                b"a\0" + zlib.compress(bytes(10**6)),
                b"a\0\0" + zlib.compress(bytes(10**7)),
                rng.randbytes(9),
                bytes(13),
                b"II*\0" + rng.randbytes(30),
                b"\xff" * 20,
            )
        )
        parts.insert(index, chunk(kind, body) * rng.choice((1, 1, 2, 1000)))
        return content[:8] + b"".join(parts)
    for field, width in (
        ((4, 4),)
        if content[:2] in (b"II", b"MM")
        else ((18, 4), (22, 4), (28, 2), (30, 4), (10, 4), (46, 4))
        if content[:2] == b"BM"
        else ((6, 2), (8, 2), (10, 1))
    ):
        if rng.random() < 0.4:
            value = rng.choice(HUGE) % 256**width
            content = content[:field] + value.to_bytes(width, "little") + content[field + width :]
    return content


_MADE: Mapping[str, Callable[[random.Random], bytes]] = {
    "long comment": lambda rng: b"P5\n#" + b"x" * rng.choice((10, 10**5, 3 * 10**7)) + b"\n28 28\n255\n" + bytes(784),
    "many comments": lambda rng: rng.choice((b"P5", b"P2")) + b"\n" + b"#\n" * rng.choice((9, 10**5)) + b"28 28\n255\n" + b"0 " * 784,
    "comments between": lambda rng: b"P2\n28 28\n255\n" + b"0 #\n" * rng.choice((784, 10**5, 10**6)),
    "wide numbers": lambda rng: b"P2\n28 28\n" + rng.choice((b"255", b"65535", b"9" * 5000, b"0", b"-1", b"\xd9\xa1")) + b"\n" + rng.choice((b"0 ", b"9" * 5000 + b" ", b"-1 ", b"x ")) * 784,
    "million chunks": lambda rng: b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0)) + chunk(b"tEXt", b"") * rng.choice((9, 10**6)),
    "many comments in a GIF": lambda rng: b"GIF89a" + struct.pack("<HHBBB", 28, 28, 0, 0, 0) + (b"!\xfe\xff" + b"x" * 255 + b"\0") * rng.choice((9, 10**5)) + b";",
    "many blocks in a GIF": lambda rng: b"GIF89a" + struct.pack("<HHBBB", 28, 28, 0, 0, 0) + b"!\xfe" + b"\1x" * rng.choice((9, 10**6)) + b"\0;",
    "many segments": lambda rng: b"\xff\xd8" + b"\xff\xfe\0\x02" * rng.choice((9, 10**6)) + b"\xff\xd9",
    "many tags": lambda rng: _tiff(rng.choice((9, 65535)), rng.choice((1, 10**6)), rng),
    "tags in EXIF": lambda rng: _jpeg_with_exif(rng),
    "many frames": lambda rng: b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0x80, 0, 0) + bytes(6) + (b",\0\0\0\0\1\0\1\0\0\2\2D\1\0") * rng.choice((2, 10**5)) + b";",
    "huge": lambda rng: b"P5\n%d %d\n255\n" % (rng.choice((1, 30_000, 10**9)), rng.choice((1, 30_000, 10**9))) + bytes(rng.choice((9, 10**7))),
    "text": lambda rng: rng.choice((b"<svg>", b"<html>\x1b[31m", b"\xff\xfea\0", "é\u202e".encode() * 99)),
}  # fmt: skip


def _tiff(tags: int, size: int, rng: random.Random) -> bytes:
    """A TIFF file whose tags all claim the same bytes."""
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", tags)
    entries = b"".join(
        struct.pack("<HHII", 256 + number % 60_000, rng.choice((1, 2, 3, 4, 7, 12)), size // 8, 8)
        for number in range(tags)
    )
    return head + entries + bytes(4) + bytes(size)


def _jpeg_with_exif(rng: random.Random) -> bytes:
    exif = _tiff(rng.choice((9, 5000)), rng.choice((9, 60_000)), rng)
    pieces = [exif[start : start + 65_000] for start in range(0, len(exif), 65_000)] * rng.choice((1, 8))
    return (
        b"\xff\xd8"
        + b"".join(b"\xff\xe1" + struct.pack(">H", len(piece) + 8) + b"Exif\0\0" + piece for piece in pieces)
        + b"\xff\xd9"
    )
