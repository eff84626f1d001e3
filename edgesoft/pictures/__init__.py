"""Pictures as people have them, turned into the pixels that a model takes."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgesoft.pictures.decode import Source, open_picture
from edgesoft.pictures.normalise import normalise_ink
from edgesoft.pictures.spec import PictureError, PictureSpec, Seen

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PictureError", "PictureSpec", "Seen", "Source", "encode_png", "is_own_png", "read_picture"]


def _resized(image: Image, spec: PictureSpec) -> Seen:
    """Scale the whole picture to the model's size."""
    from edgesoft.pictures.colour import LUMINANCE, to_colour
    from edgesoft.pictures.filters import resample

    wanted = "L" if spec.channels == 1 else "RGB"
    if image.size == (spec.width, spec.height) and image.mode == wanted and "transparency" not in image.info:
        return Seen(np.asarray(image))
    colour = to_colour(image)
    if spec.channels == 1 and colour.shape[2] == 3:
        colour = (colour @ LUMINANCE)[..., None]
    planes = [resample(colour[..., plane], spec.height, spec.width) for plane in range(colour.shape[2])]
    if spec.channels == 3 and len(planes) == 1:
        planes = planes * 3
    pixels = np.rint(np.clip(np.stack(planes, axis=2), 0, 1) * 255).astype(np.uint8)
    return Seen(pixels[..., 0] if spec.channels == 1 else pixels)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of uint8 `[height, width]` or `[height, width, 3]`, which names its maker."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    maker = PngInfo()
    maker.add_text("Software", "edgesoft")
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", pnginfo=maker)
    return buffer.getvalue()


def is_own_png(content: bytes) -> bool:
    """Whether `encode_png` made a file; its first hundred bytes are enough."""
    return b"tEXtSoftware\0edgesoft" in content[:100]


def read_picture(source: Source, spec: PictureSpec) -> Seen:
    """Read one picture and normalise it for a model.

    Parameters
    ----------
    source
        Path of a picture file, or its bytes. The content decides its format, never the name.
    spec
        What the model takes.

    Returns
    -------
    Seen
        uint8 pixels `[height, width]` (or `[height, width, 3]`) and warnings.

    Raises
    ------
    PictureError
        If it cannot be read; one line that says what came, what was expected and what to do.
    """
    image, notes = open_picture(source)
    seen = _resized(image, spec) if spec.normaliser == "resize" else normalise_ink(image, spec)
    return Seen(seen.pixels, notes + seen.warnings) if notes else seen
