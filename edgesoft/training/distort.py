"""Distortions for training pictures of any kind: which strengths, and what lies beyond the edge."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from edgesoft.model.inputs import InputKind
from edgesoft.training.augment import Augmentation, augment
from edgesoft.training.flips import half_flipped

PHOTOGRAPHS = Augmentation(
    rotation=15.0,
    scale=0.35,
    aspect=0.1,
    shear=0.1,
    shift=0.2,
    elastic=0.0,
    stroke=0.0,
    blur=0.3,
    gap=0.0,
    background=0.0,
)
"""Distortions for few photographs, icons and other pictures that are no handwriting; the defaults suit that."""
LIGHT = 0.15
"""How far the light of few photographs changes: contrast and saturation, as the logarithm of the factor; brightness by half of it."""
SMALLEST_DISTORTED = 8
"""Side in pixels below which a picture has nothing to bend."""


def is_photograph(kind: InputKind) -> bool:
    """Whether inputs of this kind are distorted as photographs and icons are."""
    return kind.augmentation == "picture" and min(kind.shape[:2]) >= SMALLEST_DISTORTED


def distorted(
    x: torch.Tensor, kind: InputKind, generator: torch.Generator, strength: float = 1.0, *, flips: bool = False
) -> torch.Tensor:
    """Distort prepared inputs `[n, ...]` as their kind likes it: strokes more than photographs and icons, and rows not at all.

    With `flips`, half of the photographs are flipped from left to right, too.
    """
    if kind.augmentation is None or min(kind.shape[:2]) < SMALLEST_DISTORTED:
        return x
    if kind.augmentation == "handwriting":
        return augment(x, Augmentation().scaled(strength), generator)
    in_colour = len(kind.shape) == 3
    planes = x.permute(0, 3, 1, 2) if in_colour else x[:, None]
    # What lies outside of a drawing is black, but a photograph goes on.
    planes = augment(planes, PHOTOGRAPHS.scaled(strength), generator, beyond="reflection")
    planes = _relit(planes, LIGHT * strength, generator)
    if flips:
        planes = half_flipped(planes, generator)
    return planes.permute(0, 2, 3, 1) if in_colour else planes[:, 0]


def _relit(planes: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Change contrast, brightness and saturation of every picture of `[n, channels, height, width]` on its own."""
    draws = torch.rand((3, len(planes), 1, 1, 1), generator=generator, device=generator.device)
    contrast, brightness, saturation = (draws * 2 - 1) * strength
    grey = planes.mean(1, keepdim=True)
    mean = grey.mean((2, 3), keepdim=True)
    coloured = grey + (planes - grey) * saturation.exp()
    return torch.clamp(mean + (coloured - mean) * contrast.exp() + brightness / 2, 0, 1)


def distorted_inputs(inputs: NDArray[np.uint8], kind: InputKind, seed: int) -> NDArray[np.uint8]:
    """Distort pictures uint8 `[n, ...]` as in training, into grey levels again: what a model file takes."""
    generator = torch.Generator().manual_seed(seed)
    return (distorted(torch.from_numpy(inputs).float() / 255, kind, generator) * 255).round().to(torch.uint8).numpy()
