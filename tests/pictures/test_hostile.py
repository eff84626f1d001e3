"""Files that are no pictures, broken pictures and bombs: one line each, never a traceback."""

from __future__ import annotations

import errno
import os
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgesoft.pictures import PictureError, PictureSpec, decode, read_picture

SPEC = PictureSpec()

FOREIGN = {
    "empty": (b"", "empty"),
    "zeros": (bytes(500), "zero bytes"),
    "text": (b"hello, this is text\n" * 9, "text file"),
    "unicode text": ("Grüße, naïve café\n".encode() * 99, "text file"),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "html": (b"\n<!DOCTYPE html><html><body>404</body></html>", "HTML"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    "avif": (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
    "idx": (b"\0\0\x08\x03\0\0\xea\x60" + bytes(40), "IDX"),
    "numpy": (b"\x93NUMPY\x01\0v\0", "NumPy"),
    "zip": (b"PK\x03\x04" + bytes(40), "ZIP"),
    "random": (bytes(range(128, 256)), "no picture format"),
    "PNG header only": (b"\x89PNG\r\n\x1a\n", "PNG file is damaged"),
    "JPEG header only": (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG file is damaged"),
    "GIF header only": (b"GIF89a", "GIF file is damaged"),
    "TIFF header only": (b"II*\0\x08\0\0\0", "TIFF file is damaged"),
    "BMP header only": (b"BM" + bytes(10), "BMP file is damaged"),
    "WebP header only": (b"RIFF\x10\0\0\0WEBPVP8 ", "WEBP file is damaged"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_bytes(name: str) -> None:
    data, expected = FOREIGN[name]
    with pytest.raises(PictureError, match=expected) as caught:
        read_picture(data, SPEC)
    assert "\n" not in str(caught.value)


def test_places_that_are_no_files(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"x")
    secret.chmod(0)
    wanted = [
        (tmp_path, "folder"),
        (tmp_path / "none.png", "no such file"),
        (pipe, "pipe that nobody writes to"),
        ("a\0b", "opened"),
    ]
    if os.geteuid():  # the administrator may read everything
        wanted.append((secret, "permissions"))
    for path, expected in wanted:
        with pytest.raises(PictureError, match=expected):
            read_picture(path, SPEC)


def test_a_disk_that_fails_is_one_line(monkeypatch):
    class Failing(BytesIO):
        def read(self, *_):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(decode, "BytesIO", Failing)
    with pytest.raises(PictureError, match=r"cannot be read \(input/output error\): copy it again"):
        read_picture(b"anything", SPEC)


def png_header(width: int, height: int, depth: int = 1, colour: int = 0) -> bytes:
    """PNG that declares any size; its rows compress a thousandfold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    body = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(bytes(10**6)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", body) + rows + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height", "depth", "colour"),
    [(14000, 14000, 1, 0), (9000, 9000, 8, 6), (10**9, 10**9, 1, 0), (1, 60_000_000, 8, 0), (2**31 - 1, 1, 1, 0)],
)
def test_bombs_are_refused(width: int, height: int, depth: int, colour: int) -> None:
    with pytest.raises(PictureError, match=r"smaller|damaged"):
        read_picture(png_header(width, height, depth, colour), SPEC)


def test_a_picture_that_pillow_finds_large_is_refused_where_warnings_are_errors() -> None:
    with pytest.raises(PictureError, match="far too many pixels"):  # pytest makes warnings errors here
        read_picture(png_header(9500, 9500, 8), SPEC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(
            PictureError, match="damaged or truncated"
        ):  # negative control: it is decoded, and its rows end early
            read_picture(png_header(9500, 9500, 8), SPEC)


def test_a_pillow_that_hides_libtiff_reads_all_the_same(monkeypatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    decode._silence_libtiff.cache_clear()
    assert read_picture(CORPUS["tiff bit"], SPEC).pixels.shape == (28, 28)
    decode._silence_libtiff.cache_clear()


def corpus() -> dict[str, bytes]:
    """One small picture in each format and several modes."""
    rng = np.random.default_rng(0)
    values = np.full((40, 36), 230, np.uint8)
    values[8:32, 16:20] = 20
    grey = Image.fromarray(np.clip(values + rng.normal(0, 3, values.shape), 0, 255).astype(np.uint8))
    rgba = grey.convert("RGBA")
    rgba.putalpha(Image.fromarray(255 - values))
    exif = Image.Exif()
    exif[0x0112] = 6
    made = {
        "png": (grey, "PNG", {}),
        "png rgba": (rgba, "PNG", {}),
        "png palette": (grey.convert("RGB").quantize(16), "PNG", {}),
        "png 16": (Image.fromarray(np.asarray(grey, np.uint16) * np.uint16(257)), "PNG", {}),
        "jpeg": (grey.convert("RGB"), "JPEG", {"exif": exif}),
        "jpeg progressive": (grey, "JPEG", {"progressive": True}),
        "jpeg cmyk": (grey.convert("CMYK"), "JPEG", {}),
        "gif": (grey, "GIF", {"save_all": True, "append_images": [grey]}),
        "tiff": (grey, "TIFF", {}),
        "tiff lzw": (grey.convert("RGB"), "TIFF", {"compression": "tiff_lzw", "exif": exif}),
        "tiff bit": (grey.convert("1"), "TIFF", {"compression": "group4"}),
        "bmp": (grey, "BMP", {}),
        "webp": (rgba, "WEBP", {}),
        "pgm": (grey, "PPM", {}),
        "ppm": (grey.convert("RGB"), "PPM", {}),
    }
    out = {}
    for name, (image, kind, options) in made.items():
        stream = BytesIO()
        image.save(stream, kind, **options)
        out[name] = stream.getvalue()
    return out


CORPUS = corpus()


@pytest.mark.parametrize("name", CORPUS)
def test_fuzz(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Flip bits, cut and splice: the result is a picture or one line."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    good = CORPUS[name]
    assert read_picture(good, SPEC).pixels.shape == (28, 28)  # negative control: the corpus itself can be read
    for turn in range(int(os.environ.get("FUZZ_TURNS", "200"))):
        data = bytearray(good)
        if turn % 3 == 0:
            del data[int(rng.integers(1, len(data))) :]
        for _ in range(int(rng.integers(1, 6))):
            place = int(rng.integers(0, min(len(data), 80 if turn % 2 else len(data))))
            data[place] ^= 1 << int(rng.integers(0, 8))
        try:
            result = read_picture(bytes(data), SPEC)
        except PictureError as error:
            assert "\n" not in str(error)
        else:
            assert result.pixels.shape == (28, 28) and result.pixels.dtype == np.uint8
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3), (3, 2000), (5, 5)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1"])
def test_odd_sizes(size: tuple[int, int], mode: str) -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 4)).astype(np.uint8)).convert(mode)
    stream = BytesIO()
    picture.save(stream, "PNG")
    assert read_picture(stream.getvalue(), SPEC).pixels.shape == (28, 28)
