"""How much each pixel looks like ink: background, colour and light taken away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgesoft.pictures.colour import LUMINANCE
from edgesoft.pictures.filters import (
    Floats,
    Mask,
    blur,
    box_mean,
    closing,
    components,
    enlarge,
    otsu,
    resample,
    shrink,
    spread,
)

# The light, the ink's colour and the polarity are judged on a small copy: its pixels average
# many of the picture's, so noise and paper grain are gone and each step takes microseconds.
COARSE_SIDE = 64
# The local background is estimated at this size.
GROUND_SIDE = 128
# A background that varies by less than this share of the ink's contrast is taken as one colour.
FLAT = 0.1
# Smaller pictures are enlarged to about this side before their marks are traced.
FINE_SIDE = 128
# Standard deviation in pixels of the blur that takes the pixel grid out of small pictures.
PIXEL_BLUR = 0.6


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


def _frame(shape: tuple[int, ...]) -> Mask:
    """Mask of the outermost pixels."""
    mask = np.ones(shape, bool)
    mask[1:-1, 1:-1] = False
    return mask


def _ink_direction(coarse: Floats) -> Floats:
    """Find the unit vector in colour space along which the picture differs most from its surroundings.

    For grey pictures this is the grey axis; for blue ink on paper it leaves out the blue
    channel, in which the ink hardly shows. Noise in the other directions is projected away.

    Parameters
    ----------
    coarse : float32 [c, h, w]
    """
    count = coarse.shape[0]
    if count == 1:
        return np.ones(1, np.float32)
    radius = max(2, max(coarse.shape[1:]) // 6)
    flat = np.stack([plane - box_mean(plane, radius) for plane in coarse]).reshape(count, -1).astype(np.float64)
    _, vectors = np.linalg.eigh(flat @ flat.T + 1e-9 * np.eye(count))
    direction = vectors[:, -1]
    # Brighter is positive; only colours of equal brightness leave the sign open.
    if direction @ LUMINANCE < 0:
        direction = -direction
    return direction.astype(np.float32)


@dataclass(frozen=True)
class _View:
    """One way to see a picture: which side is ink, and how the background is found.

    Attributes
    ----------
    is_dark : bool
        Ink darker than its background.
    is_lit_evenly : bool
        The smooth light of `_smooth_light` is not taken away first.
    reach : float
        Half width of the background's window as a share of the longer side; 0: one background
        for the whole picture.
    """

    is_dark: bool
    is_lit_evenly: bool
    reach: float


_VIEWS = tuple(
    _View(is_dark, is_lit_evenly, reach)
    for is_lit_evenly, reach in ((True, 0.0), (False, 0.0), (False, 0.2), (False, 0.08))
    for is_dark in (True, False)
)


def _smooth_light(flat: Floats) -> Floats:
    """Fit a quadratic surface to a coarse picture, ignoring what deviates (the ink).

    Iteratively reweighted least squares with Geman-McClure weights.

    Parameters
    ----------
    flat : float32 [h, w]
    """
    y, x = np.mgrid[-1 : 1 : flat.shape[0] * 1j, -1 : 1 : flat.shape[1] * 1j]
    basis = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y]).reshape(6, -1)
    values = flat.ravel().astype(np.float64)
    # The frame of a picture is nearly all background, its middle need not be.
    weights = np.where(_frame(flat.shape).ravel(), 1.0, 0.25)
    surface = values
    for _ in range(6):
        weighted = basis * weights
        normal = weighted @ basis.T + 1e-6 * weights.sum() * np.eye(6)
        surface = np.linalg.solve(normal, weighted @ values) @ basis
        away = np.abs(values - surface)
        weights = 1 / (1 + (away / max(3 * float(np.median(away)), 1e-3)) ** 2) ** 2
    return surface.reshape(flat.shape).astype(np.float32)


def _upper(bright: Floats, reach: float) -> Floats:
    """Background of dark ink: the bright class as a whole, or a closing that is wider than strokes."""
    if reach == 0:
        return np.full_like(bright, np.median(bright[bright >= otsu(bright.ravel())]))
    return closing(bright, max(2, round(reach * max(bright.shape))))


def _doubt(contrast: Floats, roughness: float, strongest: float) -> float:
    """Tell how little the marks of a view look like a character; smaller is better.

    Ink is scarce, lies away from the picture's frame and above all from its corners, hangs
    together, and differs from its background by much and by the same amount everywhere. What
    is left when it is taken away varies less than the picture did; under the wrong polarity
    the strokes stay, widened, in the background.

    Parameters
    ----------
    contrast : float32 [h, w]
        Contrast under this view.
    roughness : float
        Deviation of the background under this view as a share of the picture's.
    strongest : float
        Largest contrast step under any view.
    """
    level = otsu(contrast.ravel())
    ink = contrast > level
    total = float(contrast.var())
    if total <= 0 or not ink.any():
        return np.inf
    share = float(ink.mean())
    step = float(contrast[ink].mean() - contrast[~ink].mean())
    separation = share * (1 - share) * step * step / total
    frame = float(ink[_frame(ink.shape)].mean())
    corners = float(ink[[0, 0, -1, -1], [0, -1, 0, -1]].mean())
    split = 1 - float(components(ink).areas().max()) / float(ink.sum())
    return share + frame + 0.5 * corners + split + 2 * (1 - separation) + (1 - step / strongest) + roughness


def _best_view(flat: Floats, light: Floats) -> _View:
    """Choose the view under which the marks look most like a character.

    Parameters
    ----------
    flat : float32 [h, w]
        Brightness along the ink's direction, coarse.
    light : float32 [h, w]
        Its smooth light.
    """
    maps, roughness = [], []
    for view in _VIEWS:
        seen = flat if view.is_lit_evenly else flat - light
        bright = seen if view.is_dark else -seen
        ground = _upper(bright, view.reach)
        maps.append(np.clip(ground - bright, 0, None))
        roughness.append(float(ground.std()) / max(float(seen.std()), 1e-6))
    strongest = max(float(np.quantile(contrast, 0.995)) for contrast in maps) or 1.0
    doubts = [_doubt(contrast, rough, strongest) for contrast, rough in zip(maps, roughness, strict=True)]
    return _VIEWS[int(np.argmin(doubts))]


def _ground(bright: Floats, reach: float) -> Floats:
    """Estimate the local background of dark ink.

    A closing wider than the strokes fills them from their surroundings and follows shadows and
    paper edges that are broader than strokes. Since the closing takes extremes, noise lifts it:
    the final estimate is the mean of the background's own pixels around each place.

    Parameters
    ----------
    bright : float32 [h, w]
        Brightness along the ink's direction, background brighter than ink.
    reach : float
        See `_View`.
    """
    height, width = bright.shape
    small = shrink(bright, GROUND_SIDE)
    upper = _upper(small, reach)
    gap = upper - small
    free = gap <= otsu(gap.ravel())
    if free.all():
        return upper if upper.shape == bright.shape else resample(upper, height, width)
    if reach == 0 and float(np.ptp(np.quantile(small[free], [0.1, 0.9]))) < FLAT * float(gap[~free].mean()):
        return np.full_like(bright, np.median(small[free]))
    radius = max(2, round((reach or 0.25) * max(small.shape)))
    weights = free.astype(np.float32)
    # Where the window holds almost no background (inside a blot), the closing stands.
    share = box_mean(weights, radius)
    mean = box_mean((weights * (small - upper)).astype(np.float32), radius) / np.maximum(share, np.float32(0.05))
    return resample(box_mean((upper + mean).astype(np.float32), max(1, radius // 3)), height, width)


def levels(contrast: Floats) -> tuple[float, float]:
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
    return blur(enlarge(contrast, factor), PIXEL_BLUR * factor)


def ink_map(colour: Floats) -> InkMap:
    """Measure the contrast of each pixel with its local background.

    Parameters
    ----------
    colour : float32 [h, w, c]
        Grey or RGB, 0..1.
    """
    planes = np.ascontiguousarray(np.moveaxis(colour, 2, 0))
    coarse = np.stack([shrink(plane, COARSE_SIDE) for plane in planes])
    direction = _ink_direction(coarse)
    flat = np.tensordot(direction, coarse, 1)
    if max(flat.shape) < COARSE_SIDE:
        flat = blur(flat, PIXEL_BLUR)
    light = _smooth_light(flat)
    view = _best_view(flat, light)
    bright = np.tensordot(direction, planes, 1)
    light = np.zeros_like(bright) if view.is_lit_evenly else resample(light, *bright.shape)
    bright = bright - light if view.is_dark else light - bright
    ground = _ground(bright, view.reach)
    contrast = ground - bright
    if view.is_dark:
        # Ink absorbs a share of the light: divide by the light that falls there.
        full = float(np.abs(direction).sum())
        contrast = contrast / np.clip((ground + light) / full, 0.15, None) / np.float32(full)
    else:
        contrast = contrast / np.float32(np.abs(direction).sum())
    contrast = _fine(contrast.astype(np.float32))
    noise, core = levels(contrast)
    return InkMap(contrast, noise, core, view.is_dark)
