"""Remove what is in a picture besides writing: ruled lines, page borders, shadows at the frame."""

from __future__ import annotations

import numpy as np

from edgesoft.pictures.filters import Floats, Mask, components, dilation

# A ruled line covers at least this share of the picture's width.
COVERED = 0.6
# Sheets are held straighter than this (rise per run); tried in steps that smear a line by at most 2 pixels at 512.
STEEPEST = 0.08
SLOPES = np.linspace(-STEEPEST, STEEPEST, 41)
# Lines are thinner than this share of the picture; a bar of a digit that fills the frame is not.
THICKEST = 1 / 40
# A mark that touches the frame along this share of its box's half perimeter lies along the frame.
ALONG_FRAME = 0.4


def _ruled_line_mask(mask: Mask) -> Mask:
    """Find the pixels of nearly horizontal ruled lines, without those where a stroke crosses.

    For each slope the mask is summed along sheared rows (a Radon transform over few angles);
    the slope whose sums are most uneven is the sheet's.
    """
    height, width = mask.shape
    y, x = np.nonzero(mask)
    middle = x - width / 2
    best, best_sums, best_slope = -1.0, np.zeros(0, np.int64), 0.0
    offset = int(STEEPEST * width / 2) + 1
    for slope in SLOPES:
        rows = np.rint(y - slope * middle).astype(np.int64) + offset
        sums = np.bincount(rows, minlength=height + 2 * offset + 1).astype(np.int64)
        strength = float((sums.astype(np.float64) ** 2).sum())
        if strength > best:
            best, best_sums, best_slope = strength, sums, float(slope)
    is_line = best_sums > COVERED * width
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_line.astype(np.int8), [0]))))
    starts, stops = edges[::2], edges[1::2]
    thin = stops - starts <= max(2, THICKEST * height)
    out = np.zeros_like(mask)
    # One line may be the bar of a 4 or a 7 that fills the frame; ruled paper shows several.
    if thin.sum() < 2:
        return out
    shift = np.rint(best_slope * (np.arange(width) - width / 2)).astype(np.int64) - offset
    columns = np.arange(width)
    for start, stop in zip(starts[thin], stops[thin], strict=True):
        # One row more on each side belongs to the line's soft edge; ink beyond it is a stroke that crosses.
        band = np.arange(start - 1, stop + 1)[:, None] + shift
        above, below = band[0] - 1, band[-1] + 1
        crossed = mask[np.clip(above, 0, height - 1), columns] & (above >= 0)
        crossed |= mask[np.clip(below, 0, height - 1), columns] & (below < height)
        inside = (band >= 0) & (band < height) & ~crossed
        out[band[inside], np.broadcast_to(columns, band.shape)[inside]] = True
    return out & mask


def _frame_marks(mask: Mask) -> Mask:
    """Find marks that lie along the frame: page borders, shadows, the desk beside the sheet."""
    marks = components(mask)
    if marks.count == 0:
        return mask
    boxes = marks.boxes()
    half_perimeter = boxes[:, 2] - boxes[:, 0] + boxes[:, 3] - boxes[:, 1]
    return marks.mask_of(marks.frame_contact() > ALONG_FRAME * half_perimeter)


def remove_ruled_lines(contrast: Floats, threshold: float) -> Floats:
    """Set the contrast of ruled lines and grids to 0.

    Parameters
    ----------
    contrast
        float32 `[h, w]`, contrast with the local background.
    threshold
        Contrast above which a pixel is part of a mark.
    """
    mask = contrast > threshold
    marks = components(mask)
    if marks.count == 0:
        return contrast
    boxes = marks.boxes()
    height, width = mask.shape
    if min(height, width) < 64:
        return contrast
    lines = np.zeros_like(mask)
    if (boxes[:, 3] - boxes[:, 1]).max() > COVERED * width:
        lines |= _ruled_line_mask(mask)
    if (boxes[:, 2] - boxes[:, 0]).max() > COVERED * height:
        lines |= _ruled_line_mask(np.ascontiguousarray(mask.T)).T
    return np.where(lines, np.float32(0), contrast) if lines.any() else contrast


def remove_frame_marks(contrast: Floats, threshold: float) -> Floats:
    """Set the contrast of marks that lie along the frame to 0.

    Parameters
    ----------
    contrast
        float32 `[h, w]`, contrast with the local background.
    threshold
        Contrast above which a pixel is part of a mark.
    """
    border = _frame_marks(contrast > threshold)
    if not border.any():
        return contrast
    near = dilation(border.astype(np.float32), max(1, max(contrast.shape) // 100)) > 0
    return np.where(near, np.float32(0), contrast)
