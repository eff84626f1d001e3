"""Which of the marks in a picture are the character."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesoft.pictures.filters import Floats, Ints, Mask, box_mean, components

# A mark is weak ink joined to strong ink (hysteresis: Canny, "A computational approach to edge
# detection", 1986): pale ends of strokes stay, pale stains and ruled lines go.
# The two thresholds as shares of the strokes' contrast.
HIGH_SHARE = 0.55
LOW_SHARE = 0.3
# Marks below this share of the main mark's ink are specks; dots of that size carry no meaning in digits.
SPECK_SHARE = 0.02
# Among more marks than this, none of which holds this share of the ink or this many pixels, all are noise;
# and so is what would be put together of more marks than this, of which the largest is less than this share.
CROWD = 20
CROWD_SHARE = 0.1
CROWD_PIXELS = 40
# An edge softer than this share of the picture's longer side is a change of light, not of ink.
# The softest edges of writing: 2 pixels of a 16 x 16 picture.
SOFTEST = 0.2
# A second mark at least this tall, beside the first, is another character.
TALL = 0.5


@dataclass(frozen=True)
class Character:
    """The marks that make up the character."""

    mask: Mask
    """bool `[h, w]`."""
    is_one_of_several: bool
    """Whether another character was left out."""
    touches_frame: bool
    """Whether it touches the picture's frame."""


def _gaps(box: Ints, boxes: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertical and horizontal gaps between one box and others; negative where they overlap."""
    down = np.maximum(boxes[:, 0], box[0]) - np.minimum(boxes[:, 2], box[2])
    across = np.maximum(boxes[:, 1], box[1]) - np.minimum(boxes[:, 3], box[3])
    return down.astype(np.float64), across.astype(np.float64)


def low_threshold(stroke_contrast: float, noise: float) -> float:
    """Contrast above which a pixel may belong to a mark."""
    return max(LOW_SHARE * stroke_contrast, min(2.5 * noise, 0.5 * stroke_contrast))


def _edge_width(contrast: Floats, mask: Mask, stroke_contrast: float) -> float:
    """Mean width in pixels over which marks pass from background to full contrast.

    The area between 40 % and 80 % of the contrast is two fifths of the edges' width times their
    length; the total variation of the contrast between the two gives the length.
    """
    # Noise would count as edges: smoothed by far less than the width that is asked about.
    smooth = box_mean(contrast, max(1, max(contrast.shape) // 64))
    dark = mask & (contrast > 0.9 * stroke_contrast)
    # What so small a blur washes out is a thin line.
    if not dark.any() or float(np.median(smooth[dark])) < 0.8 * stroke_contrast:
        return 0.0
    band = np.clip((smooth / np.float32(stroke_contrast) - np.float32(0.4)) / np.float32(0.4), 0, 1) * mask
    area = float(((band > 0) & (band < 1)).sum())
    inner = mask[1:, 1:] & mask[:-1, 1:] & mask[1:, :-1]
    down, across = (band[1:, 1:] - band[:-1, 1:])[inner], (band[1:, 1:] - band[1:, :-1])[inner]
    length = float(np.sqrt(down * down + across * across).sum())
    return area / max(length, 1.0) / 0.4


def segment_character(contrast: Floats, stroke_contrast: float, noise: float) -> Character | None:
    """Choose the marks of the main character.

    Parameters
    ----------
    contrast
        float32 `[h, w]`, contrast with the local background.
    stroke_contrast, noise
        Contrast of the strokes and deviation of the background.

    Returns
    -------
    Character | None
        None if no mark stands out.
    """
    marks = components(contrast > low_threshold(stroke_contrast, noise))
    alive = marks.sums((contrast > HIGH_SHARE * stroke_contrast).astype(np.float32)) > 0
    if not alive.any():
        return None
    height, width = contrast.shape
    mass = marks.sums(np.clip(contrast, 0, stroke_contrast))
    boxes = marks.boxes()
    high, wide = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    contact = marks.frame_contact() / (high + wide)
    # Shadows and page borders lie along the frame; a character meets it with stroke ends.
    score = np.where(alive, mass * np.clip(1 - contact, 0.02, None), 0)
    main = int(score.argmax())
    if alive.sum() > CROWD and score[main] < CROWD_SHARE * score.sum() and marks.areas()[main] < CROWD_PIXELS:
        return None
    members = np.zeros(marks.count, bool)
    members[main] = True
    group = boxes[main].copy()
    others = alive & (score >= SPECK_SHARE * score[main])
    is_one_of_several = False
    for index in np.argsort(-score):
        if members[index] or not others[index]:
            continue
        down, across = (float(gap[0]) for gap in _gaps(group, boxes[index : index + 1]))
        size = float(max(group[2] - group[0], group[3] - group[1]))
        overlap = -across / max(1, min(wide[index], group[3] - group[1]))
        beside = overlap < 0.2 and high[index] >= TALL * (group[2] - group[0])
        if beside or max(down, across) > 0.35 * size:
            is_one_of_several |= bool(score[index] >= 0.2 * score[main])
            continue
        members[index] = True
        group = np.concatenate([np.minimum(group[:2], boxes[index, :2]), np.maximum(group[2:], boxes[index, 2:])])
    if members.sum() > CROWD and score[main] < CROWD_SHARE * score[members].sum():
        return None
    touches_frame = bool(group[0] == 0 or group[1] == 0 or group[2] == height or group[3] == width)
    mask = marks.mask_of(members)
    if _edge_width(contrast, mask, stroke_contrast) > SOFTEST * max(height, width):
        return None
    return Character(mask, is_one_of_several, touches_frame)
