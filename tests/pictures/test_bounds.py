"""Files that are small or honest pictures and would keep a decoder busy for minutes: refused within a moment."""

from __future__ import annotations

import struct
import time
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from edgesoft.pictures import PictureError, PictureSpec, read_picture
from edgesoft.pictures.bounds import FILE_LIMIT, HEADER_READS, SCANS

SPEC = PictureSpec()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(before: bytes = b"", after: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, 8, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(28 * 29)))
    return b"\x89PNG\r\n\x1a\n" + header + before + rows + after + chunk(b"IEND", b"")


def jpeg(segments: bytes = b"", *, scans: int = 1) -> bytes:
    out = BytesIO()
    Image.fromarray(np.arange(784, dtype=np.uint8).reshape(28, 28)).save(out, "JPEG")
    content = out.getvalue()
    start = content.index(b"\xff\xda")
    return content[:2] + segments + content[2:start] + content[start:-2] * scans + content[-2:]


GREY = b"28 28\n255\n" + bytes(784)
LONG = 30_000_000
PIECE = b"\xff\xe1" + struct.pack(">H", 65_008) + b"Exif\0\0" + b"II*\0\x08\0\0\0" + bytes(64_992)

BUSY = {
    "a long comment in a PGM": b"P5\n#" + b"x" * LONG + b"\n" + GREY,
    "many comments in a PGM": b"P5\n" + b"#\n" * (LONG // 2) + GREY,
    "a long number in a PGM": b"P5\n" + b"9" * LONG + b" 28\n255\n" + bytes(784),
    "blanks in a PGM": b"P5\n" + b" " * LONG + GREY,
    "a picture in text": b"P2\n12000 5000\n255\n" + b"0 " * 1_000_000,
    "comments among pixels in text": b"P2\n28 28\n255\n" + b"0 #\n" * 1_000_000,
    "comments among bits in text": b"P1\n28 28\n" + b"0#\n" * 1_000_000,
    "a million chunks before the pixels": png(chunk(b"tEXt", b"a\0b") * 500_000),
    "a million chunks after them": png(after=chunk(b"aaAa", b"") * 1_000_000),
    "many comments in a JPEG": jpeg(b"\xff\xfe\0\x02" * 1_000_000),
    "much EXIF in a JPEG": jpeg(PIECE * 1000),
    "many scans": jpeg(scans=SCANS + 1),
    "much in a GIF": b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0) + b"!\xfe" + b"\1x" * 5_000_000 + b"\0;",
    "a large file": b"P5\n28 28\n255\n" + bytes(FILE_LIMIT),
}


@pytest.mark.parametrize("name", BUSY)
def test_busy_files_are_refused_within_a_moment(name: str, tmp_path) -> None:
    (tmp_path / "busy").write_bytes(BUSY[name])
    for source in (BUSY[name], tmp_path / "busy"):
        started = time.process_time()
        with pytest.raises(
            PictureError,
            match=r"parts before its pixels|parts in all|as text|comments among|scans|more than 134 MB|damaged",
        ) as caught:
            read_picture(source, SPEC)
        assert time.process_time() - started < 10
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"P5\n#" + b"x" * (HEADER_READS // 2) + b"\n" + GREY,
        b"P2\n28 28\n255\n" + b"0 # a comment on each pixel\n" * 784,
        png(chunk(b"tEXt", b"a\0b") * 1000, chunk(b"tEXt", b"a\0b") * 1000),
        png(chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(900_000)))),
        jpeg(PIECE * 3),
        jpeg(b"\xff\xfe\x80\0" + bytes(32_766)),
    ],
)
def test_honest_files_with_much_beside_their_pixels_are_read(content: bytes) -> None:
    assert read_picture(content, SPEC).pixels.shape == (28, 28)
    behind = (b"\n" if content.startswith(b"P2") else b"\0") * 2**17  # large enough to be metered
    assert read_picture(content + behind, SPEC).pixels.shape == (28, 28)
