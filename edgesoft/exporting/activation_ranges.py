"""Measures how large the activations get, which decides the scales of an INT8 model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgesoft.training.network import SoftmaxMLP

METHODS = ("minmax", "percentile", "entropy")
BINS = 2048
PERCENTILE = 99.999
LEVELS = 255
BATCH_SIZE = 1000


def activation_maxima(network: SoftmaxMLP, inputs: NDArray[Any], method: str = "minmax") -> list[float]:
    """The value of each hidden layer's activations that the largest INT8 level will stand for.

    Parameters
    ----------
    network
        The float network.
    inputs
        Calibration examples, raw.
    method
        "minmax": the largest activation seen. "percentile": the smallest value that 99.999 % of the activations stay below.
        "entropy": the value that loses least information (Kullback-Leibler divergence between the histogram of the activations
        and its quantized form; Migacz, "8-bit Inference with TensorRT", GTC 2017).
    """
    maxima = [0.0] * (len(network.layers) - 1)
    for index, activations in _activations(network, inputs):
        maxima[index] = max(maxima[index], activations.max().item())
    if method == "minmax":
        return maxima
    histograms = [torch.zeros(BINS, dtype=torch.float64) for _ in maxima]
    for index, activations in _activations(network, inputs):
        histograms[index] += torch.histc(activations, BINS, 0.0, maxima[index] or 1.0)
    cut = _percentile_cut if method == "percentile" else _entropy_cut
    return [maximum * cut(histogram.numpy()) / BINS for maximum, histogram in zip(maxima, histograms, strict=True)]


def _activations(network: SoftmaxMLP, inputs: NDArray[Any]) -> Iterator[tuple[int, torch.Tensor]]:
    with torch.inference_mode():
        for start in range(0, len(inputs), BATCH_SIZE):
            x = network.prepare(torch.from_numpy(inputs[start : start + BATCH_SIZE])).flatten(1)
            for index, layer in enumerate(network.layers[:-1]):
                x = torch.relu(layer(x))
                yield index, x


def _percentile_cut(histogram: NDArray[np.float64]) -> int:
    """How many bins from 0 up hold `PERCENTILE` of all values."""
    share = np.cumsum(histogram) / histogram.sum()
    return int(np.searchsorted(share, PERCENTILE / 100)) + 1


def _entropy_cut(histogram: NDArray[np.float64]) -> int:
    """How many bins from 0 up to keep so that 255 levels describe the histogram best."""
    # ReLU puts a spike at 0, which every quantization keeps exactly: it says nothing about where to cut.
    histogram = histogram.copy()
    histogram[0] = histogram[1]
    cuts = range(LEVELS, BINS + 1, 8)
    return min(cuts, key=lambda cut: _divergence(histogram, cut), default=BINS)


def _divergence(histogram: NDArray[np.float64], cut: int) -> float:
    reference = histogram[:cut].copy()
    reference[-1] += histogram[cut:].sum()  # what is clipped lands on the largest level
    level = np.arange(cut) * LEVELS // cut
    filled = histogram[:cut] > 0
    mass = np.bincount(level, histogram[:cut], minlength=LEVELS)
    bins = np.bincount(level, filled, minlength=LEVELS)
    quantized = np.where(filled, (mass / np.maximum(bins, 1))[level], 0)
    if quantized.sum() == 0:
        return np.inf
    p, q = reference / reference.sum(), quantized / quantized.sum()
    # Mass that was clipped into an empty bin has no counterpart: count it against a floor instead of infinity.
    both = p > 0
    return float(np.sum(p[both] * np.log(p[both] / np.maximum(q[both], 1e-12))))
