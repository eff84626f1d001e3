"""The contrast of each pixel with its local background, whatever the ink's colour, the polarity and the light."""

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
    robust_deviation,
    shrink,
)

# The illumination, the ink's colour and the polarity are judged on a small copy: its pixels average
# many of the picture's, so noise and paper grain are gone and each step takes microseconds.
COARSE_SIDE = 64
# The local background is estimated at this size.
BACKGROUND_SIDE = 128
# A background that varies by less than this share of the ink's contrast is taken as one colour.
UNIFORM = 0.1
# What counts against a background that varies, be it by light or by strokes that were left in it.
LEFT = 0.2
# Smaller pictures are enlarged to about this side before their marks are traced.
FINE_SIDE = 128
# Standard deviation in pixels of the blur that takes the pixel grid out of small pictures.
PIXEL_BLUR = 0.6


@dataclass(frozen=True)
class ContrastMap:
    """Contrast of every pixel with its local background."""

    contrast: Floats
    """float32 `[h, w]`: about 0 on the background, positive on ink; a share of the full range 0..1 for bright ink, of the background's
    brightness for dark ink."""
    noise: float
    """Robust standard deviation of `contrast` on the background."""
    stroke_contrast: float
    """Contrast of the middle of the strokes; 0 if nothing stands out of the noise."""


def _frame_mask(shape: tuple[int, ...]) -> Mask:
    """Mask of the outermost pixels."""
    mask = np.ones(shape, bool)
    mask[1:-1, 1:-1] = False
    return mask


def _ink_direction(coarse: Floats) -> Floats:
    """Find the unit vector in colour space along which the picture differs most from its surroundings.

    It is the first principal component of the differences from the local mean: for grey pictures the
    grey axis; for blue ink on paper it leaves out the blue channel, in which the ink hardly shows.
    Noise in the other directions is projected away.

    Parameters
    ----------
    coarse
        float32 `[c, h, w]`, grey or RGB.
    """
    count = coarse.shape[0]
    if count == 1:
        return np.ones(1, np.float32)
    radius = max(2, max(coarse.shape[1:]) // 6)
    differences = np.stack([plane - box_mean(plane, radius) for plane in coarse])
    rows = differences.reshape(count, -1).astype(np.float64)
    _, vectors = np.linalg.eigh(rows @ rows.T + 1e-9 * np.eye(count))
    direction = vectors[:, -1]
    # Brighter is positive; only colours of equal brightness leave the sign open.
    if direction @ LUMINANCE < 0:
        direction = -direction
    return direction.astype(np.float32)


@dataclass(frozen=True)
class _Hypothesis:
    """What may be true of a picture: which side is ink, and how the background varies."""

    is_ink_dark: bool
    """Whether the ink is darker than its background."""
    is_lit_evenly: bool
    """Whether the illumination that `_fit_illumination` finds is left in the picture."""
    window: float
    """Half width of the window that a pixel's background is judged in, as a share of the longer side; 0: one background for all."""


_HYPOTHESES = tuple(
    _Hypothesis(is_ink_dark, is_lit_evenly, window)
    for is_lit_evenly, window in ((True, 0.0), (True, 0.08), (False, 0.0), (False, 0.2), (False, 0.08))
    for is_ink_dark in (True, False)
)


def _fit_illumination(brightness: Floats) -> Floats:
    """Fit a quadratic surface to a coarse picture, ignoring what deviates (the ink).

    Iteratively reweighted least squares with Geman-McClure weights.

    Parameters
    ----------
    brightness
        float32 `[h, w]`, coarse.
    """
    y, x = np.mgrid[-1 : 1 : brightness.shape[0] * 1j, -1 : 1 : brightness.shape[1] * 1j]
    basis = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y]).reshape(6, -1)
    values = brightness.ravel().astype(np.float64)
    # The frame of a picture is nearly all background, its middle need not be.
    weights = np.where(_frame_mask(brightness.shape).ravel(), 1.0, 0.25)
    surface = values
    for _ in range(6):
        weighted = basis * weights
        normal = weighted @ basis.T + 1e-6 * weights.sum() * np.eye(6)
        surface = np.linalg.solve(normal, weighted @ values) @ basis
        away = np.abs(values - surface)
        weights = 1 / (1 + (away / max(3 * float(np.median(away)), 1e-3)) ** 2) ** 2
    return surface.reshape(brightness.shape).astype(np.float32)


def _envelope(brightness: Floats, window: float) -> Floats:
    """Upper envelope, the background of dark ink: the median of the bright class, or a closing that is wider than strokes."""
    if window == 0:
        return np.full_like(brightness, np.median(brightness[brightness >= otsu(brightness.ravel())]))
    return closing(brightness, max(2, round(window * max(brightness.shape))))


def _cost(contrast: Floats, roughness: float, strongest: float) -> float:
    """The cost of a hypothesis: how little the marks that it finds look like a character.

    Ink is scarce, lies away from the picture's frame and above all from its corners, hangs
    together, and differs from its background by much and by the same amount everywhere.

    Parameters
    ----------
    contrast
        float32 `[h, w]`, contrast under this hypothesis.
    roughness
        What `_roughness` says of the background under this hypothesis.
    strongest
        Largest contrast step under any hypothesis.
    """
    level = otsu(contrast.ravel())
    ink = contrast > level
    total = float(contrast.var())
    if total <= 0 or not ink.any():
        return np.inf
    share = float(ink.mean())
    step = float(contrast[ink].mean() - contrast[~ink].mean())
    separation = share * (1 - share) * step * step / total
    frame = float(ink[_frame_mask(ink.shape)].mean())
    corners = float(ink[[0, 0, -1, -1], [0, -1, 0, -1]].mean())
    split = 1 - float(components(ink).areas().max()) / float(ink.sum())
    return share + frame + 0.5 * corners + split + 2 * (1 - separation) + (1 - step / strongest) + roughness


def _roughness(background: Floats, other: Floats, brightness: Floats) -> float:
    """How much of what ink explains is left in the background, and a little for all that is left there.

    Under the wrong polarity the strokes stay, widened, in the background. Shadows stay there under both, so the other polarity's
    background is what to compare with: the difference is a share of what the better of both takes away.

    Parameters
    ----------
    background, other
        float32 `[h, w]`, the background under a hypothesis, and under the same one for the other polarity.
    brightness
        float32 `[h, w]`, what both were estimated from.
    """
    total, left = max(float(brightness.var()), 1e-12), float(background.var())
    least = min(left, float(other.var()))
    return float(np.sqrt((left - least) / max(total - least, 1e-12)) + LEFT * np.sqrt(left / total))


def _best_hypothesis(brightness: Floats, illumination: Floats) -> _Hypothesis:
    """Choose the hypothesis of the least cost.

    Parameters
    ----------
    brightness
        float32 `[h, w]`, brightness along the ink's direction, coarse.
    illumination
        float32 `[h, w]`, what `_fit_illumination` found in it.
    """
    maps: list[Floats] = []
    roughness: list[float] = []
    for dark, bright in zip(_HYPOTHESES[::2], _HYPOTHESES[1::2], strict=True):
        flat = brightness if dark.is_lit_evenly else brightness - illumination
        of_dark, of_bright = _envelope(flat, dark.window), -_envelope(-flat, bright.window)
        maps += [np.clip(of_dark - flat, 0, None), np.clip(flat - of_bright, 0, None)]
        roughness += [_roughness(of_dark, of_bright, flat), _roughness(of_bright, of_dark, flat)]
    strongest = max(float(np.quantile(contrast, 0.995)) for contrast in maps) or 1.0
    costs = [_cost(contrast, rough, strongest) for contrast, rough in zip(maps, roughness, strict=True)]
    return _HYPOTHESES[int(np.argmin(costs))]


def _local_background(brightness: Floats, window: float) -> Floats:
    """Estimate the local background of dark ink.

    A closing wider than the strokes fills them from their surroundings and follows shadows and
    paper edges that are broader than strokes. Since the closing takes extremes, noise lifts it:
    the final estimate is the mean of the background's own pixels around each place.

    Parameters
    ----------
    brightness
        float32 `[h, w]`, brightness along the ink's direction, background brighter than ink.
    window
        See `_Hypothesis`.
    """
    height, width = brightness.shape
    small = shrink(brightness, BACKGROUND_SIDE)
    envelope = _envelope(small, window)
    gap = envelope - small
    free = gap <= otsu(gap.ravel())
    if free.all():
        return envelope if envelope.shape == brightness.shape else resample(envelope, height, width)
    if window == 0 and float(np.ptp(np.quantile(small[free], [0.1, 0.9]))) < UNIFORM * float(gap[~free].mean()):
        return np.full_like(brightness, np.median(small[free]))
    radius = max(2, round((window or 0.25) * max(small.shape)))
    weights = free.astype(np.float32)
    # Where the window holds almost no background (inside a blot), the closing stands.
    share = box_mean(weights, radius)
    mean = box_mean((weights * (small - envelope)).astype(np.float32), radius) / np.maximum(share, np.float32(0.05))
    # The envelope itself is hardly smoothed: what is lost of a shadow's edge would be left of it beside the strokes.
    smooth = box_mean(envelope, 1) + box_mean(mean.astype(np.float32), max(1, radius // 3))
    return resample(smooth.astype(np.float32), height, width)


def noise_and_stroke_contrast(contrast: Floats) -> tuple[float, float]:
    """The robust deviation of the pixels below the ink threshold, and the mean of the ink class.

    Parameters
    ----------
    contrast
        float32 `[h, w]`.

    Returns
    -------
    tuple[float, float]
        Noise, and stroke contrast: 0 where nothing exceeds three times the noise.
    """
    values = contrast.ravel()
    noise = robust_deviation(values[values <= otsu(values)])
    ink = values[values > max(3 * noise, 0.02)]
    if ink.size == 0:
        return noise, 0.0
    # A second split, of what stands out of the noise: ruled lines and stains below, ink above.
    return noise, float(ink[ink >= otsu(ink)].mean())


def _enlarge_smoothly(contrast: Floats) -> Floats:
    """Enlarge a small contrast map and take out the pixel grid.

    In a small picture a stroke is about as wide as a pixel: where it falls between two of them
    each shows half of its contrast. A blur by less than a pixel evens that out along the stroke.
    """
    factor = max(1, round(FINE_SIDE / max(contrast.shape)))
    if factor == 1:
        return contrast
    return blur(enlarge(contrast, factor), PIXEL_BLUR * factor)


def contrast_map(colour: Floats) -> ContrastMap:
    """Measure the contrast of each pixel with its local background.

    Parameters
    ----------
    colour
        float32 `[h, w, c]`, grey or RGB, 0..1.
    """
    planes = np.ascontiguousarray(np.moveaxis(colour, 2, 0))
    coarse = np.stack([shrink(plane, COARSE_SIDE) for plane in planes])
    direction = _ink_direction(coarse)
    coarse_brightness = np.tensordot(direction, coarse, 1)
    if max(coarse_brightness.shape) < COARSE_SIDE:
        coarse_brightness = blur(coarse_brightness, PIXEL_BLUR)
    illumination = _fit_illumination(coarse_brightness)
    hypothesis = _best_hypothesis(coarse_brightness, illumination)
    brightness = np.tensordot(direction, planes, 1)
    illumination = np.zeros_like(brightness) if hypothesis.is_lit_evenly else resample(illumination, *brightness.shape)
    brightness = brightness - illumination if hypothesis.is_ink_dark else illumination - brightness
    background = _local_background(brightness, hypothesis.window)
    contrast = background - brightness
    if hypothesis.is_ink_dark:
        # Ink absorbs a share of the light: divide by the light that falls there.
        full = float(np.abs(direction).sum())
        contrast = contrast / np.clip((background + illumination) / full, 0.15, None) / np.float32(full)
    else:
        contrast = contrast / np.float32(np.abs(direction).sum())
    contrast = _enlarge_smoothly(contrast.astype(np.float32))
    return ContrastMap(contrast, *noise_and_stroke_contrast(contrast))
