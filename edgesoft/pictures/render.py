"""From the ink of one character to the model's pixels: size, stroke width, centre, greys."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgesoft.pictures.filters import Floats, Mask, box_mean, dilation, resample, stroke_width, summable
from edgesoft.pictures.spec import PictureSpec

# The glyph is drawn at this many times the model's resolution and then averaged, as MNIST's
# greys came from averaging black and white originals.
SUPERSAMPLING = 4
# Pressure is judged over this many stroke widths around each pixel.
EVEN_REACH = 1.0
# Strokes paler than this share of the darkest ones are not lifted further: they may be shadows.
PALEST = 0.45


def _ink_box(ink: Floats, level: float = 0.5) -> tuple[int, int, int, int]:
    """Top, left, bottom, right (the last two exclusive) of the pixels above a level."""
    rows = np.flatnonzero((ink > level).any(axis=1))
    columns = np.flatnonzero((ink > level).any(axis=0))
    if rows.size == 0:
        return 0, 0, ink.shape[0], ink.shape[1]
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _crop_to_ink(ink: Floats, margin: int) -> Floats:
    """Cut to the ink's box, with an empty margin around it."""
    top, left, bottom, right = _ink_box(ink)
    padded = np.pad(ink, margin)
    return padded[top : bottom + 2 * margin, left : right + 2 * margin]


def _crop_to_mask(contrast: Floats, mask: Mask) -> tuple[Floats, Mask]:
    """Cut a contrast map and its mask to the mask's box and a margin of an eighth of it."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    margin = 2 + max(len(rows), len(columns)) // 8
    down = slice(max(0, rows[0] - margin), rows[-1] + 1 + margin)
    across = slice(max(0, columns[0] - margin), columns[-1] + 1 + margin)
    return contrast[down, across], mask[down, across]


def _scale_to_box(ink: Floats, side: int) -> Floats:
    """Scale so that the box of the ink has its longer side at `side` pixels; cut to a margin of 4."""
    cut = _crop_to_ink(ink, 2)
    top, left, bottom, right = _ink_box(cut)
    scale = side / max(bottom - top, right - left)
    return _crop_to_ink(resample(cut, max(1, round(cut.shape[0] * scale)), max(1, round(cut.shape[1] * scale))), 4)


def _dilate_or_erode(ink: Floats, radius: float) -> Floats:
    """Grey dilation by a disc (radius > 0) or erosion (radius < 0), in fractions of a pixel.

    Whole radii are exact discs; between them the two neighbours are mixed.
    """
    if radius < 0:
        return 1 - _dilate_or_erode(1 - ink, -radius)
    whole = int(radius)
    lower = _dilate_by_disc(ink, whole)
    part = radius - whole
    if part < 0.05:
        return lower
    return (1 - part) * lower + part * _dilate_by_disc(ink, whole + 1)


def _dilate_by_disc(ink: Floats, radius: int) -> Floats:
    """Maximum over a disc: the largest of shifted row segments of the disc's chords."""
    if radius == 0:
        return ink
    padded = np.pad(ink, radius, mode="edge")
    height, width = ink.shape
    out = ink
    for down in range(-radius, radius + 1):
        chord = int(np.sqrt((radius + 0.5) ** 2 - down * down))
        rows = padded[radius + down : radius + down + height]
        for across in range(-chord, chord + 1):
            out = np.maximum(out, rows[:, radius + across : radius + across + width])
    return out


def _stroke_width_change(ink: Floats, spec: PictureSpec) -> float:
    """Radius in pixels by which to thicken (or thin, if negative) a glyph.

    Parameters
    ----------
    ink
        float32 `[h, w]`, glyph whose box has any longer side L. After a change by r the box grows to L + 2 r, so
        that a share T of the box as stroke width needs `w + 2 r = T (L + 2 r)`.
    spec
        Its stroke widths, as shares of its ink box, are the limits of T.
    """
    if not spec.stroke_high:
        return 0.0
    top, left, bottom, right = _ink_box(ink)
    side = max(bottom - top, right - left)
    width = stroke_width(ink)
    share = width / side
    wanted = float(np.clip(share, spec.stroke_low / spec.ink_box, spec.stroke_high / spec.ink_box))
    change = (wanted * side - width) / (2 * (1 - wanted))
    # Thinning may take at most half of the mean stroke: thinner parts of it must not break.
    return max(change, -0.25 * width)


def _centre_on_canvas(ink: Floats, spec: PictureSpec) -> Floats:
    """Put a glyph on the model's canvas at SUPERSAMPLING times its resolution, centred by the specification's rule."""
    height, width = spec.height * SUPERSAMPLING, spec.width * SUPERSAMPLING
    top, left, bottom, right = _ink_box(ink, 0.05)
    ink = ink[top:bottom, left:right][:height, :width]
    if spec.centring == "mass":
        mass = summable(ink)
        total = float(mass.sum()) or 1.0
        y = float(mass.sum(axis=1) @ np.arange(ink.shape[0])) / total
        x = float(mass.sum(axis=0) @ np.arange(ink.shape[1])) / total
    else:
        y, x = (ink.shape[0] - 1) / 2, (ink.shape[1] - 1) / 2
    # With s for SUPERSAMPLING, model pixel n spans the finer pixels s n to s n + s - 1.
    half = (SUPERSAMPLING - 1) / 2
    down = int(np.clip(round(SUPERSAMPLING * (spec.height / 2) + half - y), 0, height - ink.shape[0]))
    across = int(np.clip(round(SUPERSAMPLING * (spec.width / 2) + half - x), 0, width - ink.shape[1]))
    canvas = np.zeros((height, width), np.float32)
    canvas[down : down + ink.shape[0], across : across + ink.shape[1]] = ink
    return canvas


def _even_pressure(contrast: Floats, mask: Mask, stroke_contrast: float) -> Floats:
    """Divide the contrast by that of the stroke's middle nearby: pressed and pale strokes become alike.

    Parameters
    ----------
    contrast
        float32 `[h, w]`, 0 to `stroke_contrast`, 0 outside the marks.
    mask
        bool `[h, w]`, the marks.
    stroke_contrast
        Contrast of the middle of the strokes.

    Returns
    -------
    NDArray[np.float32]
        `[h, w]`, 0 to 1.
    """
    ink = contrast / np.float32(stroke_contrast)
    radius = max(1, min(int(np.ceil(EVEN_REACH * stroke_width(mask.astype(np.float32)))), max(mask.shape) // 8))
    nearby = box_mean(dilation(ink, radius), radius)
    return np.clip(ink / np.clip(nearby, PALEST, 1), 0, 1).astype(np.float32)


def render_glyph(
    contrast: Floats, mask: Mask, stroke_contrast: float, noise_floor: float, spec: PictureSpec
) -> NDArray[np.uint8]:
    """Draw the chosen ink as the model's pixels.

    Parameters
    ----------
    contrast
        float32 `[h, w]`, contrast with the local background.
    mask
        bool `[h, w]`, the character's marks.
    stroke_contrast
        Contrast of the middle of the strokes.
    noise_floor
        Contrast that still counts as background.
    spec
        What the model takes.

    Returns
    -------
    NDArray[np.uint8]
        `[height, width]`, white ink on black.
    """
    contrast, mask = _crop_to_mask(contrast, mask)
    # One pixel around the marks belongs to their grey edges.
    near = dilation(mask.astype(np.float32), 1)
    ink = _even_pressure(np.clip(contrast, 0, stroke_contrast) * near, mask, stroke_contrast)
    side = spec.ink_box * SUPERSAMPLING
    ink = _scale_to_box(ink, side)
    floor = noise_floor / stroke_contrast
    ink = np.clip((ink - floor) / max(0.8 - floor, 0.1), 0, 1).astype(np.float32)
    ink = _crop_to_ink(ink, 2 * SUPERSAMPLING)
    change = _stroke_width_change(ink, spec)
    if abs(change) > 0.1:
        ink = _dilate_or_erode(ink, change)
    ink = _scale_to_box(ink, side)
    canvas = _centre_on_canvas(ink, spec)
    small = summable(canvas).reshape(spec.height, SUPERSAMPLING, spec.width, SUPERSAMPLING).mean(axis=(1, 3))
    return np.asarray(np.rint(np.clip(small, 0, 1) * 255), dtype=np.uint8)
