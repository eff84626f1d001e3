"""Which of the marks in a picture are the character."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesoft.pictures.arrays import Components, Floats, Ints, Mask, components

# A mark is weak ink joined to strong ink (hysteresis: Canny, "A computational approach to edge
# detection", 1986): pale ends of strokes stay, pale stains and ruled lines go.
STRONG = 0.55
WEAK = 0.3
# Marks below this share of the main mark's ink are specks; dots of that size carry no meaning in digits.
SPECK_SHARE = 0.02
# A second mark at least this tall, beside the first, is another character.
TALL = 0.5


@dataclass(frozen=True)
class Found:
    """The marks that make up the character.

    Attributes
    ----------
    mask : bool [h, w]
    several : bool
        Another character was left out.
    touches : bool
        The character touches the picture's frame.
    """

    mask: Mask
    several: bool
    touches: bool


def _gaps(box: Ints, boxes: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertical and horizontal gaps between one box and others; negative where they overlap."""
    down = np.maximum(boxes[:, 0], box[0]) - np.minimum(boxes[:, 2], box[2])
    across = np.maximum(boxes[:, 1], box[1]) - np.minimum(boxes[:, 3], box[3])
    return down.astype(np.float64), across.astype(np.float64)


def _marks(contrast: Floats, core: float, noise: float) -> tuple[Components, Mask]:
    """Components of weak ink, and which of them hold strong ink."""
    weak = max(WEAK * core, min(2.5 * noise, 0.5 * core))
    marks = components(contrast > weak)
    if marks.count == 0:
        return marks, np.zeros(0, bool)
    strong = marks.sums((contrast > STRONG * core).astype(np.float32))
    return marks, strong > 0


def find_character(contrast: Floats, core: float, noise: float) -> Found | None:
    """Choose the marks of the main character.

    Parameters
    ----------
    contrast : float32 [h, w]
        Contrast with the local background.
    core, noise : float
        Contrast of the strokes and deviation of the background.

    Returns
    -------
    Found or None
        None if no mark stands out.
    """
    marks, alive = _marks(contrast, core, noise)
    if not alive.any():
        return None
    height, width = contrast.shape
    mass = marks.sums(np.clip(contrast, 0, core))
    boxes = marks.boxes()
    high, wide = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    contact = marks.frame_contact() / (high + wide)
    # Shadows and page borders lie along the frame; a character meets it with stroke ends.
    score = np.where(alive, mass * np.clip(1 - contact, 0.02, None), 0)
    main = int(score.argmax())
    members = np.zeros(marks.count, bool)
    members[main] = True
    group = boxes[main].copy()
    others = alive & (score >= SPECK_SHARE * score[main])
    several = False
    for index in np.argsort(-score):
        if members[index] or not others[index]:
            continue
        down, across = (float(gap[0]) for gap in _gaps(group, boxes[index : index + 1]))
        size = float(max(group[2] - group[0], group[3] - group[1]))
        overlap = -across / max(1, min(wide[index], group[3] - group[1]))
        beside = overlap < 0.2 and high[index] >= TALL * (group[2] - group[0])
        if beside or max(down, across) > 0.35 * size:
            several |= bool(score[index] >= 0.2 * score[main])
            continue
        members[index] = True
        group = np.concatenate([np.minimum(group[:2], boxes[index, :2]), np.maximum(group[2:], boxes[index, 2:])])
    touches = bool(group[0] == 0 or group[1] == 0 or group[2] == height or group[3] == width)
    return Found(marks.paint(members), several, touches)
