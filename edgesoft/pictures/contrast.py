"""How much each pixel looks like ink: background, colour and light taken away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesoft.pictures.arrays import (
    Floats,
    Mask,
    blur,
    box_mean,
    closing,
    enlarge,
    otsu,
    resample,
    shrink,
    spread,
    stroke_width,
)
from edgesoft.pictures.colour import LUMINANCE

# The light, the ink's colour and the polarity are judged on a small copy: its pixels average
# many of the picture's, so noise and paper grain are gone and each step takes microseconds.
COARSE_SIDE = 64
# The local background is estimated at this size.
GROUND_SIDE = 128
# Smaller pictures are enlarged to about this side before their marks are traced.
FINE_SIDE = 128


@dataclass(frozen=True)
class InkMap:
    """Contrast of every pixel with its local background.

    Attributes
    ----------
    contrast : float32 [h, w]
        About 0 on the background, positive on ink; a share of the full range 0..1 for bright
        ink, of the background's brightness for dark ink.
    noise : float
        Standard deviation of `contrast` on the background.
    core : float
        Contrast of the middle of the strokes; 0 if nothing stands out of the noise.
    is_dark : bool
        Ink darker than its background.
    """

    contrast: Floats
    noise: float
    core: float
    is_dark: bool


def _frame(shape: tuple[int, int], width: int = 1) -> Mask:
    """Mask of the outermost pixels."""
    mask = np.ones(shape, bool)
    mask[width:-width, width:-width] = False
    return mask


def _smooth_light(planes: Floats) -> tuple[Floats, Floats]:
    """Fit a quadratic surface to each colour plane, ignoring what deviates (the ink).

    Iteratively reweighted least squares with Geman-McClure weights; all planes share the
    weights of their summed deviation.

    Parameters
    ----------
    planes : float32 [c, h, w]

    Returns
    -------
    surface : float32 [c, h, w]
    weights : float32 [h, w]
        0 (ink) to 1 (background).
    """
    count, height, width = planes.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    basis = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y]).reshape(6, -1)
    values = planes.reshape(count, -1).astype(np.float64)
    # The frame of a picture is nearly all background, its middle need not be.
    weights = np.where(_frame((height, width), max(1, min(height, width) // 16)).ravel(), 1.0, 0.25)
    surface = values
    for _ in range(6):
        weighted = basis * weights
        normal = weighted @ basis.T + 1e-6 * weights.sum() * np.eye(6)
        surface = np.linalg.solve(normal, weighted @ values.T).T @ basis
        away = np.sqrt(((values - surface) ** 2).sum(axis=0))
        scale = max(2.0 * float(np.median(away)), 0.01)
        weights = 1 / (1 + (away / scale) ** 2) ** 2
    return surface.reshape(planes.shape).astype(np.float32), weights.reshape(height, width).astype(np.float32)


def _ink_direction(residual: Floats) -> Floats:
    """Unit vector in colour space along which the picture differs most from its background.

    For grey pictures this is the grey axis; for blue ink on paper it leaves out the blue
    channel, in which the ink hardly shows. Noise in the other directions is projected away.

    Parameters
    ----------
    residual : float32 [c, h, w]
        Picture less its smooth light.
    """
    count = residual.shape[0]
    if count == 1:
        return np.ones(1, np.float32)
    flat = residual.reshape(count, -1).astype(np.float64)
    _, vectors = np.linalg.eigh(flat @ flat.T + 1e-9 * np.eye(count))
    direction = vectors[:, -1]
    # Brighter is positive; only colours of equal brightness leave the sign open.
    if direction @ LUMINANCE < 0:
        direction = -direction
    return direction.astype(np.float32)


def _is_dark(residual: Floats) -> bool:
    """Decide whether the ink is darker than the background.

    Ink is the class (of Otsu's two) that is the minority of the whole and the smaller part of
    the picture's frame; the corners, which ink reaches last, count once more.

    Parameters
    ----------
    residual : float32 [h, w]
        Brightness less the smooth light.
    """
    dark = residual < otsu(residual)
    frame = _frame((dark.shape[0], dark.shape[1])) if min(dark.shape) > 2 else np.ones(dark.shape, bool)
    corners = dark[[0, 0, -1, -1], [0, -1, 0, -1]]
    return bool(dark.mean() + dark[frame].mean() + corners.mean() < 1.5)


def _ground(bright: Floats, ink_width: float) -> Floats:
    """Estimate the local background of dark ink.

    A closing wider than the strokes fills them from their surroundings and follows shadows and
    paper edges that are broader than strokes. Since the closing takes extremes, noise lifts it:
    the final estimate is the mean of the background's own pixels around each place.

    Parameters
    ----------
    bright : float32 [h, w]
        Brightness along the ink's direction, background brighter than ink.
    ink_width : float
        Rough stroke width as a share of the longer side.
    """
    height, width = bright.shape
    small = shrink(bright, GROUND_SIDE)
    longest = max(small.shape)
    radius = int(np.clip(np.ceil(1.5 * ink_width * longest), max(2, longest // 12), max(2, longest // 3)))
    upper = closing(small, radius)
    gap = upper - small
    free = (gap <= otsu(gap.ravel())).astype(np.float32)
    # Where the window holds almost no background (inside a blot), the closing stands.
    share = box_mean(free, radius)
    mean = box_mean(free * (small - upper), radius) / np.maximum(share, 0.05)
    return resample(box_mean(upper + mean, max(1, radius // 3)), height, width)


def _levels(contrast: Floats) -> tuple[float, float]:
    """Background noise and stroke contrast of a contrast map.

    Returns
    -------
    noise : float
        Robust deviation of the pixels below the ink threshold.
    core : float
        Mean of the ink class, 0 where nothing exceeds three times the noise.
    """
    values = contrast.ravel()
    noise = spread(values[values <= otsu(values)])
    ink = values[values > max(3 * noise, 0.02)]
    if ink.size == 0:
        return noise, 0.0
    # A second split, of what stands out of the noise: ruled lines and stains below, ink above.
    return noise, float(ink[ink >= otsu(ink)].mean())


def _fine(contrast: Floats) -> Floats:
    """Enlarge a small map and take out the pixel grid.

    In a small picture a stroke is about as wide as a pixel: where it falls between two of them
    each shows half of its contrast. A blur by less than a pixel evens that out along the stroke.
    """
    factor = max(1, round(FINE_SIDE / max(contrast.shape)))
    if factor == 1:
        return contrast
    return blur(enlarge(contrast, factor), 0.6 * factor)


def ink_map(colour: Floats) -> InkMap:
    """Measure the contrast of each pixel with its local background.

    Parameters
    ----------
    colour : float32 [h, w, c]
        Grey or RGB, 0..1.
    """
    planes = np.ascontiguousarray(np.moveaxis(colour, 2, 0))
    coarse = np.stack([shrink(plane, COARSE_SIDE) for plane in planes])
    light, _ = _smooth_light(coarse)
    direction = _ink_direction(coarse - light)
    flat = np.tensordot(direction, coarse - light, 1)
    is_dark = _is_dark(flat)
    sign = 1.0 if is_dark else -1.0
    rough = np.clip(-sign * flat, 0, None)
    rough = np.clip(rough / max(2 * otsu(rough.ravel()), 1e-6), 0, 1)
    ink_width = stroke_width(rough) / max(flat.shape)
    bright = np.tensordot(direction, planes, 1) * np.float32(sign)
    ground = _ground(bright, ink_width)
    contrast = ground - bright
    if is_dark:
        # Ink absorbs a share of the light: divide by the light that falls there.
        full = float(np.abs(direction).sum())
        contrast = contrast / np.clip(ground / full, 0.15, None) / np.float32(full)
    else:
        contrast = contrast / np.float32(np.abs(direction).sum())
    contrast = _fine(contrast.astype(np.float32))
    noise, core = _levels(contrast)
    return InkMap(contrast, noise, core, is_dark)


def histogram_of(values: Floats) -> NDArray[np.int64]:
    """Counts of 16 equal classes (for tests and reports)."""
    return np.histogram(values, bins=16)[0]
