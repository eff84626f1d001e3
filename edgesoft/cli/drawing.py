"""What the model was fed, drawn on a terminal: in its colours, two pixels a letter, where it has colours; else in shades of letters."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgesoft.cli.streams import unguarded
from edgesoft.terminal import TRUE_COLOUR, Screen

SHADES = " .:-=+*#%@"
_UPPER_HALF = "\N{UPPER HALF BLOCK}"


def show_picture(pixels: NDArray[np.uint8]) -> None:
    """Draw a picture on stderr."""
    for line in draw(pixels, Screen.of(sys.stderr)):
        print(line, file=unguarded(sys.stderr), flush=True)


def draw(pixels: NDArray[np.uint8], screen: Screen) -> Iterator[str]:
    """Draw a picture, made smaller where the terminal is too narrow.

    Parameters
    ----------
    pixels
        uint8 `[height, width]` or `[height, width, 3]`.
    screen
        What can be shown.

    Yields
    ------
    str
        The lines, with control codes where the screen has 256 colours or more.
    """
    if screen.has_blocks and screen.colours >= 256:
        yield from _half_blocks(_fitted(pixels, screen.width), screen.colours)
        return
    grey = pixels if pixels.ndim == 2 else pixels.mean(axis=2)
    # Letters are about twice as high as wide: two for each pixel.
    grey = _fitted(grey, None if screen.width is None else (screen.width - 2) // 2)
    levels = (grey.astype(int) * (len(SHADES) - 1) + 127) // 255
    edge = "+" + "-" * (2 * grey.shape[1]) + "+"
    yield edge
    yield from ("|" + "".join(2 * SHADES[level] for level in row) + "|" for row in levels.tolist())
    yield edge


def _fitted(pixels: NDArray[np.uint8], width: int | None) -> NDArray[np.uint8]:
    """Means of squares of pixels, as few as fit into `width`."""
    height, wide = pixels.shape[:2]
    side = 1 if width is None else -(-wide // max(1, width))
    if side == 1:
        return pixels
    # Edges are repeated, so that the last squares are whole.
    around = [(0, -height % side), (0, -wide % side), *[(0, 0)] * (pixels.ndim - 2)]
    padded = np.pad(pixels, around, mode="edge")
    squares = padded.reshape(padded.shape[0] // side, side, padded.shape[1] // side, side, *pixels.shape[2:])
    means: NDArray[np.uint8] = np.rint(squares.mean(axis=(1, 3))).astype(np.uint8)
    return means


def _half_blocks(pixels: NDArray[np.uint8], colours: int) -> Iterator[str]:
    colour = np.repeat(pixels[..., np.newaxis], 3, axis=2) if pixels.ndim == 2 else pixels
    if len(colour) % 2:
        colour = np.concatenate([colour, np.zeros_like(colour[:1])])
    code = _true_colour if colours >= TRUE_COLOUR else _palette_colour
    for upper, lower in zip(colour[::2].tolist(), colour[1::2].tolist(), strict=True):
        letters = [
            f"\x1b[38;{code(above)};48;{code(below)}m{_UPPER_HALF}" for above, below in zip(upper, lower, strict=True)
        ]
        yield "".join([*letters, "\x1b[0m"])


def _true_colour(rgb: list[int]) -> str:
    return f"2;{rgb[0]};{rgb[1]};{rgb[2]}"


def _palette_colour(rgb: list[int]) -> str:
    """The nearest of 256 colours: 24 greys, and a cube with the sides 0, 95, 135, 175, 215, 255."""
    if max(rgb) - min(rgb) < 8:
        level = round((sum(rgb) / 3 - 8) / 10)
        return f"5;{16 if level < 0 else 231 if level > 23 else 232 + level}"
    red, green, blue = (0 if part < 48 else 1 if part < 115 else (part - 35) // 40 for part in rgb)
    return f"5;{16 + 36 * red + 6 * green + blue}"
