"""The `ink` normaliser: one glyph on a background becomes white on black, boxed and centred."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgesoft.pictures.background import COARSE_SIDE, ContrastMap, contrast_map, noise_and_stroke_contrast
from edgesoft.pictures.colour import to_colour
from edgesoft.pictures.decode import WORKING_SIDE
from edgesoft.pictures.filters import Floats, enlarge, shrink
from edgesoft.pictures.remove_lines import remove_frame_marks, remove_ruled_lines
from edgesoft.pictures.render import render_glyph
from edgesoft.pictures.segment import LOW_SHARE, low_threshold, segment_character
from edgesoft.pictures.spec import BLANK, CUT_OFF, FAINT, SEVERAL, TINY, PictureSpec, Seen

if TYPE_CHECKING:
    from PIL.Image import Image

# Ink that differs from its paper by less than this share is what a blank sheet's grain shows.
FAINT_CONTRAST = 0.04
# In smaller pictures a stroke is no wider than a pixel.
SMALL_SIDE = 24


@lru_cache
def _moments(height: int, width: int) -> NDArray[np.float32]:
    """Weights of a picture's mass and of its first moments down and across: float32 `[3, height * width]`."""
    y, x = np.mgrid[:height, :width]
    return np.stack([np.ones_like(y), y, x]).reshape(3, -1).astype(np.float32)


def already_normalised(image: Image, spec: PictureSpec) -> NDArray[np.uint8] | None:
    """Return the pixels of a picture that already is a model input (or its negative), else None.

    MNIST's pictures: brightest pixel 254 or 255, a black surround, the ink's box 20 pixels, its
    centre of mass within half a pixel of the centre, at most 40 % of the full mass. The limits
    are a little wider. Bulk reading is mostly this function: it makes few and small calls.

    Parameters
    ----------
    image
        Loaded.
    spec
        What the model takes.
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


def _to_working_size(plane: Floats) -> Floats:
    """Scale a plane so that it costs little to look at, and so that a stroke is some pixels wide.

    In the old sets of 8x8 and 16x16 pixels a stroke is a pixel wide and every pixel is half ink, so that neither ink nor background
    has a level of its own; between smoothly enlarged pixels both have.
    """
    longest = max(plane.shape)
    if longest >= SMALL_SIDE:
        return shrink(plane, WORKING_SIDE)
    return np.clip(enlarge(plane, -(-COARSE_SIDE // longest)), 0, 1)


def _clean(measured: ContrastMap) -> ContrastMap:
    """Remove ruled lines and what lies along the frame, where ink is left without them."""
    if measured.stroke_contrast < FAINT_CONTRAST:
        return measured
    for remove in (remove_ruled_lines, remove_frame_marks):
        contrast = remove(measured.contrast, low_threshold(measured.stroke_contrast, measured.noise))
        if contrast is measured.contrast:
            continue
        noise, stroke_contrast = noise_and_stroke_contrast(contrast)
        # What is left must have been ink before: else a lone character along the frame was taken away.
        if stroke_contrast >= max(FAINT_CONTRAST, 6 * noise, LOW_SHARE * measured.stroke_contrast):
            measured = replace(measured, contrast=contrast, noise=noise, stroke_contrast=stroke_contrast)
    return measured


def normalise_ink(image: Image, spec: PictureSpec) -> Seen:
    """Normalise a decoded picture of one character.

    Parameters
    ----------
    image
        Loaded and upright.
    spec
        What the model takes.
    """
    pixels = already_normalised(image, spec)
    if pixels is not None:
        return Seen(pixels)
    colour = to_colour(image)
    colour = np.stack([_to_working_size(colour[..., plane]) for plane in range(colour.shape[2])], axis=2)
    blank = np.zeros((spec.height, spec.width), np.uint8)
    measured = _clean(contrast_map(colour))
    if measured.stroke_contrast < FAINT_CONTRAST or measured.stroke_contrast < 4 * measured.noise:
        return Seen(blank, (BLANK,) if measured.stroke_contrast < FAINT_CONTRAST else (BLANK, FAINT))
    character = segment_character(measured.contrast, measured.stroke_contrast, measured.noise)
    if character is None:
        return Seen(blank, (BLANK,))
    noise_floor = max(0.2 * measured.stroke_contrast, min(2 * measured.noise, 0.4 * measured.stroke_contrast))
    pixels = render_glyph(measured.contrast, character.mask, measured.stroke_contrast, noise_floor, spec)
    notes = []
    if measured.stroke_contrast < 2 * FAINT_CONTRAST:
        notes.append(FAINT)
    if character.is_one_of_several:
        notes.append(SEVERAL)
    if character.touches_frame:
        notes.append(CUT_OFF)
    rows = character.mask.any(axis=1)
    enlarged = max(1.0, character.mask.shape[0] / image.height)
    if int(rows.sum()) / enlarged < spec.ink_box // 3:
        notes.append(TINY)
    return Seen(pixels, tuple(notes))
