"""The widest network that a device has room for: bytes of its INT8 form in C, told before anything is trained."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgesoft.data.dataset import Dataset
from edgesoft.errors import UsageError
from edgesoft.exporting.quantize import over_unit_range, quantize
from edgesoft.model.architecture import Architecture, stages_text
from edgesoft.model.card import Scheme
from edgesoft.model.heads import Softmax
from edgesoft.model.layers import Layer, product_of
from edgesoft.model.network import Network
from edgesoft.targets.cost import Cost, cost
from edgesoft.training.settings import TrainSettings

WIDEST = 1024
"""First channels, or units, that are tried."""


def int8_cost(architecture: Architecture, first: Sequence[Layer]) -> Cost:
    """What a network of whole numbers takes on a device, whatever its weights.

    Parameters
    ----------
    architecture
        How large its parts are.
    first
        What brings raw inputs into the network's range.
    """
    shapes = architecture.weight_shapes
    products = [product_of(np.zeros(shape, np.float32), np.zeros(shape[0], np.float32)) for shape in shapes]
    layers = architecture.layers(architecture.first(first), products)
    layers = over_unit_range(layers, np.zeros((1, *architecture.input), np.float32))
    return cost(Network(quantize(layers, [1.0] * (len(products) - 1), Scheme()), Softmax()), architecture.input)


def fitted(settings: TrainSettings, dataset: Dataset, *, is_chosen: bool) -> TrainSettings:
    """The settings with the widest network of their kind that fits into their `flash` and `ram`.

    All its layers are made wider or narrower by the same factor.

    Parameters
    ----------
    settings
        With the network that suits the data, or that was asked for.
    dataset
        What it will learn.
    is_chosen
        Whether its widths were asked for: they then fit, or are refused.

    Raises
    ------
    UsageError
        The network that was asked for does not fit, or not even the narrowest does.
    """
    wanted = settings.architecture(dataset.input.shape, len(dataset.labels))
    if is_chosen and _fits(wanted, settings, dataset):
        return settings
    widest = _widest(wanted, settings, dataset)
    if is_chosen:
        advice = (
            "and so does no narrower one"
            if widest is None
            else f"the widest of this form that does is {_option(widest)}"
        )
        raise UsageError(f"{_option(wanted)} {_takes(wanted, settings, dataset)}: it does not fit, {advice}")
    if widest is None:
        narrowest = _scaled(wanted, 1)
        raise UsageError(
            f"even the narrowest network ({narrowest.describe()}) {_takes(narrowest, settings, dataset)}. Allow more"
        )
    return replace(settings, channels=widest.stages, hidden=widest.hidden)


def _widest(wanted: Architecture, settings: TrainSettings, dataset: Dataset) -> Architecture | None:
    # What is wider takes more, so the first that does not fit is found by halving.
    place = bisect_right(
        range(1, WIDEST + 1), False, key=lambda width: not _fits(_scaled(wanted, width), settings, dataset)
    )
    return _scaled(wanted, place) if place else None


def _scaled(wanted: Architecture, width: int) -> Architecture:
    """The same network with so many channels, or units, in its first layer."""
    widths = [*(count for stage in wanted.stages for count in stage), *wanted.hidden]
    factor = width / widths[0] if widths else 1.0

    def scaled(counts: Sequence[int]) -> tuple[int, ...]:
        return tuple(max(1, round(count * factor)) for count in counts)

    return replace(wanted, stages=tuple(map(scaled, wanted.stages)), hidden=scaled(wanted.hidden))


def _fits(architecture: Architecture, settings: TrainSettings, dataset: Dataset) -> bool:
    if settings.flash and architecture.parameters > settings.flash:
        return False  # each takes a byte at least
    found = int8_cost(architecture, dataset.first_layers)
    return not (settings.flash and found.constant_bytes > settings.flash) and not (
        settings.ram and found.ram_bytes > settings.ram
    )


def _takes(architecture: Architecture, settings: TrainSettings, dataset: Dataset) -> str:
    found = int8_cost(architecture, dataset.first_layers)
    allowed = [f"{size:,} of {name}" for name, size in (("flash", settings.flash), ("RAM", settings.ram)) if size]
    return f"takes {found.constant_bytes:,} bytes of flash and {found.ram_bytes:,} of RAM, with {' and '.join(allowed)} allowed"


def _option(architecture: Architecture) -> str:
    if architecture.stages:
        return f"--channels {stages_text(architecture.stages)}"
    return f"--hidden {','.join(map(str, architecture.hidden)) or 'none'}"
