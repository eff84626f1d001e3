"""From a decoded picture to plain floating-point colours on one background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgesoft.pictures.filters import Floats, robust_deviation

if TYPE_CHECKING:
    from PIL.Image import Image

# Rec. 601 luminance, which Pillow's conversion to grey uses too.
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def _deep_grey(image: Image) -> Floats:
    """Scale 16-bit, 32-bit and floating-point grey to 0..1.

    The mode does not say how many of its bits are used (12-bit cameras, 8-bit values in 32-bit
    files), so the range is the smallest usual one that holds all values.
    """
    values = np.asarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low < 0:
        values, high, low = values - low, high - low, 0.0
    tops = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 4095.0, 65535.0)
    top = next((top for top in tops if high <= top), high)
    return (values / top).astype(np.float32)


def _composite(colour: Floats, alpha: Floats) -> Floats:
    """Lay a transparent picture on the background that its drawing was made for.

    A drawing program exports strokes on nothing: dark strokes belong on white, bright ones on
    black. A cut-out of paper (much visible area with its own contrast) belongs on its paper.

    Parameters
    ----------
    colour
        float32 `[h, w, c]`.
    alpha
        float32 `[h, w]`, 0 (transparent) to 1.
    """
    visible = alpha > 0.5
    if not visible.any():
        visible = alpha > 0
    if not visible.any():
        return np.ones_like(colour)
    shown = colour[visible]
    grey = shown @ LUMINANCE if shown.shape[1] == 3 else shown[:, 0]
    middle = float(np.median(grey))
    is_cut_out = visible.mean() > 0.5 and float(
        np.ptp(np.quantile(grey, [0.005, 0.995]))
    ) > 0.15 + 4 * robust_deviation(grey)
    strokes_ground = np.full(colour.shape[2], 0.0 if middle > 0.5 else 1.0)
    ground = np.median(shown, axis=0) if is_cut_out else strokes_ground
    cover = alpha[..., None]
    return (colour * cover + ground.astype(np.float32) * (1 - cover)).astype(np.float32)


def to_colour(image: Image) -> Floats:
    """Turn a decoded picture into colours.

    Parameters
    ----------
    image
        Loaded, of any mode.

    Returns
    -------
    NDArray[np.float32]
        `[h, w, 1]` or `[h, w, 3]`: grey or RGB values, 0..1, without transparency.
    """
    mode = image.mode
    if mode in ("I", "F") or mode.startswith("I;16"):
        return _deep_grey(image)[..., None]
    if mode in ("1", "L") and "transparency" not in image.info:
        return np.asarray(image.convert("L"), dtype=np.float32)[..., None] / np.float32(255)
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        if mode in ("La", "RGBa"):
            image = image.convert("LA" if mode == "La" else "RGBA")
        values = np.asarray(image.convert("RGBA"), dtype=np.float32) / np.float32(255)
        alpha = values[..., 3]
        return values[..., :3] if alpha.min() == 1 else _composite(values[..., :3], alpha)
    return np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)
