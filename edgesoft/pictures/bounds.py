"""How much work a picture file may make before and while Pillow decodes it.

Pillow bounds the pixels. Its header parsers are Python: a comment of a hundred megabytes is read byte by byte, a million empty chunks one
after the other, and every further EXIF block copies all before it. All of them have to read the file, so what is counted here is reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from edgesoft.pictures.spec import PictureError

if TYPE_CHECKING:
    from PIL.Image import Image

FILE_LIMIT = 2**27
"""Largest picture file, in bytes; no picture that is decoded at all is larger."""
METERED_FROM = 2**16
"""A smaller file, in bytes, has too little in it to keep anybody busy; counting would take a tenth of a small picture's time."""
HEADER_BYTES = 2**24
"""Most bytes before the pixels: EXIF, colour profile, previews, comments."""
HEADER_READS = 10_000
"""Most parts of them: chunks, blocks, tags, and letters of a PGM comment."""
READS = 1_000_000
"""Most parts of the whole file: it takes Pillow two seconds to read as many."""
PLAIN_NUMBERS = 2**24
"""Most numbers of a PGM, PPM or PBM picture that is written as text."""
COMMENTS = 10_000
"""Most comments in a picture that is written as text: Pillow moves up to a megabyte to take one out."""
SCANS = 100
"""Most passes over a JPEG picture; a progressive one has about ten. A thousand of some bytes each would take minutes."""


class Metered:
    """A stream that ends with an error when too much is read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._read = stream.read
        self.seek, self.tell, self.fileno, self.close = stream.seek, stream.tell, stream.fileno, stream.close
        self._reads, self._bytes = HEADER_READS, HEADER_BYTES

    def read(self, size: int = -1) -> bytes:
        """As of any stream; raises PictureError."""
        content = self._read(size)
        self._reads -= 1
        self._bytes -= len(content)
        # Who reads the whole file at once, as the WebP decoder does, does so once.
        if self._reads < 0 or (self._bytes < 0 and size > 0):
            raise PictureError(
                f"the picture has more than {HEADER_BYTES // 2**20} MB or {HEADER_READS:,} parts before its pixels, "
                f"or {READS:,} parts in all: save it again without comments and metadata"
            )
        return content

    def header_is_read(self) -> None:
        """From here on pixels are read."""
        self._reads, self._bytes = READS, 4 * FILE_LIMIT

    def __enter__(self) -> Metered:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def check_work(image: Image, stream: BinaryIO | Metered) -> int:
    """Refuse a picture whose pixels would take too long to decode.

    Returns
    -------
    int
        How often the decoder goes over the pixels.

    Raises
    ------
    PictureError
        It is refused.
    """
    width, height = image.size
    is_plain = image.format == "PPM" and image.tile[0][0] == "ppm_plain"  # type: ignore[attr-defined]
    if is_plain and width * height * len(image.getbands()) > PLAIN_NUMBERS:
        raise PictureError(
            f"the picture has {width} x {height} pixels written as text: expected at most {PLAIN_NUMBERS:,} numbers; "
            "save it as binary PGM or PNG"
        )
    if is_plain and (comments := _count(stream, b"#")) > COMMENTS:
        raise PictureError(
            f"the picture has {comments:,} comments among its pixels: expected at most {COMMENTS:,}; save it again without them"
        )
    if image.format not in ("JPEG", "MPO"):
        return 1
    scans = _count(stream, b"\xff\xda")  # cannot stand within the coded pixels; previews have some of their own
    if scans > SCANS:
        raise PictureError(f"the picture has {scans:,} scans: expected at most {SCANS}; save it as a plain JPEG file")
    return scans


def _count(stream: BinaryIO | Metered, mark: bytes) -> int:
    """How often a mark stands in the file."""
    place, count = stream.tell(), 0
    stream.seek(0)
    while piece := stream.read(2**20):
        count += piece.count(mark)
    stream.seek(place)
    return count
