"""Pictures of none of the classes, from which a network learns to say so.

A network that has only seen digits takes a letter for the digit that it resembles most, and is sure of it. One that has also
learned from outliers of a few kinds knows other kinds too: Hendrycks, Mazeika and Dietterich, "Deep Anomaly Detection with
Outlier Exposure" (ICLR 2019). While they are few, an outlier that happens to look like a class does no harm, because the class is far
more frequent.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edgesoft.files import read_bytes
from edgesoft.pictures.render import render_glyph
from edgesoft.pictures.spec import PictureSpec

__all__ = ["draw_outliers"]

CHARACTERS = string.ascii_letters + string.digits + "@#&%?$*+=<>^~"
_WRITTEN_ALIKE = ("0ODQo", "1Iil", "2Zz", "5Ss", "6Gb", "8B", "9gq")
_SCRAWLS, _BLOTS = 700, 300
PAGE = 112
"""Pixels a side of what an outlier is drawn on."""
SHEET = Path(__file__).parent / "characters.png"
"""A row of pages for each of ten fonts, with a page for each of `CHARACTERS`; scripts/draw_characters.py has drawn it."""

_Page = NDArray[np.float32]


def draw_outliers(spec: PictureSpec, labels: tuple[str, ...], seed: int) -> NDArray[np.uint8]:
    """Draw characters that are no class, scrawls of a pen, and blots, as the `ink` normaliser would hand them to the network.

    Parameters
    ----------
    spec
        What the network takes, with the normaliser `ink`.
    labels
        Names of the classes. A character that is one of them, or is written like one, is left out; longer names are no characters.
    seed
        Decides the scrawls and blots.

    Returns
    -------
    NDArray[np.uint8]
        uint8 `[n, height, width]`, one to two thousand.
    """
    rng = np.random.default_rng(seed)
    pages = [*_printed(_other_characters(labels))]
    pages += [_scrawl(rng) for _ in range(_SCRAWLS)]
    pages += [_blot(rng) for _ in range(_BLOTS)]
    return np.stack([render_glyph(page, page > 0.1, stroke_contrast=1.0, noise_floor=0.1, spec=spec) for page in pages])


def _other_characters(labels: tuple[str, ...]) -> str:
    names = {label.lower() for label in labels}
    alike = "".join(group for group in _WRITTEN_ALIKE if names & set(group.lower()))
    return "".join(character for character in CHARACTERS if character.lower() not in names and character not in alike)


def _printed(characters: str) -> Iterator[_Page]:
    """Each character in each font."""
    content = read_bytes(SHEET, limit=2**22, what="the characters that outliers are made of")
    sheet = np.asarray(Image.open(BytesIO(content)), np.float32) / np.float32(255)
    for top in range(0, len(sheet), PAGE):
        for character in characters:
            left = PAGE * CHARACTERS.index(character)
            yield sheet[top : top + PAGE, left : left + PAGE]


def _scrawl(rng: np.random.Generator) -> _Page:
    """Two to four strokes, straight or curved, half of them begun where the one before ended."""
    page = Image.new("L", (PAGE, PAGE))
    draw, width = ImageDraw.Draw(page), int(rng.integers(6, 14))
    time = np.linspace(0, 1, 16)[:, None]
    end = rng.uniform(size=2)
    for _ in range(rng.integers(2, 5)):
        start, bend, turn, stop = rng.uniform(size=(4, 2))
        if rng.random() < 0.5:
            start = end
        if rng.random() < 0.4:
            bend, turn = start, stop
        # A cubic Bezier curve through its four points.
        points = (
            (1 - time) ** 3 * start
            + 3 * time * (1 - time) ** 2 * bend
            + 3 * time**2 * (1 - time) * turn
            + time**3 * stop
        )
        draw.line([tuple(point) for point in 16 + points * (PAGE - 32)], fill=255, width=width, joint="curve")
        end = stop
    return np.asarray(page, np.float32) / np.float32(255)


def _blot(rng: np.random.Generator) -> _Page:
    """Patches or specks: where a random surface, rough or smooth, rises above a level."""
    knots = round(np.exp(rng.uniform(np.log(3), np.log(28))))
    surface = Image.fromarray(rng.normal(size=(knots, knots)).astype(np.float32)).resize(
        (PAGE, PAGE), Image.Resampling.BICUBIC
    )
    heights: _Page = np.asarray(surface, np.float32)
    return (heights > np.quantile(heights, rng.uniform(0.4, 0.95))).astype(np.float32)
