"""Distortions for training pictures of any kind: which strengths, and what lies beyond the edge."""

from __future__ import annotations

import torch
from torch.nn import functional

from edgesoft.pictures.spec import PictureSpec
from edgesoft.training.augment import Augmentation, augment

MILD = Augmentation(
    rotation=8.0,
    scale=0.1,
    aspect=0.05,
    shear=0.05,
    shift=0.05,
    elastic=0.0,
    stroke=0.0,
    blur=0.3,
    gap=0.0,
    background=0.0,
)
"""Distortions for pictures of any kind; the defaults suit handwriting."""
SMALLEST_DISTORTED = 8
"""Side in pixels below which a picture has nothing to bend."""


def distorted(x: torch.Tensor, spec: PictureSpec, generator: torch.Generator) -> torch.Tensor:
    """Distort prepared pictures `[n, height, width]` or `[n, height, width, 3]`: strokes more than photographs and icons."""
    strengths = Augmentation() if spec.normaliser == "ink" else MILD
    if min(spec.height, spec.width) < SMALLEST_DISTORTED:
        return x
    if spec.normaliser == "ink":
        return augment(x, strengths, generator)
    # What lies outside of a drawing is black, but a photograph goes on: its edge is drawn out, and cut away again.
    planes = x.permute(0, 3, 1, 2) if spec.channels == 3 else x[:, None]
    rim = max(spec.height, spec.width) // 5
    wide = augment(functional.pad(planes, (rim, rim, rim, rim), mode="replicate"), strengths, generator)
    planes = wide[:, :, rim:-rim, rim:-rim]
    return planes.permute(0, 2, 3, 1) if spec.channels == 3 else planes[:, 0]
