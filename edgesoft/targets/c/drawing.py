"""The words of the file that brings a drawing into the form that the network takes."""

from __future__ import annotations

import math

from edgesoft.model.card import ModelCard
from edgesoft.pictures.render import SUPERSAMPLING
from edgesoft.pictures.spec import PictureSpec

DRAWING = 2
"""A drawing may have so many times the longer side of the network's input."""
FEWEST = 6
"""Pixels of a character's longer side, below which it cannot be told what it is."""


def handwriting(card: ModelCard) -> PictureSpec | None:
    """What the model takes, where that is handwriting, for which there is such a file."""
    return card.input if isinstance(card.input, PictureSpec) and card.input.normaliser == "ink" else None


def normaliser(spec: PictureSpec) -> dict[str, str]:
    """Word of the templates -> what stands for it."""
    side = DRAWING * max(spec.height, spec.width)
    finer = SUPERSAMPLING * spec.ink_box
    # A margin of 2 pixels around the smallest character is scaled with it.
    capacity = max(side + 4, math.ceil(finer * (FEWEST + 4) / FEWEST) + 1, SUPERSAMPLING * max(spec.height, spec.width))
    is_any = not spec.stroke_high
    return {
        "height": str(spec.height),
        "width": str(spec.width),
        "ink_box": str(spec.ink_box),
        "finer": str(SUPERSAMPLING),
        "capacity": str(capacity),
        "stroke_low": repr(0.0 if is_any else spec.stroke_low / spec.ink_box),
        "stroke_high": repr(1.0 if is_any else spec.stroke_high / spec.ink_box),
        "by_mass": str(int(spec.centring == "mass")),
        "drawing": str(side),
        "fewest": str(FEWEST),
        "drawing_ram": str(2 * 4 * capacity**2 + 8 * capacity + 8 * (2 * capacity + 2) + 4 * 256),
    }
