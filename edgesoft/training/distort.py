"""Distortions for training pictures of any kind: which strengths, and what lies beyond the edge."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from edgesoft.model.inputs import InputKind
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


def distorted(x: torch.Tensor, kind: InputKind, generator: torch.Generator, strength: float = 1.0) -> torch.Tensor:
    """Distort prepared inputs `[n, ...]` as their kind likes it: strokes more than photographs and icons, and rows not at all."""
    if kind.augmentation is None or min(kind.shape[:2]) < SMALLEST_DISTORTED:
        return x
    if kind.augmentation == "handwriting":
        return augment(x, Augmentation().scaled(strength), generator)
    # What lies outside of a drawing is black, but a photograph goes on: its edge is drawn out, and cut away again.
    in_colour = len(kind.shape) == 3
    planes = x.permute(0, 3, 1, 2) if in_colour else x[:, None]
    rim = max(kind.shape[:2]) // 5
    wide = augment(functional.pad(planes, (rim, rim, rim, rim), mode="replicate"), MILD, generator)
    planes = wide[:, :, rim:-rim, rim:-rim]
    return planes.permute(0, 2, 3, 1) if in_colour else planes[:, 0]


def distorted_inputs(inputs: NDArray[np.uint8], kind: InputKind, seed: int) -> NDArray[np.uint8]:
    """Distort pictures uint8 `[n, ...]` as in training, into grey levels again: what a model file takes."""
    generator = torch.Generator().manual_seed(seed)
    return (distorted(torch.from_numpy(inputs).float() / 255, kind, generator) * 255).round().to(torch.uint8).numpy()
