"""Single examples on a page: a picture as it is fed to the model, a row by its columns, and what speaks for and against an answer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from edgesoft.model.inputs import TableInput
from edgesoft.pages.markup import Markup, element
from edgesoft.pictures import encode_png

EXACT_SIDE = 64
"""Pictures up to so many pixels a side stand in a page pixel by pixel; larger ones as thumbnails, so that a page stays small."""
_THUMBNAIL = 112
FOR, AGAINST = np.array([(62, 132, 214), (214, 118, 38)], np.uint8)
"""Colours of a map, which are seen on a light ground and on a dark one."""


def picture(pixels: NDArray[np.uint8], alt: str) -> Markup:
    """A picture that the model was fed, uint8 `[height, width]` or `[height, width, 3]`, inside the page."""
    if max(pixels.shape[:2]) <= EXACT_SIDE:
        return _image("png", encode_png(pixels), alt, "picture")
    from PIL import Image

    thumbnail, buffer = Image.fromarray(pixels), BytesIO()
    thumbnail.thumbnail((_THUMBNAIL, _THUMBNAIL))
    thumbnail.save(buffer, format="JPEG", quality=85)
    return _image("jpeg", buffer.getvalue(), alt, "picture")


def signed_map(values: NDArray[np.floating], alt: str, *, largest: float | None = None) -> Markup:
    """Numbers of the places of a picture, `[height, width]`: blue is above 0, orange below, on a root scale, and 0 is nothing.

    Parameters
    ----------
    values
        Any finite numbers.
    alt
        What it shows.
    largest
        The number that has the full colour; None is the largest of `values`.
    """
    size = float(np.abs(values).max()) if largest is None else largest
    pixels = np.where((values > 0)[..., None], FOR, AGAINST)
    strength = np.rint(255 * np.sqrt(np.abs(values) / (size or 1.0))).clip(0, 255).astype(np.uint8)
    rgba = np.concatenate([pixels, strength[..., None]], axis=2)
    return _image("png", encode_png(rgba), alt, "map")


def averaged(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Means over square blocks of `[height, width]` or `[n, height, width]`, so that neither side is longer than `EXACT_SIDE`.

    What is less than a block at the right or below is left out.
    """
    size = -(-max(values.shape[-2:]) // EXACT_SIDE)
    height, width = (side // size * size for side in values.shape[-2:])
    if not height or not width:  # narrower than a block
        return values[..., ::size, ::size]
    blocks = values[..., :height, :width].reshape(*values.shape[:-2], height // size, size, width // size, size)
    return np.asarray(blocks.mean(axis=(-3, -1)))


def cells(kind: TableInput, row: NDArray[np.float32], columns: Sequence[int]) -> list[str]:
    """What stands in some columns of a row of features, float32 `[features]`, as people write it."""
    starts = np.cumsum([0, *(column.width for column in kind.columns)])
    return [kind.columns[place].words(row[starts[place] : starts[place + 1]].tolist()) for place in columns]


def _image(form: str, content: bytes, alt: str, style: str) -> Markup:
    source = f"data:image/{form};base64,{base64.b64encode(content).decode()}"
    return element("img", alt=alt, class_=style, src=source)
