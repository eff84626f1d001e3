"""Batched random distortions that make training pictures look like other people's hands and pens.

Everything is a tensor operation over the whole batch. The geometry of one picture (turn, slant, size, shift and
an elastic field) is a single displacement field, built by separable matrix products and sampled once; pen effects
(stroke width, blur, a gap in the line) follow as cheap shifts and products. Lengths are fractions of the picture's
side, so the same strengths serve every size. Pictures are ink (bright) on black.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Augmentation", "augment"]

_REFERENCE_SIDE = 28  # the stroke strength of 1 means one pixel either way at this side
_BLUR_SIGMA = 0.035  # of the side: the widest blur, about one pixel at side 28
_CLOUD_KNOTS = 10  # along each side: more make smaller patches
_GAP_HALF_WIDTH, _GAP_HALF_LENGTH = 0.10, 0.35  # of half the side


@dataclass(frozen=True)
class Augmentation:
    """How strongly pictures are distorted: uniform draws up to each strength unless its comment says otherwise."""

    rotation: float = 15.0
    """Largest turn to either side, in degrees."""
    scale: float = 0.10
    """Largest change of size, as the natural logarithm of the factor."""
    aspect: float = 0.08
    """Largest stretch of the width against the height, as the natural logarithm of the factor on each axis."""
    shear: float = 0.20
    """Largest slant, in widths moved per height climbed."""
    shift: float = 0.05
    """Largest move along each axis, as a fraction of the side."""
    elastic: float = 0.04
    """Standard deviation of the elastic displacement, as a fraction of the side."""
    elastic_knots: int = 5
    """Knots of the elastic field along each side: more knots bend the strokes in smaller waves."""
    stroke: float = 0.8
    """Largest widening or thinning of the ink's every edge, in 28ths of the side, at most 1."""
    blur: float = 0.5
    """Largest share of a blurred copy in the picture, from 0 to 1; half of the pictures stay sharp."""
    gap: float = 0.1
    """Share of the pictures that lose a short band of ink, from 0 to 1."""
    background: float = 0.1
    """Largest standard deviation of the grey clouds behind the ink, from 0 to 1; two thirds of the pictures stay black."""

    def scaled(self, factor: float) -> Augmentation:
        """Every strength times `factor`."""
        strengths = {name: value * factor for name, value in vars(self).items() if name != "elastic_knots"}
        return Augmentation(**strengths, elastic_knots=self.elastic_knots)


def augment(
    images: Tensor,
    strengths: Augmentation,
    generator: torch.Generator,
    *,
    beyond: Literal["zeros", "reflection"] = "zeros",
) -> Tensor:
    """Distort every picture of a batch on its own.

    Parameters
    ----------
    images
        Float32 in 0..1, ``[B, H, W]`` or ``[B, C, H, W]`` with H and W at least 8, ink bright on black. All channels
        of a picture share its distortion.
    strengths
        How far each distortion may go; a strength of 0 switches its step off.
    generator
        The only source of randomness; it must live on the device of `images`.
    beyond
        What lies outside of a picture: nothing, as beside ink, or its reflection.

    Returns
    -------
    Tensor
        New pictures of the same shape, type and device, in 0..1.
    """
    if images.ndim not in (3, 4) or min(images.shape[-2:]) < 8 or images.dtype != torch.float32:
        got = f"{images.dtype} {list(images.shape)}"
        raise ValueError(f"need float32 [B, H, W] or [B, C, H, W] of at least 8x8, got {got}")
    pixels = images.unsqueeze(1) if images.ndim == 3 else images
    if pixels.shape[0] > 0:
        pixels = _warp(pixels, strengths, generator, beyond)
        if strengths.stroke > 0:
            pixels = _change_stroke(pixels, strengths.stroke, generator)
        if strengths.blur > 0:
            pixels = _blur(pixels, strengths.blur, generator)
        if strengths.gap > 0:
            pixels = _cut_gap(pixels, strengths.gap, generator)
        if strengths.background > 0:
            pixels = _cloud(pixels, strengths.background, generator)
    return pixels.reshape(images.shape)


def _warp(pixels: Tensor, strengths: Augmentation, generator: torch.Generator, beyond: str) -> Tensor:
    """Resample ``[B, C, H, W]`` through one random affine map plus one smooth random field per picture.

    Affine and elastic distortions of training digits follow Simard, Steinkraus and Platt, "Best Practices for
    Convolutional Neural Networks Applied to Visual Document Analysis" (ICDAR 2003). Their field is white noise
    smoothed by a Gaussian; here random knots times Gaussian bumps give the same kind of field for far less work.
    """
    count, _, height, width = pixels.shape
    draw = _uniform(count, 6, generator).mul_(2).sub_(1)
    angle = draw[0] * math.radians(strengths.rotation)
    size, stretch = torch.exp(draw[1] * strengths.scale), torch.exp(draw[2] * strengths.aspect)
    cosine, sine = torch.cos(angle) / size, torch.sin(angle) / size
    # Coefficients [B, axis, power of y, power of x] in coordinates that run from -1 to 1 along each side.
    affine = pixels.new_zeros((count, 2, 2, 2))
    affine[:, 0, 0, 0] = draw[4] * (2 * strengths.shift)
    affine[:, 0, 0, 1] = cosine * stretch
    affine[:, 0, 1, 0] = (draw[3] * strengths.shear - sine) * stretch * (height / width)
    affine[:, 1, 0, 0] = draw[5] * (2 * strengths.shift)
    affine[:, 1, 0, 1] = sine / stretch * (width / height)
    affine[:, 1, 1, 0] = cosine / stretch
    field = _line(height, pixels) @ affine @ _line(width, pixels).T
    if strengths.elastic > 0:
        knots = strengths.elastic_knots
        noise = torch.randn((count, 2, knots, knots), generator=generator, device=generator.device)
        noise *= 2 * strengths.elastic
        field += _bumps(height, knots, pixels) @ noise @ _bumps(width, knots, pixels).T
    grid = field.permute(0, 2, 3, 1).contiguous()
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode=beyond, align_corners=False)


def _change_stroke(pixels: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Widen or thin the ink: blend each picture with its own grey dilation or erosion by the four neighbours."""
    amount = _uniform(pixels.shape[0], 1, generator).mul_(2).sub_(1).mul_(strength).view(-1, 1, 1, 1)
    sign = torch.where(amount < 0, -1.0, 1.0)
    signed = pixels * sign  # erosion is the dilation of the negative: one pass serves both
    for _ in range(max(1, round(min(pixels.shape[-2:]) / _REFERENCE_SIDE))):
        signed = torch.lerp(signed, _dilate(signed), amount.abs())
    return signed * sign


def _dilate(pixels: Tensor) -> Tensor:
    """Give every pixel the largest value of itself and its four neighbours."""
    result = pixels.clone()
    for axis in (-2, -1):
        last = pixels.shape[axis] - 1
        for target, source in ((1, 0), (0, 1)):
            part = result.narrow(axis, target, last)
            torch.maximum(part, pixels.narrow(axis, source, last), out=part)
    return result


def _blur(pixels: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Blend half of the pictures with a Gaussian-blurred copy of themselves."""
    share, lot = _uniform(pixels.shape[0], 2, generator)
    chosen = (lot < 0.5).nonzero()[:, 0]
    sharp = pixels[chosen]
    height, width = pixels.shape[-2:]
    soft = _gaussian(height, pixels) @ sharp @ _gaussian(width, pixels).T
    pixels[chosen] = torch.lerp(sharp, soft, (share[chosen] * strength).view(-1, 1, 1, 1))
    return pixels


def _cut_gap(pixels: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Take one short, soft-edged band of ink out of some pictures, as a skipping pen does."""
    *band, lot = _uniform(pixels.shape[0], 5, generator)
    chosen = (lot < strength).nonzero()[:, 0]
    angle, along, across, half = (draw[chosen].view(-1, 1, 1, 1) for draw in band)
    angle = angle * math.pi
    x, y = _line(pixels.shape[-1], pixels)[:, 1], _line(pixels.shape[-2], pixels)[:, 1:]
    inside_width = half * _GAP_HALF_WIDTH - (x * angle.cos() + y * angle.sin() - (across - 0.5)).abs()
    inside_length = _GAP_HALF_LENGTH - (y * angle.cos() - x * angle.sin() - (along - 0.5)).abs()
    inside = torch.minimum(inside_width, inside_length).mul_(_REFERENCE_SIDE / 2).add_(1).clamp_(0, 1)
    pixels[chosen] *= 1 - inside
    return pixels


def _cloud(pixels: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Lay soft grey patches behind some pictures' ink: what is left of uneven light, and of the paper's grain."""
    count, _, height, width = pixels.shape
    share, lot = _uniform(count, 2, generator)
    noise = torch.randn((count, 1, _CLOUD_KNOTS, _CLOUD_KNOTS), generator=generator, device=generator.device)
    chosen = (lot < 1 / 3).nonzero()[:, 0]
    noise = noise[chosen] * (share[chosen] * strength).view(-1, 1, 1, 1)
    patches = _bumps(height, _CLOUD_KNOTS, pixels) @ noise @ _bumps(width, _CLOUD_KNOTS, pixels).T
    pixels[chosen] = torch.maximum(pixels[chosen], patches.clamp(max=1))
    return pixels


def _line(side: int, like: Tensor) -> Tensor:
    """Return the columns 1 and t, ``[side, 2]``, where t runs over the pixel centres from -1 to 1."""
    centres = (torch.arange(side, device=like.device, dtype=like.dtype) * 2 + 1) / side - 1
    return torch.stack((torch.ones_like(centres), centres), dim=1)


def _bumps(side: int, knots: int, like: Tensor) -> Tensor:
    """Return Gaussian bumps at even knots, ``[side, knots]``; unit noise through them keeps its variance."""
    knot = torch.linspace(-1, 1, knots, device=like.device, dtype=like.dtype)
    width = 1.4 / max(1, knots - 1)
    bumps = torch.exp(-0.5 * ((_line(side, like)[:, 1:] - knot) / width) ** 2)
    return bumps / bumps.square().sum(1, keepdim=True).sqrt()


def _gaussian(side: int, like: Tensor) -> Tensor:
    """Return the matrix, ``[side, side]``, that blurs one axis by the widest blur; ink near the rim is not lost."""
    centres = _line(side, like)[:, 1]
    weights = torch.exp(-0.5 * ((centres - centres[:, None]) / (2 * _BLUR_SIGMA)) ** 2)
    return weights / weights.sum(1, keepdim=True)


def _uniform(count: int, kinds: int, generator: torch.Generator) -> Tensor:
    """Draw ``[kinds, count]`` numbers from 0 to 1 on the generator's device."""
    return torch.rand((kinds, count), generator=generator, device=generator.device)
