"""From a file or bytes to an upright, decoded picture of moderate size.

Nothing here trusts the file: its kind is read from its first bytes (never from its name), its
size is checked before a pixel is decoded, and whatever a decoder raises becomes one line.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from io import BytesIO
from os import PathLike
from typing import TYPE_CHECKING, BinaryIO

from edgesoft.files import SpecialFileError, open_file, reason
from edgesoft.pictures.bounds import FILE_LIMIT, METERED_FROM, Metered, check_work
from edgesoft.pictures.spec import ANIMATED, SHALLOW, PictureError

if TYPE_CHECKING:
    from PIL.Image import Image

Source = str | PathLike[str] | bytes | bytearray | memoryview

READS = "PNG, JPEG, BMP, GIF, TIFF, WebP or PPM/PGM/PBM"

# With the interpreter, numpy and Pillow (60 MB) and the arrays of the normaliser (40 MB) the process stays under 300 MB.
DECODE_BUDGET = 160_000_000
# Larger sides than any camera's; also stops 1 x 60,000,000 pictures, whose rows no format needs.
LONGEST_SIDE = 30_000
# A picture is shrunk to about this side first: a digit that takes a tenth of a photograph still has 50 pixels.
WORKING_SIDE = 512

# Files up to this size in bytes are read in one call: a decoder makes many small ones, which take a third of a small picture's time.
READ_AT_ONCE = 1 << 20

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    *((b"P%d" % digit, "PPM") for digit in range(1, 7)),
)

_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document: export the page as PNG"),
    (b"\0\0\x08\x01", "an IDX label file: give pictures, one in each file"),
    (b"\0\0\x08\x03", "an IDX file of many pictures: save each picture as PNG"),
    (b"\x93NUMPY", "a NumPy array: save each picture as PNG"),
    (b"8BPS", "a Photoshop document: export it as PNG"),
    (b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (b"\x1f\x8b", "a gzip file: unpack it first"),
    (b"\0\0\x01\0", "an icon (ICO): export it as PNG"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture: export it as PNG or JPEG"),
    (b"\xff\x0a", "a JPEG XL picture: export it as PNG or JPEG"),
)


def _media_kind(head: bytes) -> str | None:
    """Name what an ISO media file (HEIC, AVIF, video) holds, if the bytes begin one."""
    if head[4:8] != b"ftyp":
        return None
    brand = head[8:12]
    if brand in (b"avif", b"avis"):
        return "an AVIF picture: export it as PNG or JPEG"
    if brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"):
        return "an HEIC photograph: export it as JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible)"
    return "a video: give a single frame as PNG or JPEG"


def _text_kind(head: bytes) -> str | None:
    """Name the kind of text that the bytes hold, if they are text."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page: the download may have saved the page instead of the picture"
    if b"<svg" in text and text.startswith(b"<"):
        return "an SVG drawing: export it as PNG"
    if text.startswith(b"<"):
        return "an XML or HTML file"
    if text and all(byte >= 32 or byte in b"\t\r\n\f" for byte in text) and b"\x7f" not in text:
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            # A character may be cut at the end of the bytes looked at.
            if error.start < len(text) - 4:
                return None
        return "a text file"
    return None


def picture_format(head: bytes) -> str:
    """Name the picture format of a file from its first bytes.

    Parameters
    ----------
    head
        The first bytes of the file, up to about 1,000.

    Returns
    -------
    str
        Pillow's name for the format.

    Raises
    ------
    PictureError
        If the bytes begin no readable picture; the message names what they begin.
    """
    for magic, name in _SIGNATURES:
        if head.startswith(magic):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if not head:
        raise PictureError(f"the file is empty: expected a picture ({READS})")
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise PictureError(f"this is {what}")
    kind = _media_kind(head) or _text_kind(head)
    if kind:
        raise PictureError(f"this is {kind}" if ":" in kind else f"this is {kind}: expected a picture ({READS})")
    if not head.strip(b"\0"):
        raise PictureError(f"the file holds only zero bytes: expected a picture ({READS}); copy it again")
    raise PictureError(f"these bytes are no picture format known here: expected {READS}")


def _opened(source: Source) -> BinaryIO | Metered:
    """Open bytes or a file for reading; what is neither is refused with the reason."""
    if isinstance(source, bytes | bytearray | memoryview):
        return _metered(BytesIO(source), len(source))
    path = os.fspath(source)
    try:
        # Descriptors, not pathlib: of a small file's 100 microseconds Path would take 20.
        handle, size = open_file(path)
        if size is None or not 0 < size <= READ_AT_ONCE:
            file = os.fdopen(handle, "rb")
            if size is not None:
                return _metered(file, size)
            with file:
                content = file.read(FILE_LIMIT + 1)
            if not content:
                raise PictureError("this is a pipe that nobody writes to: give a picture file")
            return _metered(BytesIO(content), len(content))
        try:
            content = os.read(handle, size)
        finally:
            os.close(handle)
        return _metered(BytesIO(content), size)
    except FileNotFoundError:
        from edgesoft.pictures.sources import is_pattern

        pattern = ", nor one that matches this pattern" if is_pattern(os.fspath(path)) else ""
        raise PictureError(f"there is no such file{pattern}: check the path") from None
    except SpecialFileError as error:
        if error.strerror != "a folder":
            raise PictureError(f"this is {error.strerror}: give a picture file") from None
        if not os.access(path, os.R_OK | os.X_OK):
            raise PictureError("the folder may not be read: check its permissions") from None
        raise PictureError(
            "this is a folder: give a picture file; edgesoft infer FOLDER reads those in a folder"
        ) from None
    except PermissionError:
        raise PictureError("the file may not be read: check its permissions") from None
    except OSError as error:
        raise PictureError(f"the file cannot be opened ({reason(error)}): check the path") from None
    except ValueError as error:  # a zero byte in the path
        raise PictureError(f"the file cannot be opened: {_one_line(error)}") from None


def _metered(stream: BinaryIO, size: int) -> BinaryIO | Metered:
    """Count what is read of a file that is large enough to keep somebody busy."""
    if size <= METERED_FROM:
        return stream
    if size > FILE_LIMIT:
        stream.close()
        raise PictureError(
            f"the file has more than {FILE_LIMIT // 10**6} MB: expected a smaller picture; save it as PNG or JPEG"
        )
    return Metered(stream)


def _one_line(error: BaseException) -> str:
    """First line of an error's text, of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."


def _decoding_cost(image: Image) -> int:
    """Bytes that decoding a picture takes at its worst, from its header alone."""
    width, height = image.size
    # Pillow keeps 1 byte for grey pixels and 4 for others; what `_shrunk` converts is held twice:
    # 1-bit as grey, palettes as RGBA and then premultiplied, 16-bit grey as 32-bit.
    each = {"L": 1, "1": 2, "P": 9, "I;16": 6, "I;16B": 6, "I;16L": 6, "RGBA": 8, "LA": 8, "PA": 12}.get(image.mode, 4)
    if "transparency" in image.info:
        each = 12
    if image.format == "WEBP":
        each = 16  # the decoder keeps two canvases of 4 bytes, Pillow the frame's bytes and pixels
    if image.format == "TIFF":
        each *= 2  # a whole strip, which may be the whole picture, is held beside the pixels
    return width * height * each


def _check_size(image: Image, scans: int) -> None:
    """Refuse, before decoding, a picture that would take too much memory."""
    width, height = image.size
    if width < 1 or height < 1:
        raise PictureError(f"the picture is {width} x {height} pixels: expected at least 1 x 1")
    if max(width, height) > LONGEST_SIDE:
        raise PictureError(
            f"the picture is {width} x {height} pixels: expected at most {LONGEST_SIDE} a side; make it smaller"
        )
    # A JPEG of several scans keeps all coefficients: 2 bytes for each of up to 3 values a pixel.
    cost = width * height * 6 if scans > 1 else 0
    if image.format in ("JPEG", "MPO"):
        # libjpeg decodes at 1/2, 1/4 or 1/8 size for a fraction of the time and memory.
        image.draft(None, (2 * WORKING_SIDE, 2 * WORKING_SIDE))
    cost += _decoding_cost(image)
    if cost > DECODE_BUDGET:
        millions = width * height / 1e6
        raise PictureError(
            f"the picture has {millions:.0f} million pixels and would take {cost // 1_000_000} MB to decode: "
            f"expected at most {DECODE_BUDGET // 1_000_000} MB; make it smaller"
        )


def _upright(image: Image) -> Image:
    """Turn a picture as its EXIF orientation says."""
    if image.format != "TIFF" and not image.info.keys() & {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}:
        return image
    from PIL.Image import Transpose

    try:
        orientation = image.getexif().get(0x0112)
    except Exception:  # a broken EXIF block says nothing about the pixels, which are already decoded
        return image
    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation or 1)
    return image.transpose(turn) if turn is not None else image


def _shrunk(image: Image) -> Image:
    """Area-average a large picture by a whole factor, so that its longer side nears WORKING_SIDE."""
    # Rounded up, the side may fall to half of WORKING_SIDE: 2 is left for the exact resampling.
    factor = max(image.size) // WORKING_SIDE
    if factor < 2:
        return image
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    if image.mode.startswith("I;16"):
        image = image.convert("I")
    return image.reduce(factor)


@cache
def _silence_libtiff() -> None:
    """Take libtiff's own lines off standard error, for the rest of the process.

    They bypass Python, and what stops a picture is raised by Pillow anyway. The handlers that write
    them can be taken away at any time and by any thread; turning the file descriptor away instead would
    swallow what other threads write. Where Pillow hides its libtiff, as on Windows, the lines stay.
    """
    import ctypes

    import PIL._imaging

    with suppress(OSError, AttributeError):
        libtiff = ctypes.CDLL(PIL._imaging.__file__)  # finds what Pillow's core was linked with, too
        libtiff.TIFFSetErrorHandler(None)
        libtiff.TIFFSetWarningHandler(None)


def _is_animated(image: Image) -> bool:
    """Whether a file holds several frames; a phone's MPO file holds previews, not an animation."""
    return image.format in ("GIF", "TIFF", "WEBP", "PNG") and bool(getattr(image, "is_animated", False))


def _is_shallow(image: Image) -> bool:
    """Whether a file of 16-bit grey holds no value that needs more than 12: an instrument's picture, or a dark one."""
    if not image.mode.startswith("I;16") and not (image.mode == "I" and image.format in ("PNG", "PPM")):
        return False
    bits = image.tag_v2.get(258) if image.format == "TIFF" else None  # type: ignore[attr-defined] # of TIFF alone
    return (bits or (16,))[0] == 16 and 0 < image.getextrema()[1] < 4096  # type: ignore[operator] # of grey, two numbers


def open_picture(source: Source) -> tuple[Image, tuple[str, ...]]:
    """Decode a picture file or a picture's bytes.

    Parameters
    ----------
    source
        Path of a file, or its bytes.

    Returns
    -------
    PIL.Image.Image
        Upright first frame in any mode; the longer side is below 2 * WORKING_SIDE pixels.
    tuple[str, ...]
        Warnings, with stable wording.

    Raises
    ------
    PictureError
        If it cannot be read; one line that says what came, what was expected and what to do.
    """
    import PIL.Image

    with _opened(source) as stream:
        name = "picture"
        try:
            name = picture_format(stream.read(1024))
            stream.seek(0)
            if name == "TIFF":
                import PIL.TiffImagePlugin

                _silence_libtiff()
            elif name == "WEBP":
                import PIL.WebPImagePlugin
            # Pillow asks for no more of a stream than what Metered has.
            image = PIL.Image.open(stream, formats=(name,))  # type: ignore[arg-type]
            if isinstance(stream, Metered):
                stream.header_is_read()
            _check_size(image, check_work(image, stream))
            is_animated = _is_animated(image)
            image.load()
            odd = {ANIMATED: is_animated, SHALLOW: _is_shallow(image)}
            return _upright_and_shrunk(image), tuple(note for note, holds in odd.items() if holds)
        except PictureError:
            raise
        except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
            # The latter comes where the program has made warnings errors.
            raise PictureError("the picture has far too many pixels: make it smaller") from None
        except MemoryError:
            raise PictureError("the picture needs more memory than there is: make it smaller") from None
        except Exception as error:  # decoders raise anything on broken data: OSError, SyntaxError, struct.error, ...
            if isinstance(error, OSError) and error.errno is not None:  # not the decoder's, but the system's
                raise PictureError(f"the file cannot be read ({reason(error)}): copy it again") from None
            if isinstance(error, PIL.UnidentifiedImageError):
                raise PictureError(f"the {name} file is damaged or truncated: its header cannot be read") from None
            raise PictureError(f"the {name} file is damaged or truncated: {_one_line(error)}") from None


def _upright_and_shrunk(image: Image) -> Image:
    """Shrink before turning: turning 12 million pixels would cost more than all else."""
    small = _shrunk(image)
    if small is not image:
        small.info, small.format = image.info, image.format
        if image.format == "TIFF":
            small.info = {**image.info, "exif": image.getexif().tobytes()}
            small.format = None
    return _upright(small)
