"""The ``ink`` normaliser: one glyph on a background becomes white on black, boxed and centred."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgesoft.pictures.background import COARSE_SIDE, InkMap, ink_map, levels
from edgesoft.pictures.colour import to_colour
from edgesoft.pictures.decode import WORKING_SIDE
from edgesoft.pictures.filters import Floats, enlarge, shrink
from edgesoft.pictures.remove_lines import without_border, without_lines
from edgesoft.pictures.render import draw_glyph
from edgesoft.pictures.segment import WEAK, find_character, weak_level
from edgesoft.pictures.spec import BLANK, CUT_OFF, FAINT, SEVERAL, TINY, PictureSpec, Seen

if TYPE_CHECKING:
    from PIL.Image import Image

# Ink that differs from its paper by less than this share is what a blank sheet's grain shows.
FAINT_CONTRAST = 0.04
# In smaller pictures a stroke is no wider than a pixel.
SMALL_SIDE = 24


@lru_cache
def _moments(height: int, width: int) -> NDArray[np.float32]:
    """Weights of a picture's mass and of its first moments down and across: float32 [3, height * width]."""
    y, x = np.mgrid[:height, :width]
    return np.stack([np.ones_like(y), y, x]).reshape(3, -1).astype(np.float32)


def as_it_is(image: Image, spec: PictureSpec) -> NDArray[np.uint8] | None:
    """Return the pixels of a picture that already is a model input (or its negative), else None.

    MNIST's pictures: brightest pixel 254 or 255, a black surround, the ink's box 20 pixels, its
    centre of mass within half a pixel of the centre, at most 40 % of the full mass. The limits
    are a little wider. Bulk reading is mostly this function: it makes few and small calls.

    Parameters
    ----------
    image : PIL.Image.Image
        Loaded.
    spec : PictureSpec
    """
    if image.mode != "L" or image.size != (spec.width, spec.height) or "transparency" in image.info:
        return None
    if image.getpixel((0, 0)) == 255:
        from PIL.ImageChops import invert

        image = invert(image)
    # Pillow's stubs do not say that a grey picture has one pair of extremes.
    box, extremes = image.getbbox(), image.getextrema()
    if box is None or extremes[1] < 220:  # type: ignore[operator]
        return None
    left, top, right, bottom = box
    if abs(max(right - left, bottom - top) - spec.ink_box) > 1:
        return None
    pixels = np.frombuffer(image.tobytes(), np.uint8).reshape(spec.height, spec.width)
    mass, y, x = _moments(spec.height, spec.width).dot(pixels.ravel().astype(np.float32)).tolist()
    if mass > 0.5 * 255 * pixels.size:
        return None
    y, x = (y / mass, x / mass) if spec.centring == "mass" else ((top + bottom - 1) / 2, (left + right - 1) / 2)
    is_centred = abs(y - spec.height / 2) <= 0.75 and abs(x - spec.width / 2) <= 0.75
    return pixels if is_centred else None


def _sized(plane: Floats) -> Floats:
    """Scale a plane so that it costs little to look at, and so that a stroke is some pixels wide.

    In the old sets of 8x8 and 16x16 pixels a stroke is a pixel wide and every pixel is half ink, so that neither ink nor background
    has a level of its own; between smoothly enlarged pixels both have.
    """
    longest = max(plane.shape)
    if longest >= SMALL_SIDE:
        return shrink(plane, WORKING_SIDE)
    return np.clip(enlarge(plane, -(-COARSE_SIDE // longest)), 0, 1)


def _cleared(seen: InkMap) -> InkMap:
    """Take lines and borders away, where ink is left without them."""
    if seen.core < FAINT_CONTRAST:
        return seen
    for clear in (without_lines, without_border):
        contrast = clear(seen.contrast, weak_level(seen.core, seen.noise))
        if contrast is seen.contrast:
            continue
        noise, core = levels(contrast)
        # What is left must have been ink before: else a lone character along the frame was taken away.
        if core >= max(FAINT_CONTRAST, 6 * noise, WEAK * seen.core):
            seen = replace(seen, contrast=contrast, noise=noise, core=core)
    return seen


def normalise_ink(image: Image, spec: PictureSpec) -> Seen:
    """Normalise a decoded picture of one character.

    Parameters
    ----------
    image : PIL.Image.Image
        Loaded and upright.
    spec : PictureSpec
    """
    ready = as_it_is(image, spec)
    if ready is not None:
        return Seen(ready)
    colour = to_colour(image)
    colour = np.stack([_sized(colour[..., plane]) for plane in range(colour.shape[2])], axis=2)
    blank = np.zeros((spec.height, spec.width), np.uint8)
    seen = _cleared(ink_map(colour))
    if seen.core < FAINT_CONTRAST or seen.core < 4 * seen.noise:
        return Seen(blank, (BLANK,) if seen.core < FAINT_CONTRAST else (BLANK, FAINT))
    found = find_character(seen.contrast, seen.core, seen.noise)
    if found is None:
        return Seen(blank, (BLANK,))
    low = max(0.2 * seen.core, min(2 * seen.noise, 0.4 * seen.core))
    pixels = draw_glyph(seen.contrast, found.mask, seen.core, low, spec)
    notes = []
    if seen.core < 2 * FAINT_CONTRAST:
        notes.append(FAINT)
    if found.several:
        notes.append(SEVERAL)
    if found.touches:
        notes.append(CUT_OFF)
    rows = found.mask.any(axis=1)
    enlarged = max(1.0, found.mask.shape[0] / image.height)
    if int(rows.sum()) / enlarged < spec.ink_box // 3:
        notes.append(TINY)
    return Seen(pixels, tuple(notes))
