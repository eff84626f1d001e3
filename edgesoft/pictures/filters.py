"""Image filters: resampling, box means, grey morphology, Otsu's threshold, connected components.

They are written here because SciPy, which has most of them, would add 140 MB to a device and half to the start-up of
`edgesoft infer`. The tests hold them against SciPy's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


def resample(plane: Floats, height: int, width: int, *, smooth: bool = True) -> Floats:
    """Scale one plane; shrinking averages over the area that each new pixel covers.

    Parameters
    ----------
    plane
        float32 `[h, w]`.
    height, width
        New size in pixels.
    smooth
        Interpolate bilinearly (triangle filter, widened when shrinking) instead of averaging
        over plain boxes.
    """
    if plane.shape == (height, width):
        return plane
    from PIL import Image

    kind = Image.Resampling.BILINEAR if smooth else Image.Resampling.BOX
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(image.resize((width, height), kind), dtype=np.float32)


def enlarge(plane: Floats, factor: int) -> Floats:
    """Scale a plane up by a whole factor with a cubic spline (Catmull-Rom type, no new extremes kept)."""
    if factor == 1:
        return plane
    from PIL import Image

    height, width = plane.shape
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(image.resize((width * factor, height * factor), Image.Resampling.BICUBIC), dtype=np.float32)


def blur(plane: Floats, sigma: float) -> Floats:
    """Gaussian blur with standard deviation `sigma` in pixels; edge pixels continue the picture."""
    radius = int(np.ceil(2.5 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    height, width = plane.shape
    padded = np.pad(plane, radius, mode="edge")
    rows = sum(weight * padded[step : step + height] for step, weight in enumerate(kernel))
    return np.asarray(sum(weight * rows[:, step : step + width] for step, weight in enumerate(kernel)))


def shrink(plane: Floats, side: int) -> Floats:
    """Area-average a plane until its longer side is at most `side` pixels."""
    height, width = plane.shape
    longest = max(height, width)
    if longest <= side:
        return plane
    scale = side / longest
    return resample(plane, max(1, round(height * scale)), max(1, round(width * scale)), smooth=False)


def box_mean(plane: Floats, radius: int) -> Floats:
    """Mean over a (2 radius + 1)-square window; the picture is continued by its edge pixels."""
    out = plane
    for axis in (0, 1):
        size = 2 * radius + 1
        pads = [(0, 0), (0, 0)]
        pads[axis] = (radius + 1, radius)
        # float64 sums: float32 running sums over 512 pixels lose the last grey levels
        total = np.cumsum(np.pad(out, pads, mode="edge"), axis=axis, dtype=np.float64)
        upper = total[size:] if axis == 0 else total[:, size:]
        lower = total[:-size] if axis == 0 else total[:, :-size]
        out = ((upper - lower) / size).astype(np.float32)
    return out


def _running_maximum(plane: Floats, radius: int, axis: int) -> Floats:
    """Maximum over 2 radius + 1 neighbours along one axis, by doubling the window."""
    pads = [(0, 0), (0, 0)]
    pads[axis] = (radius, radius)
    out = np.pad(plane, pads, mode="edge")
    if axis == 1:
        out = out.T
    size, reach = 2 * radius + 1, 1
    while reach < size:
        step = min(reach, size - reach)
        out = np.maximum(out[:-step], out[step:])
        reach += step
    return out.T if axis == 1 else out


def dilation(plane: Floats, radius: int) -> Floats:
    """Grey dilation with a (2 radius + 1)-square."""
    return _running_maximum(_running_maximum(plane, radius, 0), radius, 1) if radius else plane


def closing(plane: Floats, radius: int) -> Floats:
    """Grey closing with a square: dark marks narrower than it are filled from their surroundings."""
    return -dilation(-dilation(plane, radius), radius)


def otsu(values: Floats) -> float:
    """Threshold that separates values into the two classes of least inner variance.

    N. Otsu, "A threshold selection method from gray-level histograms", 1979.

    Parameters
    ----------
    values
        float32 `[n]`, at least one value.
    """
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return low
    counts, edges = np.histogram(values, bins=128, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    weight = np.cumsum(counts)[:-1].astype(np.float64)
    total = float(counts.sum())
    moment = np.cumsum(counts * centres)
    rest = total - weight
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] * weight / total - moment[:-1]) ** 2 / (weight * rest)
    between = np.nan_to_num(between)
    # The criterion is flat across an empty gap between the classes: take the gap's middle.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1:-1][best].mean())


def robust_deviation(values: Floats) -> float:
    """Robust standard deviation: 1.4826 times the median distance from the median."""
    if values.size == 0:
        return 0.0
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def summable(plane: Floats) -> NDArray[np.float64]:
    """Values of a plane in whole multiples of 2^-24: float64 adds them up without rounding, so in any order to the same sum.

    Whatever processor adds, and in whatever language: from the centre of a glyph follows a whole pixel.
    """
    return np.asarray(np.rint(plane * np.float32(2**24)) / 2**24, dtype=np.float64)


def stroke_width(ink: Floats) -> float:
    """Mean stroke width of a glyph in pixels: twice its area over its perimeter.

    A stroke of width w and length l >> w has area w l and perimeter 2 l. The perimeter is the
    total variation of the grey picture (coarea formula: the mean length of its level lines), so
    grey edges need no threshold.

    Parameters
    ----------
    ink
        float32 `[h, w]`, 0 (background) to 1 (ink).
    """
    padded = np.pad(ink, 1)
    across = padded[1:, 1:] - padded[:-1, :-1]
    down = padded[1:, :-1] - padded[:-1, 1:]
    variation = float(summable(np.sqrt((across * across + down * down) / 2)).sum())
    return 2 * float(summable(ink).sum()) / variation if variation > 0 else 0.0


@dataclass(frozen=True)
class Components:
    """Connected components of a mask (8 neighbours), as runs of pixels in rows: run i covers `mask[row[i], start[i]:stop[i]]`."""

    row: Ints
    """int64 `[runs]`, like the next three."""
    start: Ints
    stop: Ints
    owner: Ints
    """Component of each run, 0 to `count` - 1."""
    count: int
    """Number of components."""
    shape: tuple[int, int]
    """Height and width of the mask in pixels."""

    def sums(self, plane: Floats) -> NDArray[np.float64]:
        """Sum of a plane float32 `[h, w]` over each component: float64 `[count]`."""
        running = np.concatenate(([0.0], np.cumsum(plane, dtype=np.float64)))
        base = self.row * self.shape[1]
        return np.bincount(self.owner, running[base + self.stop] - running[base + self.start], self.count).astype(
            np.float64
        )

    def areas(self) -> NDArray[np.float64]:
        """Pixels in each component: float64 `[count]`."""
        return np.bincount(self.owner, self.stop - self.start, self.count).astype(np.float64)

    def boxes(self) -> Ints:
        """Top, left, bottom, right (the last two exclusive) of each component: int64 `[count, 4]`."""
        out = np.empty((self.count, 4), np.int64)
        out[:, :2] = max(self.shape)
        out[:, 2:] = 0
        np.minimum.at(out[:, 0], self.owner, self.row)
        np.minimum.at(out[:, 1], self.owner, self.start)
        np.maximum.at(out[:, 2], self.owner, self.row + 1)
        np.maximum.at(out[:, 3], self.owner, self.stop)
        return out

    def frame_contact(self) -> NDArray[np.float64]:
        """Pixels of each component that lie on the picture's outermost rows and columns, in a single column twice: float64 `[count]`."""
        height, width = self.shape
        whole = (self.row == 0) | (self.row == height - 1)
        contact = np.where(whole, self.stop - self.start, (self.start == 0) + (self.stop == width).astype(np.int64))
        return np.bincount(self.owner, contact, self.count).astype(np.float64)

    def mask_of(self, chosen: Mask) -> Mask:
        """Mask bool `[h, w]` of the components whose entry in `chosen` bool `[count]` is true."""
        height, width = self.shape
        keep = chosen[self.owner]
        steps = np.zeros(height * width + 1, np.int8)
        base = self.row[keep] * width
        # Neighbouring runs may end and begin at the same flat place (end of a row): add, don't set.
        np.add.at(steps, base + self.start[keep], 1)
        np.add.at(steps, base + self.stop[keep], -1)
        return np.cumsum(steps[:-1], dtype=np.int8).reshape(height, width).astype(bool)


def components(mask: Mask) -> Components:
    """Find the connected components of a mask.

    Runs of pixels are joined with the runs they touch in the row above; the joins are resolved
    by repeated minimum and pointer jumping, so no step loops over pixels in Python.
    """
    height, width = mask.shape
    padded = np.zeros((height, width + 2), np.int8)
    padded[:, 1:-1] = mask
    edges = np.diff(padded, axis=1).ravel()
    row, start = np.divmod(np.flatnonzero(edges == 1), width + 1)
    stop = np.flatnonzero(edges == -1) % (width + 1)
    count = len(row)
    line = width + 2
    above = (row - 1) * line
    first = np.searchsorted(row * line + stop, above + start)
    last = np.searchsorted(row * line + start, above + stop, side="right")
    pairs = np.maximum(last - first, 0)
    lower = np.repeat(np.arange(count), pairs)
    upper = np.arange(len(lower)) - np.repeat(np.cumsum(pairs) - pairs, pairs) + np.repeat(first, pairs)
    parent = np.arange(count)
    while True:
        a, b = parent[lower], parent[upper]
        if np.array_equal(a, b):
            break
        smaller = np.minimum(a, b)
        np.minimum.at(parent, a, smaller)
        np.minimum.at(parent, b, smaller)
        while not np.array_equal(parent, parent[parent]):
            parent = parent[parent]
    roots, owner = np.unique(parent, return_inverse=True)
    return Components(row, start, stop, owner, len(roots), (height, width))
