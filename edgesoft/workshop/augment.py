"""research version: everything switchable"""

import math, torch
from dataclasses import dataclass


@dataclass(frozen=True)
class A:
    rot: float = 12.0
    scale: float = 0.12
    aspect: float = 0.0
    shear: float = 0.12
    shift: float = 0.08
    key: float = 0.0
    el: float = 0.06
    eln: int = 5
    el2: float = 0.0
    el2n: int = 10
    stroke: float = 0.0
    blur: float = 0.0
    gain: float = 0.0
    gap: float = 0.0
    noise: float = 0.0
    clean: float = 0.0


_C = {}


def basis(n, k):
    # affine part + k smooth bumps
    if (n, k) not in _C:
        t = (torch.arange(n) * 2 + 1) / n - 1
        if k == 0:
            b = torch.stack([torch.ones(n), t], 1)
        else:
            c = torch.linspace(-1, 1, k)
            h = 2 / (k - 1)
            g = torch.exp(-0.5 * ((t[:, None] - c) / (h * 0.7)) ** 2)
            g = g / (g**2).sum(1, keepdim=True).sqrt()
            b = g
        _C[n, k] = b
    return _C[n, k]


def U(g, *s):
    return torch.rand(s, generator=g) * 2 - 1


def morph(x, f):
    y = x.clone()
    o = f
    o(y[..., 1:], x[..., :-1], out=y[..., 1:])
    o(y[..., :-1], x[..., 1:], out=y[..., :-1])
    o(y[:, 1:], x[:, :-1], out=y[:, 1:])
    o(y[:, :-1], x[:, 1:], out=y[:, :-1])
    return y


def augment(x, s, g):
    B, H, W = x.shape
    r = U(g, 10, B)
    th = r[0] * math.radians(s.rot)
    sc = torch.exp(r[1] * s.scale)
    asp = torch.exp(r[2] * s.aspect)
    sh = r[3] * s.shear
    c, sn = th.cos() / sc, th.sin() / sc
    m = torch.zeros(B, 2, 2, 2)  # [B,axis,ypow,xpow]
    # x' = asp*(c*x - s*y) + shear*y
    m[:, 0, 0, 1] = c * asp
    m[:, 0, 1, 0] = (-sn + sh) * asp
    m[:, 1, 0, 1] = sn / asp
    m[:, 1, 1, 0] = c / asp
    m[:, 0, 0, 0] = r[4] * 2 * s.shift
    m[:, 1, 0, 0] = r[5] * 2 * s.shift
    m[:, 0, 1, 1] = r[6] * s.key
    m[:, 1, 1, 1] = r[7] * s.key
    bx = basis(W, 0)
    by = basis(H, 0)
    f = by @ m @ bx.T
    if s.el:
        f += basis(H, s.eln) @ torch.randn(B, 2, s.eln, s.eln, generator=g).mul_(s.el) @ basis(W, s.eln).T
    if s.el2:
        f += basis(H, s.el2n) @ torch.randn(B, 2, s.el2n, s.el2n, generator=g).mul_(s.el2) @ basis(W, s.el2n).T
    y = torch.nn.functional.grid_sample(
        x[:, None], f.permute(0, 2, 3, 1).contiguous(), mode="bilinear", padding_mode="zeros", align_corners=False
    )[:, 0]
    if s.stroke:
        w = U(g, B) * s.stroke
        up = w.clamp(min=0)[:, None, None]
        dn = (-w).clamp(min=0)[:, None, None]
        y = y + up * (morph(y, torch.maximum) - y) + dn * (morph(y, torch.minimum) - y)
    if s.blur:
        a = (torch.rand(B, generator=g) * s.blur / 4)[:, None, None] * (torch.rand(B, generator=g) < 0.5)[:, None, None]
        p = torch.nn.functional.pad(y, (1, 1))
        y = y + a * (p[..., 2:] + p[..., :-2] - 2 * y)
        p = torch.nn.functional.pad(y, (0, 0, 1, 1))
        y = y + a * (p[:, 2:] + p[:, :-2] - 2 * y)
    if s.gain:
        k = torch.exp(U(g, B) * s.gain)[:, None, None]
        t = (U(g, B) * 0.15 * s.gain)[:, None, None]
        y = ((y - 0.5 + t) * k + 0.5 - 0 * t).clamp_(0, 1) * (y > 0)
    if s.gap:
        a = torch.rand(B, generator=g) * math.pi
        d = U(g, B) * 0.5
        wd = torch.rand(B, generator=g) * 0.10
        on = torch.rand(B, generator=g) < s.gap
        t = (torch.arange(W) * 2 + 1) / W - 1
        q = (a.cos()[:, None] * t - d[:, None])[:, None, :] + (a.sin()[:, None] * t)[:, :, None]
        # limited in length along the line
        e = U(g, B) * 0.5
        l = (-a.sin()[:, None] * t - e[:, None])[:, None, :] + (a.cos()[:, None] * t)[:, :, None]
        cut = (
            ((q.abs() - torch.where(on, wd, -9.0)[:, None, None]) * 14)
            .clamp_(0, 1)
            .maximum(((l.abs() - 0.35) * 14).clamp_(0, 1))
        )
        y = y * cut
    if s.noise:
        n = basis(H, 9) @ torch.randn(B, 9, 9, generator=g) @ basis(W, 9).T
        lv = (torch.rand(B, generator=g) * s.noise * (torch.rand(B, generator=g) < 0.5))[:, None, None]
        y = (y + lv * (n - 1).clamp_(0, 1)).clamp_(0, 1)
    if s.clean:
        keep = torch.rand(B, generator=g) < s.clean
        y[keep] = x[keep]
    return y


Augmentation = A
